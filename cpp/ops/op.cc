// The op table and apply, the only door to computation.
#include "ops/op.h"

#include <algorithm>
#include <map>
#include <string>

#include "cpu/select.h"
#include "ops/elsewhere.h"
#include "ops/engine.h"
#include "ops/families.h"
#include "ops/kernel.h"
#include "ops/record.h"

namespace addax {

thread_local Recorder* active_recorder = nullptr;
thread_local Tracer* active_tracer = nullptr;
Engine* active_engine = nullptr;

namespace {

thread_local bool on_host = false;

std::map<std::string, OpDef*, std::less<>>& names() {
  static auto* map = new std::map<std::string, OpDef*, std::less<>>;
  return *map;
}

int edit_distance(std::string_view a, std::string_view b) {
  std::vector<int> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    int diagonal = row[0];
    row[0] = static_cast<int>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const int cost = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = row[j];
      row[j] = cost;
    }
  }
  return row.back();
}

View view_of(const Tensor& t) {
  if (!t) return {};
  return {t.raw(), t.dtype(), t.shape(), t.strides()};
}

SmallVector<View, 8> views_of(Span<const Tensor> tensors) {
  SmallVector<View, 8> views(tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) views[i] = view_of(tensors[i]);
  return views;
}

void run(const OpDef& op, Span<const Tensor> inputs, const Attrs& given, bool may_donate, Outputs& out) {
  const Attrs& attrs = given ? given : op.default_attrs;
  InferContext c{op, attrs, inputs, {}};
  infer_outputs(c);
  const size_t count = c.outputs.size();
  out.resize(count);

  bool symbolic = false, elsewhere = false;
  for (const Tensor& t : inputs) {
    const Storage* storage = t.storage().get();
    symbolic |= !storage;
    elsewhere |= storage && storage->device.has_runtime();
  }
  if (elsewhere && !symbolic && on_host) {
    Tensors here(inputs.begin(), inputs.end());
    for (Tensor& t : here) t = t.to(Device{});
    return run(op, here, given, false, out);
  }
  if (symbolic) {
    for (size_t i = 0; i < count; ++i) out[i] = Tensor::placeholder(c.outputs[i].shape, c.outputs[i].dtype);
    if (active_tracer) active_tracer->record(op, attrs, inputs, out);
  } else if (active_engine && !on_host) {
    Tensors results = active_engine->run(op, attrs, inputs, c.outputs);
    std::move(results.begin(), results.end(), out.begin());
  } else {
    Layout layout;
    if (op.view && inputs[0].dtype() == c.outputs[0].dtype &&
        op.view(inputs[0].layout(), c.outputs[0].shape, attrs, layout)) {
      out[0] = inputs[0].view(layout);
    } else if (__builtin_expect(elsewhere, false)) {
      run_elsewhere(op, inputs, attrs, may_donate, c.outputs, out);
    } else {
      const Kernel kernel = op.kernels[static_cast<size_t>(DeviceType::Cpu)];
      if (!kernel) fail<Error>(op.name, ": no kernel for cpu");
      bool empty = true;
      for (size_t i = 0; i < count; ++i) {
        const Spec& spec = c.outputs[i];
        if (may_donate && i < inputs.size() && can_donate(op, static_cast<int>(i), inputs[i], spec))
          out[i] = inputs[i].detach();
        else
          out[i] = Tensor::empty(spec.shape, spec.dtype, op.name);
        empty &= out[i].numel() == 0;
      }
      if (!empty) {
        Tensors held;  // contiguous copies live until the kernel is done
        SmallVector<View, 8> in = views_of(inputs);
        if (!op.strided)
          for (size_t i = 0; i < inputs.size(); ++i)
            if (inputs[i] && !inputs[i].is_contiguous()) {
              held.push_back(inputs[i].contiguous());
              in[i] = view_of(held.back());
            }
        SmallVector<View, 8> results = views_of(out);
        kernel(KernelArgs{in, results, attrs, op});
      }
    }
  }
  if (active_recorder) active_recorder->record(op, attrs, inputs, out);
}

}  // namespace

