// Counting what a file asks for: sums and products that stop at a largest value instead of overflowing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <limits>

namespace addax {

/// A few of these may be added.
inline constexpr int64_t kUncountable = std::numeric_limits<int64_t>::max() / 8;

/// Of numbers that are not negative.
inline int64_t product_of(std::initializer_list<int64_t> factors) {
  int64_t product = 1;
  bool large = false;
  for (const int64_t f : factors) {
    if (f == 0) return 0;
    large = large || __builtin_mul_overflow(product, f, &product);
  }
  return large ? kUncountable : std::min(product, kUncountable);
}

inline int64_t sum_of(int64_t a, int64_t b) {
  return std::min(std::min(a, kUncountable) + std::min(b, kUncountable), kUncountable);
}

}  // namespace addax
