// Transcendental scalar functions. float ones are polynomials and rational functions of our own, without branches, so
// that loops over them vectorise; double ones are the C library's. The rest of the scalar functions: scalar.h.
//
// "n ulp" is the largest error over all float inputs (every 61st bit pattern), with and without fused multiply-add,
// against double arithmetic. Zeros keep their sign, infinities and NaN give the limit or NaN, results underflow
// gradually. Coefficients: minimax fits (Remez exchange, weight: error relative to the result), each rounded to float
// before the next was fitted.
#pragma once

#include <math.h>
#include <stdint.h>

#if defined(__CUDACC__)
#define ADDAX_HD static __device__ __forceinline__
#else
#define ADDAX_HD static inline __attribute__((always_inline, unused))
#endif

namespace addax::scalar {

// ---- pieces

ADDAX_HD int32_t bits_of(float x) {
  int32_t bits;
  __builtin_memcpy(&bits, &x, 4);
  return bits;
}
ADDAX_HD float from_bits(int32_t bits) {
  float x;
  __builtin_memcpy(&x, &bits, 4);
  return x;
}
ADDAX_HD float abs(float x) { return ::fabsf(x); }
ADDAX_HD double abs(double x) { return ::fabs(x); }
ADDAX_HD float copysign(float a, float b) { return ::copysignf(a, b); }
ADDAX_HD double copysign(double a, double b) { return ::copysign(a, b); }
ADDAX_HD float infinity(float) { return __builtin_inff(); }
ADDAX_HD double infinity(double) { return __builtin_inf(); }

/// 2^n for -126 <= n <= 127.
ADDAX_HD float power_of_two(int32_t n) { return from_bits(int32_t(uint32_t(n + 127) << 23)); }
/// p * 2^n for |n| <= 252, rounded once.
ADDAX_HD float scale(float p, int32_t n) {
  const int32_t half = n >> 1;
  return p * power_of_two(half) * power_of_two(n - half);
}

/// Bounds of arguments: beyond, results round to their limits. They are defined elsewhere (scalar_math.cc), because of
/// a choice between an argument and a constant that it knows the compiler makes paths and selects, not one instruction.
#define ADDAX_BOUNDS(X) \
  X(kExpLow, -104.0f)   \
  X(kExpHigh, 89.0f)    \
  X(kTanhHigh, 10.0f)   \
  X(kErfHigh, 3.95f)    \
  X(kGeluHigh, 14.4f)   \
  X(kMinusZero, -0.0f)
#if defined(__CUDACC__)
#define ADDAX_BOUND(name, value) static constexpr float name = value;
#else
#define ADDAX_BOUND(name, value) extern const float name;
#endif
ADDAX_BOUNDS(ADDAX_BOUND)
#undef ADDAX_BOUND
/// x if it is NaN, else the lesser (greater) of both.
ADDAX_HD float at_most(float x, float bound) { return bound < x ? bound : x; }
ADDAX_HD float at_least(float x, float bound) { return bound > x ? bound : x; }

/// x = n ln 2 + r with |r| <= ln(2) / 2; |x| < 2^21. The low 21 bits of `bits` are n + bias, if that is not negative.
struct Reduced {
  float r;
  uint32_t bits;
};
ADDAX_HD Reduced reduce_exp(float x, int bias) {
  const float shift = 12582912.0f + float(bias);  // 1.5 * 2^23: its sum rounds to whole numbers, in the low bits
  const float shifted = x * 1.44269504f + shift, n = shifted - shift;
  return {(x - n * 0.693359375f) - n * -2.12194440e-4f, uint32_t(bits_of(shifted))};
}
/// 2^(n + bias - 127) for such bits.
ADDAX_HD float biased_power(uint32_t bits) { return from_bits(int32_t(bits << 23)); }
/// e^r for |r| <= ln(2) / 2.
ADDAX_HD float exp_reduced(float r) {
  float q = 0.00138364348f;
  q = q * r + 0.00836913101f;
  q = q * r + 0.0416681059f;
  q = q * r + 0.166665167f;
  q = q * r + 0.49999994f;
  return (q * (r * r) + r) + 1.0f;
}
/// e^r - 1 for |r| <= ln(2) / 2.
ADDAX_HD float expm1_reduced(float r) {
  float q = 0.000150462234f;
  q = q * r + 0.00139305426f;
  q = q * r + 0.00834150985f;
  q = q * r + 0.0416665114f;
  q = q * r + 0.166666359f;
  q = q * r + 0.5f;
  return q * (r * r) + r;
}
/// e^x for -87 <= x <= 88, where 2^n needs no care.
ADDAX_HD float exp_small(float x) {
  const Reduced e = reduce_exp(x, 127);
  return exp_reduced(e.r) * biased_power(e.bits);
}
/// ln(1 + f) + k ln 2 for 1 + f between sqrt(1/2) and sqrt(2).
ADDAX_HD float log_reduced(float f, float k) {
  float p = -0.0764200836f;
  p = p * f + 0.127664626f;
  p = p * f - 0.131594926f;
  p = p * f + 0.142009482f;
  p = p * f - 0.166233346f;
  p = p * f + 0.200012609f;
  p = p * f - 0.250008225f;
  p = p * f + 0.333333313f;
  const float f2 = f * f;
  return (f + (p * (f2 * f) + k * -2.12194440e-4f - 0.5f * f2)) + k * 0.693359375f;
}
/// x = m 2^k with m between sqrt(1/2) and sqrt(2), for a positive normal x.
struct Split {
  float m;
  int32_t k;
};
ADDAX_HD Split split(float x) {
  const int32_t bits = bits_of(x), above = bits - 0x3f3504f3;  // sqrt(1/2)
  return {from_bits(bits - (above & ~0x7fffff)), above >> 23};
}
/// The same for any positive finite x.
ADDAX_HD Split split_any(float x) {
  const bool subnormal = x < 1.17549435e-38f;
  const Split s = split(subnormal ? x * 33554432.0f : x);
  return {s.m, s.k - (subnormal ? 25 : 0)};
}
/// Rounds to a whole number, |x| < 2^31; NaN gives NaN and any `whole`.
ADDAX_HD double round_to(double x, int32_t& whole) {
  const double shifted = x + 6755399441055744.0;  // 1.5 * 2^52
  int64_t bits;
  __builtin_memcpy(&bits, &shifted, 8);
  whole = int32_t(bits);
  return shifted - 6755399441055744.0;
}

// ---- exponentials and logarithms

/// 1.01 ulp.
ADDAX_HD float exp(float x) {
  const Reduced e = reduce_exp(at_least(at_most(x, kExpHigh), kExpLow), 254);
  const uint32_t half = e.bits >> 1;  // two factors, so that it is rounded once
  return exp_reduced(e.r) * biased_power(half) * biased_power(e.bits - half);
}
ADDAX_HD double exp(double x) { return ::exp(x); }

/// 1.46 ulp.
ADDAX_HD float expm1(float x) {
  float c = x > 89.0f ? 89.0f : x;
  c = c < -26.0f ? -26.0f : c;
  const Reduced e = reduce_exp(c, 126);
  const float half = biased_power(e.bits);
  const float y = 2.0f * (expm1_reduced(e.r) * half + (half - 0.5f));
  return abs(x) < 1e-8f ? x : y;
}
ADDAX_HD double expm1(double x) { return ::expm1(x); }

/// 0.85 ulp.
ADDAX_HD float log(float x) {
  const Split s = split_any(x);
  const float y = log_reduced(s.m - 1.0f, float(s.k));
  return x > 0.0f ? (x < infinity(x) ? y : x) : (x == 0.0f ? -infinity(x) : __builtin_nanf(""));
}
ADDAX_HD double log(double x) { return ::log(x); }

/// 1.41 ulp.
ADDAX_HD float log1p(float x) {
  const int32_t k = split(1.0f + x).k;
  // (1 + x) 2^-k - 1, rounded once; a quarter of it is taken in between because 2^-128 is subnormal.
  const float s = 0.25f * power_of_two(2 - k);
  const float y = log_reduced(x * 0.25f * power_of_two(2 - k) + (s - 1.0f), float(k));
  const float finite = abs(x) < 1e-8f ? x : y;
  return x > -1.0f ? (x < infinity(x) ? finite : x) : (x == -1.0f ? -infinity(x) : __builtin_nanf(""));
}
ADDAX_HD double log1p(double x) { return ::log1p(x); }

/// Through base-2 logarithm and exponent in double: 1.01 ulp over 40 million pairs.
ADDAX_HD float power(float a, float b) {
  const float base = abs(a);
  const Split split = split_any(base);
  const double f = double(split.m) - 1.0;
  const double s = f / (2.0 + f), s2 = s * s;
  double p = 0.2829036119898916;
  p = p * s2 + 0.3199054681868027;
  p = p * s2 + 0.41220925762500976;
  p = p * s2 + 0.5770779423163224;
  p = p * s2 + 0.9617966941134976;
  p = p * s2 + 2.88539008177785;
  double log2 = p * s + double(split.k);
  log2 = base == 0.0f ? -infinity(0.0) : log2;
  log2 = base < infinity(base) ? log2 : double(base);
  double t = double(b) * log2;
  t = t > 160.0 ? 160.0 : t;
  t = t < -160.0 ? -160.0 : t;
  int32_t n;
  const double rest = t - round_to(t, n);
  const float magnitude = scale(exp_reduced(float(rest * 0.6931471805599453)), n);
  const bool whole = ::rintf(b) == b, odd = whole & (::rintf(b * 0.5f) != b * 0.5f);
  float y = odd ? copysign(magnitude, a) : magnitude;
  y = (a < 0.0f) & (base < infinity(base)) & !whole ? __builtin_nanf("") : y;
  return (b == 0.0f) | (a == 1.0f) | ((a == -1.0f) & (abs(b) == infinity(b))) ? 1.0f : y;
}
ADDAX_HD double power(double a, double b) { return ::pow(a, b); }

// ---- trigonometry

#if defined(__CUDACC__)
ADDAX_HD float sin(float x) { return ::sinf(x); }
ADDAX_HD float cos(float x) { return ::cosf(x); }
ADDAX_HD float tan(float x) { return ::tanf(x); }
#else
/// 2^k * 2/pi mod 4, in two parts of 29 and 53 bits: high * m is exact for a float m.
struct Quarters {
  static constexpr int kCount = 105;
  double high[kCount], low[kCount];

