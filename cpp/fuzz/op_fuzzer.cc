// One op of the table with inputs and attributes made of the fuzzer's bytes: what a shape rule accepts, its kernel must
// compute without leaving its arrays, and its view rule must stay within them. A rule may refuse with addax::Error
// only.
//
// Inputs and outputs lie in blocks of exactly their size, so the address sanitizer sees every byte beyond them.
#include <cstdlib>
#include <cstring>
#include <memory>

#include "addax/device.h"
#include "fuzz/fuzzer.h"
#include "ops/kernel.h"
#include "ops/op.h"

namespace addax {
namespace {

constexpr int64_t kMostBytes = 1 << 20;
constexpr int64_t kMostFlops = 1 << 22;

Shape some_shape(FuzzBytes& in, const Tensors& before) {
  if (!before.empty() && in.chance(150)) {
    Shape shape = before[in.below(before.size())].shape();
    if (in.chance(90) && !shape.empty()) shape.erase(static_cast<int>(in.below(shape.size())));
    if (in.chance(60) && shape.rank() < kMaxRank)
      shape.insert(static_cast<int>(in.below(shape.size() + 1)), in.below(5));
    if (in.chance(60) && !shape.empty()) shape[static_cast<int>(in.below(shape.size()))] = in.number();
    if (in.chance(30)) std::reverse(shape.begin(), shape.end());
    for (int64_t& d : shape) d = std::max<int64_t>(d, 0);
    return shape;
  }
  Shape shape;
  for (size_t rank = in.below(6); rank > 0; --rank)
    shape.push_back(in.chance(250) ? static_cast<int64_t>(in.below(6)) : std::max<int64_t>(in.number(), 0));
  return shape;
}

struct RandomAttrs final : AttrVisitor {
  FuzzBytes& in;
  const Tensors& inputs;
  RandomAttrs(FuzzBytes& bytes, const Tensors& tensors) : in(bytes), inputs(tensors) {}

