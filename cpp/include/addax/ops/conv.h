// The conv family as C++ functions: 1 to 3 spatial dims, channels last. All three are linear in both inputs, and each
// one's gradients are the other two, so a transposed convolution is conv_input_grad.
#pragma once

#include "addax/tensor.h"

namespace addax {

/// x (N, spatial..., C) with filters (spatial..., C / groups, O) gives (N, spatial..., O). strides, low, high (zeros
/// before and after) and dilation have one entry per spatial dim. Group i reads the i-th run of C / groups channels and
/// makes the i-th run of O / groups. float16 and bfloat16 accumulate in float.
ADDAX_API Tensor conv(const Tensor& x, const Tensor& filters, const Dims& strides, const Dims& low, const Dims& high,
                      const Dims& dilation, int64_t groups = 1);
/// The gradient of conv for its input of spatial size `input_spatial`, given that of its output.
ADDAX_API Tensor conv_input_grad(const Tensor& g, const Tensor& filters, const Dims& strides, const Dims& low,
                                 const Dims& high, const Dims& dilation, int64_t groups, const Dims& input_spatial);
/// The gradient of conv for its filters of spatial size `filter_spatial`, given that of its output.
ADDAX_API Tensor conv_filter_grad(const Tensor& x, const Tensor& g, const Dims& strides, const Dims& low,
                                  const Dims& high, const Dims& dilation, int64_t groups, const Dims& filter_spatial);

}  // namespace addax
