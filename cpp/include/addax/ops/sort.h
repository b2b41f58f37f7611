// Sort ops as C++ functions. All are stable, ascending or descending; NaN counts as the largest value.
#pragma once

#include "addax/tensor.h"

namespace addax {

ADDAX_API Tensor sort(const Tensor& x, int64_t axis = -1, bool descending = false);
/// The positions along `axis`, as int32, in sorted order.
ADDAX_API Tensor argsort(const Tensor& x, int64_t axis = -1, bool descending = false);
/// The k largest along the last axis, largest first, and their positions as int32.
ADDAX_API Tensors top_k(const Tensor& x, int64_t k);

}  // namespace addax
