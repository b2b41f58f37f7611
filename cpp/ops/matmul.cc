// matmul, and with a program behind it: shape rule and gradient.
#include "addax/ops/matmul.h"

#include "addax/ops/movement.h"
#include "ops/count.h"
#include "ops/families.h"
#include "ops/fused.h"
#include "ops/matmul.h"
#include "ops/op.h"
#include "ops/vjp.h"

namespace addax {
namespace {

const char* contracted(bool second_to_last) { return second_to_last ? "second-to-last" : "last"; }

void infer_product(InferContext& c, const MatmulAttrs& attrs) {
  const Tensor &a = c.in[0], &b = c.in[1];
  if (a.dtype() != b.dtype())
    fail<DtypeError>(c.op.name, ": a is ", a.dtype(), " and b is ", b.dtype(),
                     ", expected the same dtype; cast with addax.ops.cast");
  if (kind_of(a.dtype()) == Kind::Complex) fail<DtypeError>(c.op.name, ": expected real inputs, got ", a.dtype());
  const int ra = a.rank(), rb = b.rank();
  if (ra < 2 || rb < 2)
    fail<ShapeError>(c.op.name, ": expected inputs of rank 2 or more, got a ", a.shape(), " and b ", b.shape(),
                     "; add a dim with addax.ops.expand_dims");
  const int64_t k = a.shape()[attrs.transpose_a ? ra - 2 : ra - 1];
  if (k != b.shape()[attrs.transpose_b ? rb - 1 : rb - 2])
    fail<ShapeError>(c.op.name, ": ", contracted(attrs.transpose_a), " dim of a ", a.shape(), " must equal ",
                     contracted(!attrs.transpose_b), " dim of b ", b.shape(),
                     attrs.transpose_a || attrs.transpose_b ? " (transposed as the flags say)" : "");
  Shape out = ra == 2 && rb == 2 ? Shape()
                                 : broadcast(Shape(a.shape().begin(), a.shape().end() - 2),
                                             Shape(b.shape().begin(), b.shape().end() - 2), "matmul: batch dims");
  out.push_back(a.shape()[attrs.transpose_a ? ra - 1 : ra - 2]);
  out.push_back(b.shape()[attrs.transpose_b ? rb - 2 : rb - 1]);
  c.out(out, a.dtype());
}

void infer(InferContext& c) { infer_product(c, c.attrs.as<MatmulAttrs>()); }

bool has_batch(const Tensor& t) { return t.rank() > 2; }

// (..., m, n) as (... * m, n).
Tensor flat(const Tensor& t) {
  int64_t rows = 1;
  for (int i = 0; i + 1 < t.rank(); ++i) rows *= t.shape()[i];
  return reshape(t, {rows, t.shape().back()});
}

Tensors vjp(const VjpContext& c) {
  const Tensor &a = c.in[0], &b = c.in[1], &g = c.grads[0];
  const auto [ta, tb] = c.attrs.as<MatmulAttrs>();
  Tensors grads(2);
  if (c.need(0)) grads[0] = fit_to(ta ? matmul(b, g, tb, true) : matmul(g, b, false, !tb), a);
  if (c.need(1)) {
    if (has_batch(a) && !has_batch(b) && !ta)  // one product sums over the batch as well
      grads[1] = tb ? matmul(flat(g), flat(a), true, false) : matmul(flat(a), flat(g), true, false);
    else
      grads[1] = fit_to(tb ? matmul(g, a, true, ta) : matmul(a, g, !ta, false), b);
  }
  return grads;
}

int64_t flops_of(Span<const Spec> in, Span<const Spec> out, const MatmulAttrs& attrs) {
  const Shape& a = in[0].shape;
  return product_of({2, numel(out[0].shape), a[a.rank() - (attrs.transpose_a ? 2 : 1)]});
}
int64_t flops(Span<const Spec> in, Span<const Spec> out, const Attrs& attrs) {
  return flops_of(in, out, attrs.as<MatmulAttrs>());
}

using MatmulFusedAttrs = EpilogueAttrs<MatmulAttrs>;

void infer_fused(InferContext& c) {
  const auto& a = c.attrs.as<MatmulFusedAttrs>();
  infer_product(c, a.product);
  infer_epilogue(c, a.epilogue);
}

Tensors compose_fused(Span<const Tensor> in, const Attrs& attrs) {
  const auto& a = attrs.as<MatmulFusedAttrs>();
  return compose_epilogue(matmul(in[0], in[1], a.product.transpose_a, a.product.transpose_b), in, a.epilogue);
}

int64_t flops_fused(Span<const Spec> in, Span<const Spec> out, const Attrs& attrs) {
  const auto& a = attrs.as<MatmulFusedAttrs>();
  return flops_of(in, out, a.product) + program_flops(out[0], a.epilogue);
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b) {
  static const Attrs kPlain = Attrs::of(MatmulAttrs{});
  return apply1(ADDAX_OP(matmul), {a, b},
                transpose_a || transpose_b ? Attrs::of(MatmulAttrs{transpose_a, transpose_b}) : kPlain);
}

void register_matmul(OpTable& table) {
  OpDef& op = table.add("matmul", "matmul").attrs<MatmulAttrs>();
  op.min_inputs = op.max_inputs = 2;
  op.infer = infer;
  op.vjp = vjp;
  op.flops = flops;
  op.strided = true;

  OpDef& fused = table.add("matmul", "matmul_fused").attrs<MatmulFusedAttrs>();
  fused.min_inputs = 2;
  fused.max_inputs = -1;
  fused.infer = infer_fused;
  fused.compose = compose_fused;
  fused.vjp = vjp_of_compose;
  fused.flops = flops_fused;
  fused.strided = true;
}

}  // namespace addax
