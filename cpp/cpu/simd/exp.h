// The exponential without branches, so that loops over it become vectors.
#pragma once

#include <cstdint>
#include <cstring>

#include "cpu/simd/vec.h"

namespace addax::cpu::ADDAX_ISA {

// exp(x) = 2^n exp(r) with |r| <= ln(2) / 2 and exp(r) = 1 + r + r^2 q(r), q the polynomial of least relative error.
// 2^n is applied as two factors, so that results below the normal range and beyond the largest number round as they
// should. NaN stays. Where the result is normal it is within 1.06 ulp (float, every 7th bit pattern) and 1.07 ulp
// (double, 20 million points), with and without fused multiply-add. V is float or a vector of it, U the unsigned
// integer of as many lanes.
template <class U, class V>
inline V exp_of_floats(V x) {
  const V zero{}, low = zero - 104.0f, high = zero + 89.0f;
  x = x < low ? low : x;
  x = x > high ? high : x;
  constexpr float kShift = 12582912.0f + 254;  // 1.5 * 2^23: n and twice the bias of exponents land in the low bits
  const V shifted = x * 1.44269504f + kShift, n = shifted - kShift;
  const V r = (x - n * 0.693145751953125f) - n * 1.42860682e-6f;
  V q = r * 1.3901287538e-3f + 8.3631463446e-3f;
  q = q * r + 4.1666853421e-2f;
  q = q * r + 1.6666577284e-1f;
  q = q * r + 4.9999999553e-1f;
  const V p = q * (r * r) + r + 1.0f;
  U k;
  std::memcpy(&k, &shifted, sizeof(k));
  const U half = k >> 1, b0 = half << 23, b1 = (k - half) << 23;
  V f0, f1;
  std::memcpy(&f0, &b0, sizeof(f0));
  std::memcpy(&f1, &b1, sizeof(f1));
  return p * f0 * f1;
}

template <class U, class V>
inline V exp_of_doubles(V x) {
  const V zero{}, low = zero - 746.0, high = zero + 710.0;
  x = x < low ? low : x;
  x = x > high ? high : x;
  constexpr double kShift = 6755399441055744.0 + 2046;  // 1.5 * 2^52, and so on
  const V shifted = x * 1.4426950408889634 + kShift, n = shifted - kShift;
  const V r = (x - n * 0.6931471803691238) - n * 1.9082149292705878e-10;
  V q = r * 2.5068169089151080e-8 + 2.7620046647519640e-7;
  q = q * r + 2.7557355505578617e-6;
  q = q * r + 2.4801521396354580e-5;
  q = q * r + 1.9841269784668898e-4;
  q = q * r + 1.3888888917138363e-3;
  q = q * r + 8.3333333333561985e-3;
  q = q * r + 4.1666666666624309e-2;
  q = q * r + 1.6666666666666644e-1;
  q = q * r + 0.5000000000000001;
  const V p = q * (r * r) + r + 1.0;
  U k;
  std::memcpy(&k, &shifted, sizeof(k));
  const U half = k >> 1, b0 = half << 52, b1 = (k - half) << 52;
  V f0, f1;
  std::memcpy(&f0, &b0, sizeof(f0));
  std::memcpy(&f1, &b1, sizeof(f1));
  return p * f0 * f1;
}

inline float fast_exp(float x) { return exp_of_floats<uint32_t>(x); }
inline double fast_exp(double x) { return exp_of_doubles<uint64_t>(x); }
inline Vec<float> fast_exp(const Vec<float>& x) { return exp_of_floats<Vec<uint32_t>>(x); }
inline Vec<double> fast_exp(const Vec<double>& x) { return exp_of_doubles<Vec<uint64_t>>(x); }

}  // namespace addax::cpu::ADDAX_ISA
