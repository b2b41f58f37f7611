#include "ops/elsewhere.h"

#include <algorithm>

#include "core/copy.h"
#include "core/runtime.h"
#include "ops/kernel.h"
#include "ops/record.h"

namespace addax {
namespace {

thread_local bool moves_constants = false;

// Whether all elements lie at one address.
bool is_one_value(const Tensor& t) {
  for (int d = 0; d < t.rank(); ++d)
    if (t.shape()[d] != 1 && t.strides()[d] != 0) return false;
  return t.numel() > 0;
}

class Unrecorded {
 public:
  Unrecorded() : before_(active_recorder) { active_recorder = nullptr; }
  ~Unrecorded() { active_recorder = before_; }

 private:
  Recorder* before_;
};

// Where the inputs of several values lie; where there is none, the first device.
Device place_of(const OpDef& op, Span<const Tensor> inputs) {
  const Tensor* many = nullptr;
  Device device;
  for (const Tensor& t : inputs) {
    if (!t) continue;
    if (!device.has_runtime()) device = t.device();
    const bool stays = !is_one_value(t) && t.numel() > 0 && (t.device().has_runtime() || !moves_constants);
    if (!stays || (many && many->device() == t.device())) continue;
    if (many)
      fail<ValueError>(op.name, ": an input of shape ", many->shape(), " lies on ", many->device(), ", one of shape ",
                       t.shape(), " on ", t.device(), "; move them to one device with to()");
    many = &t;
  }
  return many ? many->device() : device;
}

View view_of(const Tensor& t) {
  if (!t) return {};
  return {t.address(), t.dtype(), t.shape(), t.strides()};
}

}  // namespace

Tensor moved(const Tensor& t, Device device) {
  if (t.rank() == 0 || t.device() == device || !is_one_value(t)) return t.to(device);
  return t.view({{}, {}, t.layout().offset}).to(device).view({t.shape(), Dims::filled(t.rank(), 0), 0});
}

void write(const Tensor& target, const Tensor& value) {
  const Device device = target.device();
  if (value.numel() == 0) return;
  if (value.device() == device)
    copy_strided(device, target.address(), target.strides(), value.address(), value.strides(), value.shape(),
                 size_of(value.dtype()));
  else if (value.device().has_runtime())
    write(target, value.to(device));
  else
    runtime_of(device).from_host(device.index, target.address(), value.contiguous().raw(), value.nbytes());
}

MovesConstants::MovesConstants() : before_(moves_constants) { moves_constants = true; }
MovesConstants::~MovesConstants() { moves_constants = before_; }

void run_elsewhere(const OpDef& op, Span<const Tensor> inputs, const Attrs& attrs, bool may_donate,
                   const SmallVector<Spec, kFewOutputs>& specs, Outputs& out) {
  const Device device = place_of(op, inputs);
  Tensors held(inputs.size());  // what is not an input itself; lives until the kernel is asked for
  for (size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i] && inputs[i].device() != device) held[i] = moved(inputs[i], device);
  const auto input = [&](size_t i) -> const Tensor& { return held[i] ? held[i] : inputs[i]; };
  if (!device.has_runtime()) {
    Tensors all;
    for (size_t i = 0; i < inputs.size(); ++i) all.push_back(input(i));
    const Unrecorded unrecorded;
    Tensors here = apply(op, all, attrs);
    std::move(here.begin(), here.end(), out.begin());
    return;
  }

  const Kernel kernel = op.kernels[static_cast<size_t>(device.type)];
  if (!kernel) fail<Error>(op.name, ": has no kernel for ", device, "; move its inputs with to(\"cpu:0\")");
  bool empty = true;
  for (size_t i = 0; i < specs.size(); ++i) {
    const Spec& spec = specs[i];
    if (may_donate && i < inputs.size() && can_donate(op, static_cast<int>(i), inputs[i], spec))
      out[i] = inputs[i].detach();
    else
      out[i] = Tensor::empty(spec.shape, spec.dtype, device, op.name);
    empty &= out[i].numel() == 0;
  }
  if (empty) return;
  SmallVector<View, 8> in(inputs.size()), results(specs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!op.strided && input(i) && !input(i).is_contiguous()) held[i] = input(i).contiguous();
    in[i] = view_of(input(i));
  }
  for (size_t i = 0; i < specs.size(); ++i) results[i] = view_of(out[i]);
  runtime_of(device).run(device.index, kernel, KernelArgs{in, results, attrs, op, device});
}

}  // namespace addax
