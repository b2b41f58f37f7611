// The pool family as C++ functions, on (N, spatial..., C) with 1 to 3 spatial dims. window, strides, low and high have
// one entry per spatial dim; padding (low before, high after) is less than a window and adds no values.
#pragma once

#include "addax/tensor.h"

namespace addax {

/// Largest value of each window; a NaN in it wins.
ADDAX_API Tensor max_pool(const Tensor& x, const Dims& window, const Dims& strides, const Dims& low, const Dims& high);
/// The gradient of max_pool: the first maximum of a window of x takes its g.
ADDAX_API Tensor max_pool_grad(const Tensor& x, const Tensor& g, const Dims& window, const Dims& strides,
                               const Dims& low, const Dims& high);
/// The values of v, shaped as x, where the windows of x have their first maximum: the adjoint of max_pool_grad in g.
ADDAX_API Tensor max_pool_select(const Tensor& x, const Tensor& v, const Dims& window, const Dims& strides,
                                 const Dims& low, const Dims& high);
/// Mean of each window: over its elements inside x, or with count_padding over all of its positions, padding as zeros.
ADDAX_API Tensor avg_pool(const Tensor& x, const Dims& window, const Dims& strides, const Dims& low, const Dims& high,
                          bool count_padding = false);
/// The gradient of avg_pool for an input of spatial size `input_spatial`.
ADDAX_API Tensor avg_pool_grad(const Tensor& g, const Dims& window, const Dims& strides, const Dims& low,
                               const Dims& high, bool count_padding, const Dims& input_spatial);

}  // namespace addax
