// What a kernel sees: raw views, attributes, nothing else. Kernels never throw for shapes (infer did) and never record.
#pragma once

#include "addax/tensor.h"
#include "ops/attrs.h"

namespace addax {

struct OpDef;

/// A strided array. `data` points at the first element; strides count elements.
struct View {
  void* data = nullptr;
  Dtype dtype = Dtype::Float32;
  Shape shape;
  Strides strides;

  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
  int rank() const { return shape.rank(); }
  int64_t numel() const { return addax::numel(shape); }
};

struct KernelArgs {
  Span<const View> in;
  Span<const View> out;  // freshly allocated and contiguous, or a donated input's memory
  const Attrs& attrs;
  const OpDef& op;
  Device device = {};          // where the views lie
  Storage* weights = nullptr;  // of in[1], if its value never changes: a kernel may keep there what it makes of it
};

}  // namespace addax
