// random: shape rules, and the gradient of dropout. Distributions are compositions over random_bits, above.
#include "ops/random.h"

#include "addax/ops/elementwise.h"
#include "addax/ops/random.h"
#include "ops/check.h"
#include "ops/families.h"
#include "ops/op.h"

namespace addax {
namespace {

void random_bits_infer(InferContext& c) {
  const RandomBitsAttrs& a = c.attrs.as<RandomBitsAttrs>();
  require_random_key(c, c.in[0]);
  if (kind_of(a.dtype) != Kind::Unsigned)
    fail<DtypeError>(c.op.name, ": dtype must be uint8, uint16, uint32 or uint64, got ", a.dtype);
  for (int64_t n : a.shape)
    if (n < 0) fail<ShapeError>(c.op.name, ": sizes must be >= 0, got shape ", a.shape);
  c.out(a.shape, a.dtype);
}

// ---- dropout

void dropout_infer(InferContext& c) {
  const double rate = c.attrs.as<DropoutAttrs>().rate;
  const Tensor& x = c.in[0];
  if (!is_float(x.dtype()))
    fail<DtypeError>(c.op.name, ": expected a floating dtype, got ", x.dtype(), "; cast with addax.ops.cast");
  require_random_key(c, c.in[1]);
  if (!(rate >= 0 && rate <= 1)) fail<ValueError>(c.op.name, ": rate must lie between 0 and 1, got ", rate);
  c.out(x.shape(), x.dtype());
}

/// A float32 with 23 random bits, as jax.random.uniform makes it, decides.
Tensors dropout_compose(Span<const Tensor> in, const Attrs& attrs) {
  const double keep = 1 - attrs.as<DropoutAttrs>().rate;
  const Tensor bits = random_bits(in[1], in[0].shape());
  const Tensor unit = cast(right_shift(bits, Tensor::scalar(9, Dtype::UInt32)), Dtype::Float32) * 0x1p-23;
  const Tensor kept = less(unit, Tensor::scalar(keep, Dtype::Float32));
  return {where(kept, in[0] / keep, Tensor::scalar(0, in[0].dtype()))};
}

Tensors dropout_vjp(const VjpContext& c) {
  return {dropout(c.grads[0], c.in[1], c.attrs.as<DropoutAttrs>().rate), Tensor()};
}

}  // namespace

Tensor random_bits(const Tensor& key, const Shape& shape, Dtype dtype) {
  return apply1(ADDAX_OP(random_bits), {key}, Attrs::of(RandomBitsAttrs{shape, dtype}));
}

Tensor dropout(const Tensor& x, const Tensor& key, double rate) {
  return apply1(ADDAX_OP(dropout), {x, key}, Attrs::of(DropoutAttrs{rate}));
}

void register_random(OpTable& table) {
  OpDef& bits = table.add("random", "random_bits").attrs<RandomBitsAttrs>();
  bits.infer = random_bits_infer;
  bits.differentiable = false;

  OpDef& drop = table.add("random", "dropout").attrs<DropoutAttrs>();
  drop.min_inputs = drop.max_inputs = 2;
  drop.infer = dropout_infer;
  drop.vjp = dropout_vjp;
  drop.save_inputs = 0b10;
  drop.compose = dropout_compose;
  drop.fusion = Fusion::Pointwise;
  drop.in_place = [](const Attrs&, int, int input) { return input == 0; };
}

}  // namespace addax
