// random: attributes and shape rule. Distributions are compositions over random_bits, above.
#include "ops/random.h"

#include "addax/ops/random.h"
#include "ops/families.h"
#include "ops/op.h"

namespace addax {
namespace {

void random_bits_infer(InferContext& c) {
  const RandomBitsAttrs& a = c.attrs.as<RandomBitsAttrs>();
  const Tensor& key = c.in[0];
  if (key.dtype() != Dtype::UInt32)
    fail<DtypeError>(c.op.name, ": key must be uint32, got ", key.dtype(), "; cast with addax.ops.cast");
  if (key.shape() != Shape{2}) fail<ShapeError>(c.op.name, ": key must have shape (2,), got ", key.shape());
  if (kind_of(a.dtype) != Kind::Unsigned)
    fail<DtypeError>(c.op.name, ": dtype must be uint8, uint16, uint32 or uint64, got ", a.dtype);
  for (int64_t n : a.shape)
    if (n < 0) fail<ShapeError>(c.op.name, ": sizes must be >= 0, got shape ", a.shape);
  c.out(a.shape, a.dtype);
}

}  // namespace

Tensor random_bits(const Tensor& key, const Shape& shape, Dtype dtype) {
  return apply1(ADDAX_OP(random_bits), {key}, Attrs::of(RandomBitsAttrs{shape, dtype}));
}

void register_random(OpTable& table) {
  OpDef& bits = table.add("random", "random_bits").attrs<RandomBitsAttrs>();
  bits.infer = random_bits_infer;
  bits.differentiable = false;
}

}  // namespace addax
