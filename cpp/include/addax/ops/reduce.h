// Reductions and cumulative ops as C++ functions. Empty axes mean all axes.
#pragma once

#include "addax/tensor.h"

namespace addax {

/// Integers and bool sum in at least int32 / uint32 (bool, int8, int16 give int32); float16 and bfloat16 accumulate in
/// float.
ADDAX_API Tensor sum(const Tensor& x, const Dims& axes = {}, bool keepdims = false);
ADDAX_API Tensor prod(const Tensor& x, const Dims& axes = {}, bool keepdims = false);
ADDAX_API Tensor max(const Tensor& x, const Dims& axes = {}, bool keepdims = false);
ADDAX_API Tensor min(const Tensor& x, const Dims& axes = {}, bool keepdims = false);
/// sum / count, written over them.
ADDAX_API Tensor mean(const Tensor& x, const Dims& axes = {}, bool keepdims = false);
ADDAX_API Tensor any(const Tensor& x, const Dims& axes = {}, bool keepdims = false);
ADDAX_API Tensor all(const Tensor& x, const Dims& axes = {}, bool keepdims = false);
ADDAX_API Tensor logsumexp(const Tensor& x, const Dims& axes = {}, bool keepdims = false);
/// int32 positions of the first largest / smallest; NaN counts as largest and smallest.
ADDAX_API Tensor argmax(const Tensor& x, int64_t axis, bool keepdims = false);
ADDAX_API Tensor argmin(const Tensor& x, int64_t axis, bool keepdims = false);
ADDAX_API Tensor cumsum(const Tensor& x, int64_t axis, bool reverse = false);
ADDAX_API Tensor cumprod(const Tensor& x, int64_t axis, bool reverse = false);

}  // namespace addax
