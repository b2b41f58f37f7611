// Scalar functions in whose terms elementwise.def is written; the same text serves CPU and CUDA kernels. All of them
// are branch-free where that lets loops vectorise, have internal linkage (each kernel column compiles its own), and
// trap on no input. Transcendental functions are in scalar_math.h.
#pragma once

#include "ops/scalar_math.h"

namespace addax::scalar {

template <class T>
struct Limits;
#define ADDAX_LIMITS(T, U, LOW, HIGH)               \
  template <>                                       \
  struct Limits<T> {                                \
    using Unsigned = U;                             \
    static constexpr T low = LOW, high = HIGH;      \
    static constexpr int bits = 8 * sizeof(T);      \
    static constexpr bool is_signed = T(-1) < T(0); \
  };
ADDAX_LIMITS(int8_t, uint8_t, -0x7f - 1, 0x7f)
ADDAX_LIMITS(int16_t, uint16_t, -0x7fff - 1, 0x7fff)
ADDAX_LIMITS(int32_t, uint32_t, -0x7fffffff - 1, 0x7fffffff)
ADDAX_LIMITS(int64_t, uint64_t, -0x7fffffffffffffff - 1, 0x7fffffffffffffff)
ADDAX_LIMITS(uint8_t, uint8_t, 0, 0xffu)
ADDAX_LIMITS(uint16_t, uint16_t, 0, 0xffffu)
ADDAX_LIMITS(uint32_t, uint32_t, 0, 0xffffffffu)
ADDAX_LIMITS(uint64_t, uint64_t, 0, 0xffffffffffffffffu)
#undef ADDAX_LIMITS

/// Truncates toward zero, saturates, NaN gives 0.
template <class I, class F>
ADDAX_HD I saturate(F x) {
  constexpr F low = F(Limits<I>::low), limit = F(Limits<I>::high / 2 + 1) * 2;  // both exact
  const bool inside = x > (Limits<I>::is_signed ? low : F(-1)) && x < limit;
  const I truncated = I(inside ? x : F(0));
  return inside ? truncated : (x >= limit ? Limits<I>::high : (x <= low ? Limits<I>::low : I(0)));
}

// ---- any type

template <class T>
ADDAX_HD T abs(T x) {
  return x < T(0) ? T(-x) : x;
}
ADDAX_HD bool abs(bool x) { return x; }

/// NaN gives NaN, a zero itself.
template <class T>
ADDAX_HD T sign(T x) {
  return x > T(0) ? T(1) : (x < T(0) ? T(-1) : x);
}
/// NaN gives NaN.
template <class T>
ADDAX_HD T maximum(T a, T b) {
  const T larger = a > b ? a : b;
  return a != a ? a : larger;
}
template <class T>
ADDAX_HD T minimum(T a, T b) {
  const T smaller = a < b ? a : b;
  return a != a ? a : smaller;
}
template <class T>
ADDAX_HD T clip(T x, T low, T high) {
  return minimum(maximum(x, low), high);
}
/// NaN gives NaN.
template <class T>
ADDAX_HD T relu(T x) {
  return !(x <= T(0)) ? x : T(0);
}

template <class T>
ADDAX_HD T round(T x) {
  return x;
}
ADDAX_HD float round(float x) { return ::rintf(x); }
ADDAX_HD double round(double x) { return ::rint(x); }
template <class T>
ADDAX_HD T trunc(T x) {
  return x;
}
ADDAX_HD float trunc(float x) { return ::truncf(x); }
ADDAX_HD double trunc(double x) { return ::trunc(x); }
ADDAX_HD float floor(float x) { return ::floorf(x); }
ADDAX_HD double floor(double x) { return ::floor(x); }
ADDAX_HD float ceil(float x) { return ::ceilf(x); }
ADDAX_HD double ceil(double x) { return ::ceil(x); }

// ---- division: the remainder has the divisor's sign, as in Python

/// 0 where b is 0.
template <class I>
ADDAX_HD I remainder(I a, I b) {
  if (b == I(0) || (Limits<I>::is_signed && b == I(-1))) return I(0);
  const I r = I(a % b);
  return r != I(0) && (r < I(0)) != (b < I(0)) ? I(r + b) : r;
}
/// 0 where b is 0; wraps for the lowest number by -1.
template <class I>
ADDAX_HD I floor_divide(I a, I b) {
  if (b == I(0)) return I(0);
  if (Limits<I>::is_signed && b == I(-1)) return I(typename Limits<I>::Unsigned(0) - typename Limits<I>::Unsigned(a));
  const I q = I(a / b);
  return I(q * b) != a && (a < I(0)) != (b < I(0)) ? I(q - 1) : q;
}
ADDAX_HD float fmod(float a, float b) { return ::fmodf(a, b); }
ADDAX_HD double fmod(double a, double b) { return ::fmod(a, b); }

template <class F>
ADDAX_HD F float_remainder(F a, F b) {
  const F r = fmod(a, b);
  if (r == F(0)) return copysign(r, b);
  return (r < F(0)) != (b < F(0)) ? r + b : r;
}
/// floor of the exact quotient, up to the rounding of (a - remainder) / b.
template <class F>
ADDAX_HD F float_floor_divide(F a, F b) {
  if (b == F(0)) return a / b;
  const F r = fmod(a, b);
  F q = (a - r) / b;
  if (r != F(0) && (r < F(0)) != (b < F(0))) q -= F(1);
  if (q == F(0)) return copysign(F(0), a / b);
  const F whole = floor(q);
  return q - whole > F(0.5) ? whole + F(1) : whole;
}
ADDAX_HD float remainder(float a, float b) { return float_remainder(a, b); }
ADDAX_HD double remainder(double a, double b) { return float_remainder(a, b); }
ADDAX_HD float floor_divide(float a, float b) { return float_floor_divide(a, b); }
ADDAX_HD double floor_divide(double a, double b) { return float_floor_divide(a, b); }

// ---- powers

/// By repeated squaring, wrapping. A negative exponent gives what truncation of the true value gives: +-1 for a base of
/// +-1, else 0.
template <class I>
ADDAX_HD I power(I a, I b) {
  using U = typename Limits<I>::Unsigned;
  if (b < I(0)) return a == I(1) ? I(1) : (Limits<I>::is_signed && a == I(-1) ? (b & I(1) ? I(-1) : I(1)) : I(0));
  uint64_t base = uint64_t(U(a)), result = 1;
  for (U e = U(b); e != U(0); e = U(e >> 1)) {
    if (e & U(1)) result *= base;
    base *= base;
  }
  return I(U(result));
}

// ---- bits

template <class I>
ADDAX_HD I bitwise_not(I x) {
  return I(~x);
}
ADDAX_HD bool bitwise_not(bool x) { return !x; }
template <class I>
ADDAX_HD I left_shift(I a, I b) {
  using U = typename Limits<I>::Unsigned;
  const U count = U(b);
  return I(count < U(Limits<I>::bits) ? U(uint64_t(U(a)) << (count & U(Limits<I>::bits - 1))) : U(0));
}
template <class I>
ADDAX_HD I right_shift(I a, I b) {
  using U = typename Limits<I>::Unsigned;
  const U count = U(b), most = U(Limits<I>::bits - 1);
  if (Limits<I>::is_signed) return I(a >> (count < most ? count : most));
  return I(count <= most ? I(a >> (count & most)) : I(0));
}

// ---- compositions

template <class T>
ADDAX_HD T sigmoid_cross_entropy(T x, T z) {
  return (x < T(0) ? T(0) : x) - x * z + log1p(exp(-abs(x)));
}

}  // namespace addax::scalar
