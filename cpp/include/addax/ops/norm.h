// Softmax and normalisation as C++ functions. Statistics of float16 and bfloat16 inputs are float32; gamma, beta and
// given statistics have the dtype of x or, for those, float32.
#pragma once

#include "addax/tensor.h"

namespace addax {

ADDAX_API Tensor softmax(const Tensor& x, int64_t axis = -1);
ADDAX_API Tensor log_softmax(const Tensor& x, int64_t axis = -1);
/// Gradient of x, given the result y and the gradient of y.
ADDAX_API Tensor softmax_grad(const Tensor& y, const Tensor& g, int64_t axis = -1);
ADDAX_API Tensor log_softmax_grad(const Tensor& y, const Tensor& g, int64_t axis = -1);

/// y = gamma (x - mean) rstd + beta over the trailing `axes`; gamma and beta have the shape of those. Returns y, and
/// mean and rstd (one over the standard deviation, epsilon under the root) in the shape of the other axes.
ADDAX_API Tensors layer_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Dims& axes,
                             double epsilon);
/// Gradients of x, gamma and beta.
ADDAX_API Tensors layer_norm_grad(const Tensor& x, const Tensor& gamma, const Tensor& mean, const Tensor& rstd,
                                  const Tensor& g, const Dims& axes);

/// y = gamma x rrms over the trailing `axes`; gamma has the shape of those. Returns y, and rrms (one over the root of
/// the mean square and epsilon) in the shape of the other axes.
ADDAX_API Tensors rms_norm(const Tensor& x, const Tensor& gamma, const Dims& axes, double epsilon);
/// Gradients of x and gamma.
ADDAX_API Tensors rms_norm_grad(const Tensor& x, const Tensor& gamma, const Tensor& rrms, const Tensor& g,
                                const Dims& axes);

/// y = gamma (x - mean) / sqrt(variance + epsilon) + beta with the mean and the (population) variance of all axes but
/// `axis`. Returns y, mean, variance.
ADDAX_API Tensors batch_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, int64_t axis, double epsilon);
/// Gradients of x, gamma and beta.
ADDAX_API Tensors batch_norm_grad(const Tensor& x, const Tensor& gamma, const Tensor& mean, const Tensor& variance,
                                  const Tensor& g, int64_t axis, double epsilon);
/// The same y from given statistics.
ADDAX_API Tensor batch_norm_inference(const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& gamma,
                                      const Tensor& beta, int64_t axis, double epsilon);

}  // namespace addax
