// Scaled dot-product attention as C++ functions.
#pragma once

#include "addax/tensor.h"

namespace addax {

/// query (batch, queries, heads, dim), key (batch, keys, key_heads, dim) and value (batch, keys, key_heads, value_dim)
/// of one floating dtype; heads is a multiple of key_heads, and neighbouring heads share a key head. With scores
/// s = scale query . key + bias, a masked one replaced by a very small number, returns
///   y (batch, queries, heads, value_dim), the values weighed with softmax(s),
///   largest and total (batch, heads, queries), the largest s of a row and the sum of exp(s - largest).
/// bias (floating) and mask (bool, false hides) broadcast to (batch, heads, queries, keys) and may be undefined; with
/// `causal` query i sees the keys up to i. `dropout`, from 0 to below 1, of the weights, shape (batch, heads, queries,
/// keys), is dropped as addax::dropout does under `random_key`, which is undefined if nothing is. Neither scores nor
/// what is dropped are ever in memory as a whole.
ADDAX_API Tensors attention(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& bias,
                            const Tensor& mask, double scale, bool causal, const Tensor& random_key = {},
                            double dropout = 0);
/// Gradients of query, key and value, given the results and the gradient of y.
ADDAX_API Tensors attention_grad(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& bias,
                                 const Tensor& mask, const Tensor& y, const Tensor& largest, const Tensor& total,
                                 const Tensor& g, double scale, bool causal, const Tensor& random_key = {},
                                 double dropout = 0);

}  // namespace addax
