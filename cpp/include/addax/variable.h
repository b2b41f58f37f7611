// Variable: the box that holds a value which training replaces.
#pragma once

#include <memory>
#include <string_view>

#include "addax/tensor.h"

namespace addax {

class Attrs;
class Pending;

/// Functions that read variables can be traced if the variables are owned by a std::shared_ptr.
class ADDAX_API Variable : public std::enable_shared_from_this<Variable> {
 public:
  /// Copies memory that belongs to someone else (NumPy, DLPack), so that no outsider can change the value. A value on
  /// the CPU goes to the current device.
  explicit Variable(const Tensor& value, bool trainable = true);
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

  /// The value now. Tapes that watch variables by themselves watch it if the variable is trainable.
  Tensor read() const;
  /// The value now, seen by no tape.
  const Tensor& peek() const { return slot(); }
  const Shape& shape() const { return shape_; }
  Dtype dtype() const { return dtype_; }
  /// Where the value lies, whatever is assigned.
  Device device() const { return device_; }
  /// Replaces the value. Shape and dtype must stay: throws ShapeError or DtypeError. Tensors read before keep the old
  /// value.
  void assign(const Tensor& value);
  /// Never reused in this process.
  uint64_t id() const { return id_; }

  bool trainable;

 private:
  friend ADDAX_API void update(std::string_view op, Span<Variable* const> state, Span<const Tensor> inputs,
                               const Attrs& attrs);
  friend class Plan;
  friend class PlanRun;
  friend class States;
  friend class StartedRun;
  // From the CPU to a device, for good. Throws ValueError if it lies on another device.
  void move_to(Device device);
  // The value here, once no run is writing it.
  Tensor& value() const;
  // Where the value is: here, or in the trace that this thread writes.
  Tensor& slot() const;

  mutable Tensor value_;
  mutable Pending* pending_ = nullptr;  // set while a run goes on that assigns the value
  Shape shape_;
  Dtype dtype_;
  Device device_;
  uint64_t id_;
};

/// Runs an op whose first inputs are the variables and whose outputs are their new values. Memory is reused in place
/// unless something else still holds it: whoever read an old value keeps it unchanged. If the op throws, no variable
/// has changed.
ADDAX_API void update(std::string_view op, Span<Variable* const> state, Span<const Tensor> inputs, const Attrs& attrs);

}  // namespace addax
