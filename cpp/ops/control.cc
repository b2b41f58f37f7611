// control: shape rules of the rows that run bodies.
#include "ops/control.h"

#include "ops/families.h"

namespace addax {
namespace {

const Body& body_of(const InferContext& c, const BodyRef& body) {
  if (!body) fail<ValueError>(c.op.name, ": expected a body");
  if (body->inputs().size() != c.in.size())
    fail<ValueError>(c.op.name, ": the body takes ", body->inputs().size(), " inputs, got ", c.in.size());
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

int64_t scan_flops(Span<const Spec>, Span<const Spec>, const Attrs& attrs) {
  const LoopAttrs& a = attrs.as<LoopAttrs>();
  return a.length * a.body->flops();
}

}  // namespace

void register_control(OpTable& table) {
  OpDef& scan = table.add("control", "scan").attrs<LoopAttrs>();
  scan.min_inputs = 0;
  scan.max_inputs = -1;
  scan.infer = scan_infer;
  scan.vjp = scan_vjp;
  scan.flops = scan_flops;
}

}  // namespace addax
