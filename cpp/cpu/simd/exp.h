// The exponential without branches, so that loops over it become vectors.
#pragma once

#include <cstdint>
#include <cstring>

#include "cpu/kernels.h"

namespace addax::cpu::ADDAX_ISA {

// exp(x) = 2^n exp(r) with |r| <= ln(2) / 2 and exp(r) = 1 + r + r^2 q(r), q the polynomial of least relative error.
// 2^n is applied as two factors, so that results below the normal range and beyond the largest number round as they
// should. NaN stays.
inline float fast_exp(float x) {
  x = x < -104.0f ? -104.0f : x;
  x = x > 89.0f ? 89.0f : x;
  const float shifted = x * 1.44269504f + 12582912.0f;  // 1.5 * 2^23: the integer lands in the low bits
  const float n = shifted - 12582912.0f;
  const float r = (x - n * 0.693145751953125f) - n * 1.42860682e-6f;
  float q = 1.3901287538e-3f;
  q = q * r + 8.3631463446e-3f;
  q = q * r + 4.1666853421e-2f;
  q = q * r + 1.6666577284e-1f;
  q = q * r + 4.9999999553e-1f;
  const float p = q * (r * r) + r + 1.0f;
  int32_t k;
  std::memcpy(&k, &shifted, 4);
  k -= 0x4b400000;
  const int32_t half = k >> 1, b0 = (half + 127) << 23, b1 = (k - half + 127) << 23;
  float f0, f1;
  std::memcpy(&f0, &b0, 4);
  std::memcpy(&f1, &b1, 4);
  return p * f0 * f1;
}

inline double fast_exp(double x) {
  x = x < -746.0 ? -746.0 : x;
  x = x > 710.0 ? 710.0 : x;
  const double shifted = x * 1.4426950408889634 + 6755399441055744.0;  // 1.5 * 2^52
  const double n = shifted - 6755399441055744.0;
  const double r = (x - n * 0.6931471803691238) - n * 1.9082149292705878e-10;
  double q = 2.5068169089151080e-8;
  q = q * r + 2.7620046647519640e-7;
  q = q * r + 2.7557355505578617e-6;
  q = q * r + 2.4801521396354580e-5;
  q = q * r + 1.9841269784668898e-4;
  q = q * r + 1.3888888917138363e-3;
  q = q * r + 8.3333333333561985e-3;
  q = q * r + 4.1666666666624309e-2;
  q = q * r + 1.6666666666666644e-1;
  q = q * r + 0.5000000000000001;
  const double p = q * (r * r) + r + 1.0;
  int64_t k;
  std::memcpy(&k, &shifted, 8);
  k -= 0x4338000000000000;
  const int64_t half = (k + 2048) / 2 - 1024, b0 = (half + 1023) << 52, b1 = (k - half + 1023) << 52;
  double f0, f1;
  std::memcpy(&f0, &b0, 8);
  std::memcpy(&f1, &b1, 8);
  return p * f0 * f1;
}

}  // namespace addax::cpu::ADDAX_ISA
