// Checks that shape rules share.
#pragma once

#include "ops/op.h"

namespace addax {

/// Throws DtypeError unless inputs `first`, `first` + 1, ... have one dtype.
inline void require_one_dtype(const InferContext& c, std::initializer_list<int> inputs) {
  const Dtype dtype = c.in[static_cast<size_t>(*inputs.begin())].dtype();
  for (int i : inputs)
    if (c.in[static_cast<size_t>(i)].dtype() != dtype)
      fail<DtypeError>(c.op.name, ": inputs ", *inputs.begin(), " and ", i, " must have one dtype, got ", dtype,
                       " and ", c.in[static_cast<size_t>(i)].dtype(), "; cast with addax.ops.cast");
}

/// Throws DtypeError unless input `i` holds integers.
inline void require_integers(const InferContext& c, int i) {
  const Dtype dtype = c.in[static_cast<size_t>(i)].dtype();
  if (!is_int(dtype))
    fail<DtypeError>(c.op.name, ": indices must be integers, got ", dtype,
                     "; cast with addax.ops.cast(indices, \"int32\")");
}

/// Throws unless `key` is one of Threefry: uint32 of shape (2,).
inline void require_random_key(const InferContext& c, const Tensor& key) {
  if (key.dtype() != Dtype::UInt32)
    fail<DtypeError>(c.op.name, ": the random key must be uint32, got ", key.dtype(), "; cast with addax.ops.cast");
  if (key.shape() != Shape{2}) fail<ShapeError>(c.op.name, ": the random key must have shape (2,), got ", key.shape());
}

}  // namespace addax
