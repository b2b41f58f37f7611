// Variables and their in-place update.
#include "addax/variable.h"

#include "addax/autograd.h"
#include "autograd/watch.h"
#include "ops/op.h"

namespace addax {
namespace {

// The value in memory of the engine's own: nobody outside can change it, and an optimizer may update it in place.
Tensor owned(const Tensor& value) {
  if (value.is_placeholder()) return value;
  const bool foreign = value.storage()->read_only || value.storage()->foreign;
  if (!foreign) return value.contiguous().detach();
  const Tensor source = value.contiguous();
  Tensor copy = Tensor::empty(value.shape(), value.dtype(), "variable");
  std::copy_n(source.data<char>(), source.nbytes(), copy.data<char>());
  return copy;
}

}  // namespace

Variable::Variable(const Tensor& value, bool trainable)
    : trainable(trainable), value_(owned(value)), id_(value_.id()) {}

Tensor Variable::read() const {
  if (trainable) watch_read(*this, value_);
  return value_;
}

void Variable::assign(const Tensor& value) {
  if (value.shape() != value_.shape())
    fail<ShapeError>("assign: expected a value of the variable's shape ", value_.shape(), ", got ", value.shape());
  if (value.dtype() != value_.dtype())
    fail<DtypeError>("assign: expected a value of the variable's dtype ", value_.dtype(), ", got ", value.dtype(),
                     "; cast it first");
  value_ = owned(value);
}

void update(std::string_view name, Span<Variable* const> state, Span<const Tensor> inputs, const Attrs& attrs) {
  StopRecording stop;
  const OpDef& op = find_op(name);
  Tensors all;
  all.reserve(state.size() + inputs.size());
  for (Variable* v : state) all.push_back(std::move(v->value_));
  all.insert(all.end(), inputs.begin(), inputs.end());
  Tensors out;
  try {
    out = apply(op, all, attrs, true);
    if (out.size() != state.size())
      fail<Error>(name, ": gives ", out.size(), " results for ", state.size(), " variables");
  } catch (...) {
    // Kernels check before they write, so the old values are still whole.
    for (size_t i = 0; i < state.size(); ++i) state[i]->value_ = std::move(all[i]);
    throw;
  }
  for (size_t i = 0; i < state.size(); ++i) state[i]->value_ = std::move(out[i]);
}

}  // namespace addax
