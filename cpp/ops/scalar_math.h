// Transcendental scalar functions.
#pragma once

#include <math.h>
#include <stdint.h>

#if defined(__CUDACC__)
#define ADDAX_HD static __device__ __forceinline__
#else
#define ADDAX_HD static inline __attribute__((always_inline, unused))
#endif

namespace addax::scalar {

#define ADDAX_FROM_C(name)                              \
  ADDAX_HD float name(float x) { return ::name##f(x); } \
  ADDAX_HD double name(double x) { return ::name(x); }
ADDAX_FROM_C(exp)
ADDAX_FROM_C(expm1)
ADDAX_FROM_C(log)
ADDAX_FROM_C(log1p)
ADDAX_FROM_C(sqrt)
ADDAX_FROM_C(sin)
ADDAX_FROM_C(cos)
ADDAX_FROM_C(tan)
ADDAX_FROM_C(asin)
ADDAX_FROM_C(acos)
ADDAX_FROM_C(atan)
ADDAX_FROM_C(sinh)
ADDAX_FROM_C(cosh)
ADDAX_FROM_C(tanh)
ADDAX_FROM_C(asinh)
ADDAX_FROM_C(acosh)
ADDAX_FROM_C(atanh)
ADDAX_FROM_C(erf)
ADDAX_FROM_C(erfc)
#undef ADDAX_FROM_C
ADDAX_HD float atan2(float a, float b) { return ::atan2f(a, b); }
ADDAX_HD double atan2(double a, double b) { return ::atan2(a, b); }

/// M. Giles, "Approximating the erfinv function" (2012), the single-precision version.
ADDAX_HD float erfinv(float x) {
  float w = -::logf((1.0f - x) * (1.0f + x)), p;
  if (w < 5.0f) {
    w -= 2.5f;
    p = 2.81022636e-08f;
    p = 3.43273939e-07f + p * w;
    p = -3.5233877e-06f + p * w;
    p = -4.39150654e-06f + p * w;
    p = 0.00021858087f + p * w;
    p = -0.00125372503f + p * w;
    p = -0.00417768164f + p * w;
    p = 0.246640727f + p * w;
    p = 1.50140941f + p * w;
  } else {
    w = ::sqrtf(w) - 3.0f;
    p = -0.000200214257f;
    p = 0.000100950558f + p * w;
    p = 0.00134934322f + p * w;
    p = -0.00367342844f + p * w;
    p = 0.00573950773f + p * w;
    p = -0.0076224613f + p * w;
    p = 0.00943887047f + p * w;
    p = 1.00167406f + p * w;
    p = 2.83297682f + p * w;
  }
  return ::fabsf(x) == 1.0f ? x * __builtin_inff() : p * x;
}
ADDAX_HD double erfinv(double x) {
  if (!(::fabs(x) < 1.0)) return ::fabs(x) == 1.0 ? x * __builtin_inf() : __builtin_nan("");
  // The start is good to 2^-20; each Newton step on erfc (exact in the tail) doubles the digits.
  const double a = ::fabs(x), tail = 1.0 - a;
  double y = tail > 1e-7 ? erfinv(float(a)) : ::sqrt(-::log(tail * ::sqrt(-3.14159265358979 * ::log(tail))));
  for (int i = 0; i < 3; ++i) {
    const double error = a < 0.5 ? ::erf(y) - a : tail - ::erfc(y);
    y -= error * 0.8862269254527580 * ::exp(y * y);
  }
  return ::copysign(y, x);
}

template <class T>
ADDAX_HD T sigmoid(T x) {
  return T(1) / (T(1) + exp(-x));
}
template <class T>
ADDAX_HD T softplus(T x) {
  return (x > T(0) ? x : (x == x ? T(0) : x)) + log1p(exp(x > T(0) ? -x : x));
}
template <class T>
ADDAX_HD T gelu(T x) {
  return T(0.5) * x * erfc(x * T(-0.7071067811865476));
}
template <class T>
ADDAX_HD T gelu_tanh(T x) {
  return x * sigmoid(x * (x * x * T(2 * 0.7978845608028654 * 0.044715) + T(2 * 0.7978845608028654)));
}
template <class T>
ADDAX_HD T silu(T x) {
  return x * sigmoid(x);
}

}  // namespace addax::scalar
