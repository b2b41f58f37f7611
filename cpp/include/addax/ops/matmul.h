// The matmul family as C++ functions.
#pragma once

#include "addax/tensor.h"

namespace addax {

/// Matrix product over the last two dims, which a flag swaps first; the dims before them broadcast. Both inputs have
/// one dtype: float16 and bfloat16 accumulate in float and round once, integers wrap around, bool is "or of ands".
ADDAX_API Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a = false, bool transpose_b = false);

}  // namespace addax
