// fused: a program of elementwise rows as one op. Made by the fusion pass; nobody writes it by hand.
#include "ops/fused.h"

#include <charconv>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>

#include "addax/ops/elementwise.h"
#include "ops/count.h"
#include "ops/elementwise.h"
#include "ops/families.h"
#include "ops/op.h"
#include "ops/vjp.h"

namespace addax {
namespace {

using elementwise::TypeRule;

bool is_half(Dtype d) { return d == Dtype::Float16 || d == Dtype::BFloat16; }

struct Instruction {
  std::string_view name;
  std::string_view dtype;  // of a cast
  std::vector<int> in;
};

std::vector<Instruction> split(std::string_view text) {
  std::vector<Instruction> out;
  while (!text.empty()) {
    const size_t end = std::min(text.find(';'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    Instruction i;
    size_t space = std::min(line.find(' '), line.size());
    i.name = line.substr(0, space);
    line.remove_prefix(space);
    const size_t dot = i.name.find('.');
    if (dot != std::string_view::npos) {
      i.dtype = i.name.substr(dot + 1);
      i.name = i.name.substr(0, dot);
    }
    while (!line.empty()) {
      line.remove_prefix(1);
      int operand = 0;
      const auto [stop, error] = std::from_chars(line.data(), line.data() + line.size(), operand);
      if (error != std::errc()) fail<ValueError>("fused: expected the number of an operand, got '", line, "'");
      line.remove_prefix(static_cast<size_t>(stop - line.data()));
      i.in.push_back(operand);
    }
    out.push_back(std::move(i));
  }
  if (out.empty() || out.size() > kMostFusedSteps)
    fail<ValueError>("fused: expected a program of 1 to ", kMostFusedSteps, " instructions, got ", out.size());
  return out;
}

Attrs cast_to(std::string_view dtype) {
  struct Set final : AttrVisitor {
    Dtype to;
    explicit Set(Dtype d) : to(d) {}
    void field(const char*, bool&) override {}
    void field(const char*, int64_t&) override {}
    void field(const char*, double&) override {}
    void field(const char*, std::string&) override {}
    void field(const char*, Dtype& v) override { v = to; }
    void field(const char*, Dims&) override {}
    void field(const char*, BodyRef&) override {}
    void field(const char*, Bodies&) override {}
  } set(dtype_from(std::string(dtype)));
  std::shared_ptr<AttrsBase> attrs = find_op("cast").default_attrs.clone();
  attrs->visit(set);
  return Attrs(std::move(attrs));
}

// What the program gives by plain ops; on placeholders, the shapes.
Tensors run(Span<const Tensor> in, const FusedAttrs& a) {
  Tensors operands(in.begin(), in.end());
  for (const Instruction& i : split(a.program)) {
    Tensors args;
    for (const int operand : i.in) {
      if (operand < 0 || operand >= static_cast<int>(operands.size()))
        fail<ValueError>("fused: '", i.name, "' reads operand ", operand, " of ", operands.size());
      args.push_back(operands[static_cast<size_t>(operand)]);
    }
    operands.push_back(apply1(find_op(i.name), args, i.dtype.empty() ? Attrs() : cast_to(i.dtype)));
  }
  Tensors out;
  for (const int64_t r : a.results) {
    if (r < static_cast<int64_t>(in.size()) || r >= static_cast<int64_t>(operands.size()))
      fail<ValueError>("fused: there is no result ", r);
    out.push_back(operands[static_cast<size_t>(r)]);
  }
  return out;
}

Tensors compose(Span<const Tensor> in, const Attrs& attrs) { return run(in, attrs.as<FusedAttrs>()); }

void infer(InferContext& c) { infer_program(c, c.in, c.attrs.as<FusedAttrs>()); }

const FusedProgram* parse(const FusedAttrs& a) {
  auto program = std::make_unique<FusedProgram>();
  std::vector<Dtype> types;
  std::istringstream names(a.dtypes);
  for (std::string name; names >> name;) types.push_back(dtype_from(name));
  if (types.size() > kMostFusedInputs)
    fail<ValueError>("fused: expected at most ", kMostFusedInputs, " inputs, got ", types.size());
  program->inputs = types;
  for (const Instruction& i : split(a.program)) {
    FusedStep s;
    s.op = &find_op(i.name);
    s.operands = static_cast<int>(i.in.size());
    if (s.op->family != std::string_view("elementwise") || s.operands < s.op->min_inputs ||
        s.operands > s.op->max_inputs)
      fail<ValueError>("fused: '", i.name, "' is no elementwise op of ", s.operands, " operands");
    Tensors args;
    std::array<Dtype, 3> in{};
    for (int k = 0; k < s.operands; ++k) {
      const int operand = i.in[static_cast<size_t>(k)];
      if (operand < 0 || operand >= static_cast<int>(types.size()))
        fail<ValueError>("fused: '", i.name, "' reads operand ", operand, " of ", types.size());
      s.in[static_cast<size_t>(k)] = operand;
      in[static_cast<size_t>(k)] = types[static_cast<size_t>(operand)];
      args.push_back(Tensor::placeholder({}, in[static_cast<size_t>(k)]));
    }
    const Attrs attrs = i.dtype.empty() ? s.op->default_attrs : cast_to(i.dtype);
    InferContext c{*s.op, attrs, args, {}};
    s.op->infer(c);
    s.out = c.outputs[0].dtype;
    if (!can_fuse(*s.op, in.data(), s.operands, s.out)) fail<ValueError>("fused: '", i.name, "' cannot be fused here");
    s.compute = s.out;
    if (s.op->name == std::string_view("cast")) {
      s.compute = in[0];
    } else if (s.op->name != std::string_view("where")) {
      Dtype promoted = in[0];
      for (int k = 1; k < s.operands; ++k) promoted = promote(promoted, in[static_cast<size_t>(k)]);
      s.compute = TypeRule::of(s.op->rule).compute(promoted);
    }
    types.push_back(s.out);
    program->steps.push_back(s);
  }
  return program.release();
}

}  // namespace

void infer_program(InferContext& c, Span<const Tensor> in, const FusedAttrs& a) {
  const FusedProgram& program = a.parsed();
  if (program.inputs.size() != in.size())
    fail<ValueError>(c.op.name, ": expected ", program.inputs.size(), " inputs, got ", in.size());
  if (a.results.empty()) fail<ValueError>(c.op.name, ": the program returns nothing");
  Shape shape;
  for (size_t i = 0; i < in.size(); ++i) {
    if (in[i].dtype() != program.inputs[i])
      fail<DtypeError>(c.op.name, ": expected ", program.inputs[i], " as input ", i, ", got ", in[i].dtype());
    shape = i ? broadcast(shape, in[i].shape(), c.op.name) : in[i].shape();
  }
  for (const int64_t r : a.results) {
    const int64_t step = r - static_cast<int64_t>(program.inputs.size());
    if (step < 0 || step >= static_cast<int64_t>(program.steps.size()))
      fail<ValueError>(c.op.name, ": there is no result ", r);
    c.out(shape, program.steps[static_cast<size_t>(step)].out);
  }
}

bool may_overwrite(const FusedAttrs& a, int output, int input) {
  const FusedProgram& program = a.parsed();
  const size_t writer = static_cast<size_t>(a.results[output]) - program.inputs.size();
  for (size_t s = writer + 1; s < program.steps.size(); ++s)
    for (int k = 0; k < program.steps[s].operands; ++k)
      if (program.steps[s].in[static_cast<size_t>(k)] == input) return false;
  return true;
}

bool can_fuse(const OpDef& op, const Dtype* in, int count, Dtype out) {
  const std::string_view name = op.name;
  if (op.family != std::string_view("elementwise") || name == "stop_gradient" || count > 3) return false;
  for (int k = 0; k < count; ++k)
    if (in[k] == Dtype::Complex64) return false;
  if (name == "cast") return is_half(in[0]) ? out == Dtype::Float32 : !is_half(out) || in[0] == Dtype::Float32;
  if (name == "where") return in[0] == Dtype::Bool && in[1] == out && in[2] == out;
  // Mixed dtypes with a 16-bit float among them round twice; they are left to the row itself.
  bool half = false, mixed = false;
  for (int k = 0; k < count; ++k) {
    half = half || is_half(in[k]);
    mixed = mixed || in[k] != in[0];
  }
  return !half || !mixed;
}

int64_t program_flops(const Spec& result, const FusedAttrs& attrs) {
  return product_of({numel(result.shape), static_cast<int64_t>(attrs.parsed().steps.size())});
}

void infer_epilogue(InferContext& c, const FusedAttrs& epilogue) {
  const Shape shape = c.outputs[0].shape;
  Tensors in = {Tensor::placeholder(shape, c.outputs[0].dtype)};
  in.insert(in.end(), c.in.begin() + 2, c.in.end());
  c.outputs.clear();
  infer_program(c, in, epilogue);
  if (c.outputs[0].shape != shape)
    fail<ShapeError>(c.op.name, ": the program stretches the product ", shape, " to ", c.outputs[0].shape);
  if (result_over_first(epilogue) < 0)
    fail<ValueError>(c.op.name, ": no result of the program can be written over the product");
}

Tensors compose_epilogue(const Tensor& product, Span<const Tensor> in, const FusedAttrs& epilogue) {
  Tensors operands = {product};
  operands.insert(operands.end(), in.begin() + 2, in.end());
  return apply(ADDAX_OP(fused), operands, Attrs::of(epilogue));
}

int result_over_first(const FusedAttrs& attrs) {
  const FusedProgram& program = attrs.parsed();
  for (int r = 0; r < attrs.results.rank(); ++r)
    if (program.steps[static_cast<size_t>(attrs.results[r]) - program.inputs.size()].out == program.inputs[0] &&
        may_overwrite(attrs, r, 0))
      return r;
  return -1;
}

FusedAttrs with_first(const FusedAttrs& attrs, int input) {
  const FusedProgram& program = attrs.parsed();
  FusedAttrs moved;
  moved.results = attrs.results;
  std::ostringstream text;
  for (const FusedStep& s : program.steps) {
    text << (&s == &program.steps[0] ? "" : ";") << s.op->name;
    if (s.op->name == std::string_view("cast")) text << '.' << s.out;
    for (int k = 0; k < s.operands; ++k) {
      const int operand = s.in[static_cast<size_t>(k)];
      text << ' ' << (operand == input ? 0 : operand < input ? operand + 1 : operand);
    }
  }
  moved.program = text.str();
  std::ostringstream dtypes;
  dtypes << program.inputs[static_cast<size_t>(input)];
  for (size_t i = 0; i < program.inputs.size(); ++i)
    if (static_cast<int>(i) != input) dtypes << ' ' << program.inputs[i];
  moved.dtypes = dtypes.str();
  return moved;
}

const FusedProgram& FusedAttrs::parsed() const {
  if (const FusedProgram* p = address_.at.load(std::memory_order_acquire)) return *p;
  static std::mutex mutex;
  static auto* programs = new std::map<std::string, const FusedProgram*>;
  std::ostringstream key;
  key << program << '|' << dtypes;
  const std::lock_guard<std::mutex> lock(mutex);
  const FusedProgram*& p = (*programs)[key.str()];
  if (!p) p = parse(*this);
  address_.at.store(p, std::memory_order_release);
  return *p;
}

void register_fused(OpTable& table) {
  OpDef& op = table.add("fused", "fused").attrs<FusedAttrs>();
  op.max_inputs = -1;
  op.infer = infer;
  op.compose = compose;
  op.vjp = vjp_of_compose;
  op.strided = true;
  op.fusion = Fusion::Pointwise;
  op.in_place = [](const Attrs& attrs, int output, int input) {
    return may_overwrite(attrs.as<FusedAttrs>(), output, input);
  };
  op.flops = [](Span<const Spec>, Span<const Spec> out, const Attrs& attrs) {
    return program_flops(out[0], attrs.as<FusedAttrs>());
  };
}

}  // namespace addax
