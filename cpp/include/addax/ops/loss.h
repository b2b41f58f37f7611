// Fused losses as C++ functions: per example, over the last axis of the logits, with log-sum-exp inside.
#pragma once

#include "addax/tensor.h"

namespace addax {

/// -sum(targets * log_softmax(logits)); targets have the shape and dtype of the logits.
ADDAX_API Tensor softmax_cross_entropy(const Tensor& logits, const Tensor& targets);
/// Gradient of the logits, given that of the losses.
ADDAX_API Tensor softmax_cross_entropy_grad(const Tensor& logits, const Tensor& targets, const Tensor& g);
/// -log_softmax(logits)[label]; labels are integers of shape logits.shape[:-1]. Throws IndexError for a label that is
/// no class.
ADDAX_API Tensor sparse_softmax_cross_entropy(const Tensor& logits, const Tensor& labels);
ADDAX_API Tensor sparse_softmax_cross_entropy_grad(const Tensor& logits, const Tensor& labels, const Tensor& g);

}  // namespace addax