  void field(const char*, bool& v) override { v = in.chance(128); }
  void field(const char*, int64_t& v) override {
    if (in.chance(200)) v = in.number();
  }
  void field(const char*, double& v) override {
    if (in.chance(200)) v = in.real();
  }
  void field(const char* name, std::string& v) override {
    if (!std::strcmp(name, "mode"))
      v = std::array{"constant", "reflect", "symmetric", "edge", "other"}[in.below(5)];
    else if (!std::strcmp(name, "reduction"))
      v = in.op().name;
    else if (!std::strcmp(name, "program"))
      for (size_t steps = 1 + in.below(4), i = 0; i < steps; ++i) {
        const OpDef& op = in.op();
        v += (i ? ";" : "") + std::string(op.name);
        if (v.size() >= 4 && v.compare(v.size() - 4, 4, "cast") == 0) v += "." + std::string(name_of(in.dtype()));
        for (int k = 0; k < op.min_inputs; ++k) v += " " + std::to_string(in.below(inputs.size() + i + 1));
      }
    else if (!std::strcmp(name, "dtypes"))
      for (const Tensor& t : inputs) v += (v.empty() ? "" : " ") + std::string(name_of(t.dtype()));
  }
  void field(const char*, Dtype& v) override { v = in.dtype(); }
  void field(const char*, Dims& v) override {
    if (in.chance(30)) return;
    v = {};
    const size_t rank = inputs.empty() || in.chance(40)
                            ? in.below(6)
                            : static_cast<size_t>(inputs[0].rank() - (in.chance(128) ? 2 : 0));
    for (size_t i = 0; i < rank && i < static_cast<size_t>(kMaxRank); ++i) v.push_back(in.number());
  }
  void field(const char*, BodyRef&) override {}
  void field(const char*, Bodies&) override {}
};

// A tensor in a block of exactly its size.
Tensor exact(const Spec& spec) {
  auto* storage = new Storage;
  storage->bytes = numel(spec.shape) * size_of(spec.dtype);
  storage->data = std::malloc(static_cast<size_t>(storage->bytes));
  storage->foreign = [](void* data) { std::free(data); };
  return Tensor(Ref<Storage>(storage), Layout::contiguous(spec.shape), spec.dtype);
}

void fill(const Tensor& t, FuzzBytes& in) {
  char* data = static_cast<char*>(t.raw());
  const int64_t size = size_of(t.dtype());
  for (int64_t i = 0; i < t.numel(); ++i) {
    const Tensor one = t.dtype() == Dtype::Complex64 ? Tensor() : Tensor::scalar(in.value(t.dtype()), t.dtype());
    if (one)
      std::memcpy(data + i * size, one.raw(), static_cast<size_t>(size));
    else
      std::memset(data + i * size, 0, static_cast<size_t>(size));
  }
}

void check_view(const Layout& view, const Layout& base) {
  if (numel(view.shape) == 0) return;
  int64_t low = view.offset, high = view.offset;
  for (int d = 0; d < view.shape.rank(); ++d)
    (view.strides[d] < 0 ? low : high) += view.strides[d] * (view.shape[d] - 1);
  if (low < 0 || high >= numel(base.shape)) std::abort();
}

void try_op(FuzzBytes& in) {
  const OpDef& op = in.op();
  const size_t most = op.max_inputs < 0 ? static_cast<size_t>(op.min_inputs) + 3 : static_cast<size_t>(op.max_inputs);
  const size_t count = static_cast<size_t>(op.min_inputs) +
                       (in.chance(100) ? in.below(most - static_cast<size_t>(op.min_inputs) + 1) : 0);
  Tensors inputs;
  const Dtype dtype = in.dtype();
  for (size_t i = 0; i < count; ++i) {
    const Spec spec{some_shape(in, inputs), in.chance(40) ? in.dtype() : dtype};
    check_size(op.name, spec.shape, spec.dtype, kAddressable);
    inputs.push_back(Tensor::placeholder(spec.shape, spec.dtype));
  }
  Attrs attrs;
  if (op.default_attrs) {
    std::shared_ptr<AttrsBase> fields = op.default_attrs.clone();
    RandomAttrs random(in, inputs);
    fields->visit(random);
    attrs = Attrs(std::move(fields));
  }
  InferContext inferred{op, attrs ? attrs : op.default_attrs, inputs, {}};
  infer_outputs(inferred);
  const std::vector<Spec> made(inferred.outputs.begin(), inferred.outputs.end());
  std::vector<Spec> specs;
  for (const Tensor& t : inputs) specs.push_back({t.shape(), t.dtype()});
  const int64_t flops = made.empty() ? 0 : op.flops_of(specs, made, inferred.attrs);
  if (flops < 0) std::abort();
  int64_t bytes = 0;
  bool empty = true;
  for (const std::vector<Spec>* list : std::array<const std::vector<Spec>*, 2>{&specs, &made})
    for (const Spec& s : *list) bytes = std::min(bytes + numel(s.shape) * size_of(s.dtype), int64_t{1} << 50);
  for (const Spec& s : made) empty = empty && numel(s.shape) == 0;
  Layout view;
  if (op.view && made[0].dtype == specs[0].dtype && op.view(inputs[0].layout(), made[0].shape, inferred.attrs, view))
    return check_view(view, inputs[0].layout());
  if (bytes > kMostBytes || flops > kMostFlops || empty || !op.kernels[0]) return;
  Tensors values, results;
  std::vector<View> from, to;
  for (const Spec& s : specs) {
    values.push_back(exact(s));
    fill(values.back(), in);
    from.push_back({values.back().raw(), s.dtype, s.shape, values.back().strides()});
  }
  for (const Spec& s : made) {
    results.push_back(exact(s));
    to.push_back({results.back().raw(), s.dtype, s.shape, results.back().strides()});
  }
  op.kernels[0](KernelArgs{from, to, inferred.attrs, op});
}

}  // namespace
}  // namespace addax

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  addax::set_num_threads(1);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  addax::FuzzBytes in(data, size);
  try {
    addax::try_op(in);
  } catch (const addax::Error&) {
  }
  return 0;
}
