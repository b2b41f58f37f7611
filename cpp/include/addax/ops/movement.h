// Movement ops as C++ functions; views where the layout allows.
#pragma once

#include <string>

#include "addax/tensor.h"

namespace addax {

/// At most one dimension of `shape` may be -1.
ADDAX_API Tensor reshape(const Tensor& x, const Shape& shape);
/// Empty axes reverse the dimensions.
ADDAX_API Tensor transpose(const Tensor& x, const Dims& axes = {});
ADDAX_API Tensor broadcast_to(const Tensor& x, const Shape& shape);
/// x[starts[i] : stops[i] : steps[i]] per dimension, 0 <= start <= dim, as normalised from Python's slice; a negative
/// step runs from start down to stop, exclusive, where stop may be -1. Empty steps mean 1.
ADDAX_API Tensor slice(const Tensor& x, const Dims& starts, const Dims& stops, const Dims& steps = {});
/// x with the values of `update` written to x[slice]; shapes must match.
ADDAX_API Tensor slice_update(const Tensor& x, const Tensor& update, const Dims& starts, const Dims& stops,
                              const Dims& steps = {});
/// mode is "constant", "reflect", "symmetric" or "edge".
ADDAX_API Tensor pad(const Tensor& x, const Dims& low, const Dims& high, const std::string& mode = "constant",
                     double value = 0);
ADDAX_API Tensor concatenate(const Tensors& tensors, int64_t axis);
/// x itself. What is computed from it is not merged with the same thing computed from x, or behind another region's
/// barrier.
ADDAX_API Tensor barrier(const Tensor& x, int64_t region);
/// x itself. An engine of several devices lays it over them as the sharding of that number, which it knows, says.
ADDAX_API Tensor shard(const Tensor& x, int64_t sharding);
/// Empty axes flip all.
ADDAX_API Tensor flip(const Tensor& x, const Dims& axes = {});

}  // namespace addax
