// Variables and their in-place update.
#include "addax/variable.h"

#include "addax/autograd.h"
#include "addax/ops/elementwise.h"
#include "autograd/watch.h"
#include "ops/elsewhere.h"
#include "ops/engine.h"
#include "ops/op.h"
#include "ops/record.h"

namespace addax {
namespace {

// Nobody outside can change it, no tape knows it, and an optimizer may update it in place.
Tensor owned(const Tensor& value, Device device, const Tensor& old = {}) {
  if (value.is_placeholder()) return stop_gradient(value);
  return active_engine ? active_engine->put(value, old) : moved(value, device).owned();
}

Device home_of(const Tensor& value) { return value.device().has_runtime() ? value.device() : current_device(); }

}  // namespace

Variable::Variable(const Tensor& value, bool trainable)
    : trainable(trainable),
      value_(owned(value, home_of(value))),
      shape_(value_.shape()),
      dtype_(value_.dtype()),
      device_(value_.device()),
      id_(value_.id()) {
  if (active_tracer && value.is_placeholder())
    fail<Error>(
        "Variable: the first value of a variable that is created while a function is traced must not depend on "
        "the function's arguments or on other variables; create it before");
}

void Variable::move_to(Device device) {
  if (device == device_) return;
  if (device_.has_runtime())
    fail<ValueError>("compiled function: a variable of shape ", shape_, " lies on ", device_, ", others on ", device,
                     "; make all of them on one device");
  Tensor& here = value();
  here = moved(here, device).owned();
  device_ = device;
}

Tensor& Variable::value() const {
  if (pending_) pending_->wait();
  return value_;
}

Tensor& Variable::slot() const {
  return active_tracer ? active_tracer->value_of(const_cast<Variable&>(*this)) : value();
}

Tensor Variable::read() const {
  const Tensor& value = slot();
  if (trainable) watch_read(*this, value);
  return value;
}

void Variable::assign(const Tensor& value) {
  if (value.shape() != shape_)
    fail<ShapeError>("assign: expected a value of the variable's shape ", shape_, ", got ", value.shape());
  if (value.dtype() != dtype_)
    fail<DtypeError>("assign: expected a value of the variable's dtype ", dtype_, ", got ", value.dtype(),
                     "; cast it first");
  Tensor& here = slot();
  // In place on a device, where plans know the address.
  if (here.device().has_runtime() && here.is_unique() && !here.storage()->read_only && !value.is_placeholder())
    write(here, value);
  else
    here = owned(value, device_, here);
}

void update(std::string_view name, Span<Variable* const> state, Span<const Tensor> inputs, const Attrs& attrs) {
  StopRecording stop;
  const OpDef& op = find_op(name);
  Tensors all;
  all.reserve(state.size() + inputs.size());
  for (Variable* v : state) all.push_back(std::move(v->slot()));
  all.insert(all.end(), inputs.begin(), inputs.end());
  Tensors out;
  try {
    out = apply(op, all, attrs, true);
    if (out.size() != state.size())
      fail<Error>(name, ": gives ", out.size(), " results for ", state.size(), " variables");
    for (size_t i = 0; active_engine && i < out.size(); ++i)
      if (!out[i].is_placeholder()) out[i] = active_engine->put(out[i], all[i]);
  } catch (...) {
    // Kernels check before they write, so the old values are still whole.
    for (size_t i = 0; i < state.size(); ++i) state[i]->slot() = std::move(all[i]);
    throw;
  }
  for (size_t i = 0; i < state.size(); ++i) state[i]->slot() = std::move(out[i]);
}

}  // namespace addax
