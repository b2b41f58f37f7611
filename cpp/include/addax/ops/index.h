// Index ops as C++ functions. Indices are integers of any dtype; negative ones count from the end; one out of range is
// an IndexError.
#pragma once

#include "addax/tensor.h"

namespace addax {

/// x along `axis` at the indices, whose dimensions replace the axis.
ADDAX_API Tensor take(const Tensor& x, const Tensor& indices, int64_t axis);
/// The rows [start, stop) of each tensor, in the order of the 1-d `order` if it is given.
ADDAX_API Tensors take_rows(Span<const Tensor> tensors, const Tensor* order, int64_t start, int64_t stop);
/// x[..., indices[...], ...] along `axis`; the other dimensions of x and indices are equal.
ADDAX_API Tensor take_along_axis(const Tensor& x, const Tensor& indices, int64_t axis);
/// Indices (..., k) address the first k dimensions of x; the result is indices.shape[:-1] + x.shape[k:].
ADDAX_API Tensor gather_nd(const Tensor& x, const Tensor& indices);
/// x with `updates`, of the shape of gather_nd's result, added at the indices in order.
ADDAX_API Tensor scatter_add(const Tensor& x, const Tensor& indices, const Tensor& updates);
/// The same, written instead of added; of updates to one place the last stays.
ADDAX_API Tensor scatter(const Tensor& x, const Tensor& indices, const Tensor& updates);
/// x with `updates` added at x[..., indices[...], ...] along `axis`, in order.
ADDAX_API Tensor scatter_add_along_axis(const Tensor& x, const Tensor& indices, const Tensor& updates, int64_t axis);
/// A last axis of size `depth` with 1 at the index; an index outside [0, depth) gives zeros.
ADDAX_API Tensor one_hot(const Tensor& indices, int64_t depth, Dtype dtype = Dtype::Float32);

}  // namespace addax