void infer_outputs(InferContext& c) {
  const OpDef& op = c.op;
  const int n = static_cast<int>(c.in.size());
  if (n < op.min_inputs || (op.max_inputs >= 0 && n > op.max_inputs))
    fail<ValueError>(op.name, ": expected ", op.min_inputs,
                     op.max_inputs == op.min_inputs ? std::string()
                     : op.max_inputs < 0            ? " or more"
                                                    : " to " + std::to_string(op.max_inputs),
                     " inputs, got ", n);
  for (int i = 0; i < n; ++i)
    if (!c.in[static_cast<size_t>(i)]) fail<ValueError>(op.name, ": input ", i, " is not given");
  op.infer(c);
}

void check_size(const char* what, const Shape& shape, Dtype dtype, int64_t most) {
  // An empty dim counts as one, since strides do.
  bool fits = true;
  int64_t bytes = size_of(dtype);
  for (const int64_t d : shape)
    fits = fits && d >= 0 && !__builtin_mul_overflow(bytes, std::max<int64_t>(d, 1), &bytes) && bytes <= most;
  if (!fits) fail<ShapeError>(what, ": expected a shape whose elements can be addressed, got ", shape, " of ", dtype);
}

OnHost::OnHost() : before_(on_host) { on_host = true; }
OnHost::~OnHost() { on_host = before_; }
bool OnHost::active() { return on_host; }

OpDef& OpTable::add(const char* family, const char* name) {
  auto [it, added] = names().emplace(name, nullptr);
  if (!added) fail<Error>("op table: '", name, "' is registered twice");
  auto* row = new OpDef;
  row->family = family;
  row->name = name;
  row->index = static_cast<int>(rows_.size());
  rows_.push_back(row);
  it->second = row;
  return *row;
}

const OpDef* OpTable::find(std::string_view name) const {
  auto it = names().find(name);
  return it == names().end() ? nullptr : it->second;
}

void OpTable::set_kernel(std::string_view name, DeviceType device, Kernel kernel) {
  auto it = names().find(name);
  if (it == names().end()) fail<Error>("op table: kernel for unknown op '", name, "'");
  it->second->kernels[static_cast<size_t>(device)] = kernel;
}

OpTable& op_table() {
  static OpTable* table = [] {
    auto* t = new OpTable;
    register_elementwise(*t);
    register_reduce(*t);
    register_movement(*t);
    register_index(*t);
    register_sort(*t);
    register_matmul(*t);
    register_conv(*t);
    register_pool(*t);
    register_norm(*t);
    register_attention(*t);
    register_loss(*t);
    register_rnn(*t);
    register_random(*t);
    register_optimizer(*t);
    register_fused(*t);
    register_control(*t);
    cpu::register_kernels(*t);
    return t;
  }();
  return *table;
}

const OpDef& find_op(std::string_view name) {
  const OpTable& table = op_table();
  if (const OpDef* op = table.find(name)) return *op;
  std::string near;
  for (const OpDef* row : table.rows())
    if (name.size() <= 40 && edit_distance(name, row->name) <= 2)
      near += (near.empty() ? "" : ", ") + std::string(row->name);
  fail<ValueError>("op table: no op named '", name, "'", near.empty() ? "" : "; did you mean " + near + "?");
}

Tensors apply(const OpDef& op, Span<const Tensor> inputs, const Attrs& attrs, bool may_donate) {
  Outputs out;
  run(op, inputs, attrs, may_donate, out);
  return Tensors(std::make_move_iterator(out.begin()), std::make_move_iterator(out.end()));
}

Tensor apply1(const OpDef& op, Span<const Tensor> inputs, const Attrs& attrs) {
  Outputs out;
  run(op, inputs, attrs, false, out);
  return std::move(out[0]);
}

}  // namespace addax
