// Variable: the box that holds a value which training replaces.
#pragma once

#include <string>

#include "addax/tensor.h"

namespace addax {

class ADDAX_API Variable {
 public:
  explicit Variable(Tensor value, bool trainable = true);
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

  /// The value now. Tapes that watch variables by themselves watch it if the variable is trainable.
  Tensor read() const;
  /// The value now, seen by no tape.
  const Tensor& peek() const { return value_; }
  /// Replaces the value; shape and dtype must stay. Tensors read before keep the old value.
  void assign(const Tensor& value);
  uint64_t id() const { return id_; }

  bool trainable;

 private:
  friend ADDAX_API void update(std::string_view op, Span<Variable* const> state, Span<const Tensor> inputs,
                               const class Attrs& attrs);
  Tensor value_;
  uint64_t id_;
};

/// Runs an op whose first inputs are the variables and whose outputs are their new values. Memory is reused in place
/// unless a tensor read earlier still holds it: whoever holds an old value keeps it unchanged.
ADDAX_API void update(std::string_view op, Span<Variable* const> state, Span<const Tensor> inputs, const Attrs& attrs);

}  // namespace addax
