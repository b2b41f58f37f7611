// apply where an input lies on a device other than the CPU.
#pragma once

#include "ops/op.h"

namespace addax {

using Outputs = SmallVector<Tensor, kFewOutputs>;

/// Whether output i may be written over the input in its place.
inline bool can_donate(const OpDef& op, int i, const Tensor& input, const Spec& out) {
  return i < op.donates && input && input.is_unique() && !input.storage()->read_only && input.is_contiguous() &&
         input.dtype() == out.dtype && input.shape() == out.shape;
}

/// Runs the kernel of the inputs' device, where the results will lie. Inputs that hold one value, such as Python's
/// numbers and zeros of any shape, go where the others lie. Throws ValueError for inputs on several
/// devices, Error for a row without a kernel there.
void run_elsewhere(const OpDef& op, Span<const Tensor> inputs, const Attrs& attrs, bool may_donate,
                   const SmallVector<Spec, kFewOutputs>& specs, Outputs& out);

/// As Tensor::to. A value that is repeated stays one value.
Tensor moved(const Tensor& t, Device device);

/// Copies values from anywhere into the memory of a contiguous tensor of their shape and dtype on a device.
void write(const Tensor& target, const Tensor& value);

/// While one lives, this thread's calls on a device take constants of any size from the CPU: compositions and gradients
/// make masks and counts of their own.
class MovesConstants {
 public:
  MovesConstants();
  ~MovesConstants();
  MovesConstants(const MovesConstants&) = delete;
  MovesConstants& operator=(const MovesConstants&) = delete;

 private:
  bool before_;
};

}  // namespace addax
