// Random ops as C++ functions.
#pragma once

#include "addax/tensor.h"

namespace addax {

/// Uniform bits of dtype uint8, uint16, uint32 or uint64 under a key, a uint32 tensor of shape (2,). Element i depends
/// on the key, i and dtype only. The same bits as jax.random.bits.
ADDAX_API Tensor random_bits(const Tensor& key, const Shape& shape, Dtype dtype = Dtype::UInt32);

/// 0 for a random part of the elements, x / (1 - rate) for the others. The same key drops the same ones, so that the
/// gradient needs no mask.
ADDAX_API Tensor dropout(const Tensor& x, const Tensor& key, double rate);

}  // namespace addax
