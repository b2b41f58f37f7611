// control: shape rules of the rows that run bodies.
#include "ops/control.h"

#include <algorithm>

#include "ops/count.h"
#include "ops/families.h"
#include "ops/vjp.h"

namespace addax {
namespace {

// The body, which takes all inputs but the first ones.
const Body& body_of(const InferContext& c, const BodyRef& body, size_t first = 0) {
  if (!body) fail<ValueError>(c.op.name, ": expected a body");
  if (first + body->inputs().size() != c.in.size())
    fail<ValueError>(c.op.name, ": the body takes ", body->inputs().size(), " inputs, got ", c.in.size() - first);
  return *body.body;
}

void require(const InferContext& c, size_t i, const Shape& shape, Dtype dtype) {
  if (c.in[i].shape() != shape || c.in[i].dtype() != dtype)
    fail<ShapeError>(c.op.name, ": input ", i, " must be ", dtype, shape, " for the body, got ", c.in[i].dtype(),
                     c.in[i].shape());
}

Shape stacked(int64_t length, const Shape& slice) {
  Shape shape = slice;
  shape.insert(0, length);
  return shape;
}

void scan_infer(InferContext& c) {
  const LoopAttrs& a = c.attrs.as<LoopAttrs>();
  const Body& body = body_of(c, a.body);
  const size_t n = c.in.size(), results = body.outputs().size();
  if (a.length < 1) fail<ValueError>("scan: expected a length of at least 1, got ", a.length);
  if (a.sequences < 0 || a.carries < 0 || static_cast<size_t>(a.sequences) + static_cast<size_t>(a.carries) > n ||
      static_cast<size_t>(a.carries) > results)
    fail<ValueError>("scan: ", a.sequences, " sequences and ", a.carries, " carries do not fit a body of ", n,
                     " inputs and ", results, " results");
  const size_t sequences = static_cast<size_t>(a.sequences), stacks = results - static_cast<size_t>(a.carries);
  for (size_t i = 0; i < n; ++i) {
    const Spec& spec = body.inputs()[i];
    require(c, i, i < sequences ? stacked(a.length, spec.shape) : spec.shape, spec.dtype);
  }
  for (size_t i = 0; i < results; ++i) {
    const Spec& spec = body.outputs()[i];
    if (i >= stacks) require(c, sequences + i - stacks, spec.shape, spec.dtype);
    c.out(i < stacks ? stacked(a.length, spec.shape) : spec.shape, spec.dtype);
  }
}

/// A step costs something even if its body computes nothing.
int64_t repeated(int64_t steps, int64_t flops) { return product_of({steps, std::max<int64_t>(flops, 1)}); }

int64_t scan_flops(Span<const Spec>, Span<const Spec>, const Attrs& attrs) {
  const LoopAttrs& a = attrs.as<LoopAttrs>();
  return repeated(a.length, a.body->flops());
}

bool is(const Spec& spec, const Shape& shape, Dtype dtype) { return spec.shape == shape && spec.dtype == dtype; }

void cond_infer(InferContext& c) {
  const BranchAttrs& a = c.attrs.as<BranchAttrs>();
  if (a.bodies.empty()) fail<ValueError>("cond: expected one body or more");
  require(c, 0, {}, Dtype::Int32);
  for (size_t b = 0; b < a.bodies.size(); ++b) {
    const Body& body = body_of(c, a.bodies[b], 1);
    for (size_t i = 1; i < c.in.size(); ++i) require(c, i, body.inputs()[i - 1].shape, body.inputs()[i - 1].dtype);
    const std::vector<Spec>&outputs = body.outputs(), &first = a.bodies[0]->outputs();
    if (outputs.size() != first.size())
      fail<ValueError>("cond: body ", b, " gives ", outputs.size(), " results, body 0 gives ", first.size());
    for (size_t i = 0; i < outputs.size(); ++i)
      if (!is(outputs[i], first[i].shape, first[i].dtype))
        fail<ShapeError>("cond: result ", i, " of body ", b, " is ", outputs[i].dtype, outputs[i].shape, ", of body 0 ",
                         first[i].dtype, first[i].shape);
  }
  for (const Spec& spec : a.bodies[0]->outputs()) c.out(spec.shape, spec.dtype);
}

int64_t cond_flops(Span<const Spec>, Span<const Spec>, const Attrs& attrs) {
  int64_t most = 0;
  for (const BodyRef& body : attrs.as<BranchAttrs>().bodies) most = std::max(most, body->flops());
  return most;
}

void while_infer(InferContext& c) {
  const WhileAttrs& a = c.attrs.as<WhileAttrs>();
  const Body& body = body_of(c, a.body);
  if (a.maximum < -1) fail<ValueError>("while_loop: expected a maximum of steps or -1, got ", a.maximum);
  const std::vector<Spec>&in = body.inputs(), &out = body.outputs();
  if (out.empty() || !is(out[0], {}, Dtype::Bool))
    fail<ValueError>("while_loop: expected a body whose first result is a bool: whether there is another step");
  if (out.size() > in.size())
    fail<ValueError>("while_loop: ", out.size(), " carries do not fit a body of ", in.size(), " inputs");
  for (size_t i = 0; i < in.size(); ++i) require(c, i, in[i].shape, in[i].dtype);
  for (size_t i = 0; i < out.size(); ++i) {
    require(c, i, out[i].shape, out[i].dtype);
    c.out(out[i].shape, out[i].dtype);
  }
}

int64_t while_flops(Span<const Spec>, Span<const Spec>, const Attrs& attrs) {
  const WhileAttrs& a = attrs.as<WhileAttrs>();
  return repeated(a.maximum < 0 ? 1 : a.maximum, a.body->flops());
}

}  // namespace

void register_control(OpTable& table) {
  OpDef& scan = table.add("control", "scan").attrs<LoopAttrs>();
  scan.min_inputs = 0;
  scan.max_inputs = -1;
  scan.infer = scan_infer;
  scan.vjp = scan_vjp;
  scan.flops = scan_flops;
  scan.kernels.fill(run_scan);

  OpDef& cond = table.add("control", "cond").attrs<BranchAttrs>();
  cond.max_inputs = -1;
  cond.infer = cond_infer;
  cond.vjp = cond_vjp;
  cond.flops = cond_flops;
  cond.in_place = cond_in_place;
  cond.kernels.fill(run_cond);

  OpDef& loop = table.add("control", "while_loop").attrs<WhileAttrs>();
  loop.max_inputs = -1;
  loop.infer = while_infer;
  loop.vjp = vjp_of_compose;
  loop.compose = while_compose;
  loop.flops = while_flops;
  loop.kernels.fill(run_while);
}

}  // namespace addax