  constexpr Quarters() : high(), low() {
    constexpr uint64_t words[] = {0x0,        0xa2f9836e, 0x4e441529, 0xfc2757d1,
                                  0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab};
    for (int k = 0; k < kCount; ++k) {
      uint64_t top = 0, rest = 0;
      for (int i = 0; i < 29 + 53; ++i) {
        const int at = 30 + k + i;  // two bits above the point, then the fraction
        const uint64_t bit = words[at / 32] >> (31 - at % 32) & 1;
        if (i < 29)
          top = top << 1 | bit;
        else
          rest = rest << 1 | bit;
      }
      high[k] = double(top) * 0x1p-27;
      low[k] = double(rest) * 0x1p-80;
    }
  }
};
static constexpr Quarters kQuarters;

/// x = r + quarter * pi/2 + a multiple of 2 pi, |r| <= pi/4, for any finite x; NaN otherwise. After M. Payne and
/// R. Hanek, "Radian reduction for trigonometric functions" (1983).
struct Angle {
  float r;
  int32_t quarter;
};
/// Of x * 2/pi mod 4 in two parts.
ADDAX_HD Angle angle_of(double high, double low) {
  int32_t n;
  const double turns = round_to(high + low, n);
  return {float(((high - turns) + low) * 1.5707963267948966), n};
}
ADDAX_HD Angle reduce_angle(float x) {
  const int32_t exponent = (bits_of(x) >> 23 & 0xff) - 127;
  const int32_t k = exponent > 24 ? exponent - 24 : 0;
  const double m = double(x * power_of_two(-k));
  const double *highs = kQuarters.high, *lows = kQuarters.low;  // in this form the look-ups vectorise
  return angle_of(m * highs[k], m * lows[k]);
}
/// A value that is known to be near: its angle is the same, and takes no look-up.
struct Near {
  float value;
};
ADDAX_HD bool is_near(float x) { return abs(x) < 0x1p25f; }
ADDAX_HD Angle reduce_angle(Near x) {
  const double m = double(x.value);
  return angle_of(m * kQuarters.high[0], m * kQuarters.low[0]);
}
ADDAX_HD float sin_reduced(float r) {
  const float z = r * r;
  float p = 2.83251006e-06f;
  p = p * z - 0.000198530644f;
  p = p * z + 0.0083333794f;
  p = p * z - 0.166666672f;
  return p * (z * r) + r;
}
ADDAX_HD float cos_reduced(float r) {
  const float z = r * r;
  float p = 2.44323273e-05f;
  p = p * z - 0.00138873095f;
  p = p * z + 0.0416666456f;
  return p * (z * z) + (1.0f - 0.5f * z);
}
ADDAX_HD float sin_of(Angle a, float x) {
  const float s = sin_reduced(a.r), c = cos_reduced(a.r);
  const float y = a.quarter & 1 ? c : s;
  return x == 0.0f ? x : (a.quarter & 2 ? -y : y);
}
ADDAX_HD float cos_of(Angle a) {
  const float s = sin_reduced(a.r), c = cos_reduced(a.r);
  const float y = a.quarter & 1 ? s : c;
  return (a.quarter + 1) & 2 ? -y : y;
}
ADDAX_HD float tan_of(Angle a, float x) {
  const float s = sin_reduced(a.r), c = cos_reduced(a.r);
  const float y = (a.quarter & 1 ? -c : s) / (a.quarter & 1 ? s : c);
  return x == 0.0f ? x : y;
}
/// 1.58 ulp.
ADDAX_HD float sin(float x) { return sin_of(reduce_angle(x), x); }
ADDAX_HD float sin(Near x) { return sin_of(reduce_angle(x), x.value); }
/// 1.58 ulp.
ADDAX_HD float cos(float x) { return cos_of(reduce_angle(x)); }
ADDAX_HD float cos(Near x) { return cos_of(reduce_angle(x)); }
/// 3.8 ulp.
ADDAX_HD float tan(float x) { return tan_of(reduce_angle(x), x); }
ADDAX_HD float tan(Near x) { return tan_of(reduce_angle(x), x.value); }
#endif
ADDAX_HD double sin(double x) { return ::sin(x); }
ADDAX_HD double cos(double x) { return ::cos(x); }
ADDAX_HD double tan(double x) { return ::tan(x); }

#define ADDAX_FROM_C(name)                              \
  ADDAX_HD float name(float x) { return ::name##f(x); } \
  ADDAX_HD double name(double x) { return ::name(x); }
ADDAX_FROM_C(sqrt)
ADDAX_FROM_C(asin)
ADDAX_FROM_C(acos)
ADDAX_FROM_C(atan)
ADDAX_FROM_C(sinh)
ADDAX_FROM_C(cosh)
ADDAX_FROM_C(asinh)
ADDAX_FROM_C(acosh)
ADDAX_FROM_C(atanh)
#undef ADDAX_FROM_C
ADDAX_HD float atan2(float a, float b) { return ::atan2f(a, b); }
ADDAX_HD double atan2(double a, double b) { return ::atan2(a, b); }

/// Beyond 0.7, 1 - 2 / (e^(2a) + 1) with a = b + n ln(2) / 2 and e^(2b) = (u + v) / (u - v), where v / u is tanh(b):
/// one division and short chains of operations, which is what its rate depends on. 1.41 ulp.
ADDAX_HD float tanh(float x) {
  const float a = abs(x), z = x * x;
  float p = -0.00514049f;
  p = p * z + 0.020094356f;
  p = p * z - 0.053559966f;
  p = p * z + 0.13329132f;
  p = p * z - 0.3333319f;
  const float small = p * (z * a) + a;
  const float c = at_most(a, kTanhHigh);
  const float shift = 12582912.0f + 127;  // as in reduce_exp
  const float shifted = c * 2.88539004f + shift, n = shifted - shift, b = c - n * 0.34657359f;
  const float b2 = b * b, u = b2 * 0.3999194f + 1.0f, v = (b * b2) * 0.06658631f + b;
  const float power = biased_power(uint32_t(bits_of(shifted)));
  const float large = 1.0f - 2.0f * ((u - v) / ((u + v) * power + (u - v)));
  return from_bits(bits_of(a < 0.7f ? small : large) | (bits_of(x) & ~0x7fffffff));
}
ADDAX_HD double tanh(double x) { return ::tanh(x); }

// ---- error function

/// erf(x) for |x| < 0.92.
ADDAX_HD float erf_small(float x) {
  const float z = x * x;
  float p = 7.99504851e-05f;
  p = p * z - 0.000804951473f;
  p = p * z + 0.00519239251f;
  p = p * z - 0.0268557295f;
  p = p * z + 0.112836257f;
  p = p * z - 0.376126289f;
  p = p * z + 0.128379166f;
  return p * x + x;
}
/// 1.16 ulp.
ADDAX_HD float erf(float x) {
  const float a = abs(x), b = at_most(a, kErfHigh);
  float q = 1.12297594e-05f;
  q = q * b - 0.000322800741f;
  q = q * b + 0.00364248129f;
  q = q * b - 0.0237621609f;
  q = q * b + 0.106237032f;
  q = q * b + 0.635151207f;
  q = q * b + 1.12864852f;
  const float large = 1.0f - exp_small(-(q * b));
  return a < 0.92f ? erf_small(x) : copysign(large, x);
}
ADDAX_HD double erf(double x) { return ::erf(x); }

/// e^(-(z + low) / 2) = factor * power * 2^-24 for z <= 210, z a square of 12 bits and 0 <= low < 0.12, which carries
/// what rounding would lose in the tail.
struct Gaussian {
  float factor, power;
};
ADDAX_HD Gaussian gaussian(float z, float low) {
  const float shift = 12582912.0f + 127 + 24;  // as in reduce_exp
  const float shifted = z * -0.72134752f + shift, n = shifted - shift;
  const float s = ((z + n * 1.38671875f) + n * -4.2438888e-4f) + low;
  float e = 2.15327223e-05f;
  e = e * s - 0.000261920446f;
  e = e * s + 0.00260437839f;
  e = e * s - 0.020832997f;
  e = e * s + 0.124999955f;
  e = e * s - 0.5f;
  return {e * s + 1.0f, biased_power(uint32_t(bits_of(shifted)))};
}
/// e^(-x^2 / 2), scaled likewise, for 0 <= x <= 14.45.
ADDAX_HD Gaussian gaussian(float x) {
  const float head = from_bits(bits_of(x) & ~0xfff);  // 12 bits: its square is exact
  return gaussian(head * head, (x - head) * (x + head));
}
/// factor * Phi(-a) e^(a^2 / 2) for 0 <= a <= 14.45: Mills's ratio. All terms are positive.
ADDAX_HD float mills(float a, float factor) {
  float p = 0.00408537211f;
  p = p * a + 0.0404284149f;
  p = p * a + 0.182634220f;
  p = p * a + 0.437497169f;
  p = p * a + 0.5f;
  float q = 0.0102403862f;
  q = q * a + 0.101345636f;
  q = q * a + 0.467883110f;
  q = q * a + 1.20002866f;
  q = q * a + 1.67287922f;
  q = q * a + 1.0f;
  return p * factor / q;
}
/// 7.9 ulp.
ADDAX_HD float erfc(float x) {
  const float u = abs(x) > 10.2f ? 10.2f : abs(x);
  const float head = from_bits(bits_of(u) & ~0xfff);  // 12 bits: its square is exact
  const Gaussian g = gaussian(2.0f * head * head, 2.0f * (u - head) * (u + head));
  const float tail = mills(u * 1.41421356f, g.factor) * g.power * 0x1p-23f;
  return abs(x) < 0.5f ? 1.0f - erf_small(x) : (x < 0.0f ? 2.0f - tail : tail);
}
ADDAX_HD double erfc(double x) { return ::erfc(x); }

/// M. Giles, "Approximating the erfinv function" (2012), the single-precision version. 3.6 ulp.
ADDAX_HD float erfinv(float x) {
  const float w = -log((1.0f - x) * (1.0f + x));
  const float c = w - 2.5f;
  float p = 2.81022636e-08f;
  p = p * c + 3.43273939e-07f;
  p = p * c - 3.5233877e-06f;
  p = p * c - 4.39150654e-06f;
  p = p * c + 0.00021858087f;
  p = p * c - 0.00125372503f;
  p = p * c - 0.00417768164f;
  p = p * c + 0.246640727f;
  p = p * c + 1.50140941f;
  const float t = ::sqrtf(w) - 3.0f;
  float q = -0.000200214257f;
  q = q * t + 0.000100950558f;
  q = q * t + 0.00134934322f;
  q = q * t - 0.00367342844f;
  q = q * t + 0.00573950773f;
  q = q * t - 0.0076224613f;
  q = q * t + 0.00943887047f;
  q = q * t + 1.00167406f;
  q = q * t + 2.83297682f;
  return x * (abs(x) == 1.0f ? infinity(x) : (w < 5.0f ? p : q));
}
/// The same as a start, then Newton steps.
ADDAX_HD double erfinv(double x) {
  const double a = abs(x), tail = 1.0 - a;
  if (!(a < 1.0)) return a == 1.0 ? x * infinity(x) : __builtin_nan("");
  double y = tail > 1e-7 ? erfinv(float(a)) : ::sqrt(-::log(tail * ::sqrt(-3.14159265358979 * ::log(tail))));
  for (int i = 0; i < 3; ++i) {
    const double error = a < 0.5 ? ::erf(y) - a : tail - ::erfc(y);
    y -= error * 0.8862269254527580 * ::exp(y * y);
  }
  return copysign(y, x);
}

// ---- activations; their limits at -infinity are 0

/// 2.31 ulp.
ADDAX_HD float sigmoid(float x) {
  const float e = exp(-abs(x));
  return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}
ADDAX_HD double sigmoid(double x) {
  const double e = exp(-abs(x));
  return (x < 0.0 ? e : 1.0) / (1.0 + e);
}
/// 1.69 ulp.
template <class T>
ADDAX_HD T softplus(T x) {
  return (x < T(0) ? T(0) : x) + log1p(exp(-abs(x)));
}
/// max(x, 0) - |x| Phi(-|x|). 7.2 ulp.
ADDAX_HD float gelu(float x) {
  const float a = at_most(abs(x), kGeluHigh);
  const Gaussian g = gaussian(a);
  return at_least(x, kMinusZero) - mills(a, g.factor * a) * g.power * 0x1p-24f;
}
ADDAX_HD double gelu(double x) {
  const double a = abs(x) > 40.0 ? 40.0 : abs(x);
  return (x < 0.0 ? -0.0 : x) - 0.5 * a * erfc(a * 0.7071067811865476);
}
/// The derivative of gelu: Phi(x) + x phi(x). Within 1.5e-7.
ADDAX_HD float gelu_slope(float x) {
  const float a = at_most(abs(x), kGeluHigh);
  const Gaussian g = gaussian(a);
  const float slope = (mills(a, g.factor) - g.factor * a * 0.398942280f) * g.power * 0x1p-24f;  // at -a
  const float low = a == kGeluHigh ? 0.0f : slope;
  return x < 0.0f ? low : 1.0f - low;
}
ADDAX_HD double gelu_slope(double x) {
  const double a = abs(x) > 40.0 ? 40.0 : abs(x);
  const double slope = 0.5 * erfc(a * 0.7071067811865476) - a * 0.3989422804014327 * exp(-0.5 * a * a);  // at -a
  return x < 0.0 ? slope : 1.0 - slope;
}
/// The rounding of the cubic grows with it: 32 ulp at x = -5.
template <class T>
ADDAX_HD T gelu_tanh(T x) {
  const T c = x < T(-100) ? T(-100) : x;
  return c * sigmoid(x * (x * x * T(2 * 0.7978845608028654 * 0.044715) + T(2 * 0.7978845608028654)));
}
/// 3.0 ulp for x > -87, where e^x is normal.
template <class T>
ADDAX_HD T silu(T x) {
  return (x < T(-1000) ? T(-1000) : x) * sigmoid(x);
}

}  // namespace addax::scalar
