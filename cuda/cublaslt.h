// Products by cuBLASLt, where it is installed. What it does not do is left to cuda/product.h.
#pragma once

#include <cstdint>
#include <string>

#include "addax/dtype.h"

namespace addax::cuda {

/// A matrix of every item of a batch; steps are in elements.
struct LtMatrix {
  const void* data;
  int64_t row_step, column_step, item_step;
};

/// What cuBLASLt does with a product before it is stored: adds a row, whose address is a multiple of 16, then relu.
struct LtBias {
  const void* row = nullptr;
  bool relu = false;
};

/// out (batch, m, n), contiguous, = a (m, k) b (k, n), then the bias if there is one, all of one float type.
struct LtProduct {
  Dtype dtype;
  int64_t batch, m, n, k;
  LtMatrix a, b;
  void* out;
  LtBias bias = {};
};

/// Whether cuBLASLt has been given the product. If not, it is not there, the product is too small to be worth its
/// calls, lies in memory as cuBLASLt cannot read it, or cuBLASLt has no algorithm for it. Which, the sizes and strides
/// say, so the bits of a product do not change from run to run. Throws an error that names `what` and the status if
/// a call fails.
bool lt_product(const LtProduct& product, const char* what);

/// The library's version, or how to get it.
std::string lt_state();

/// For tests: the library to use, null for none, and how many multiply-adds are worth it.
void use_lt(void* library, int64_t least_work);

}  // namespace addax::cuda
