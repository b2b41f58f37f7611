// Runs of float16 and bfloat16 to and from float, rounding to nearest even.
#pragma once

#include <cstdint>

#include "core/half.h"
#include "cpu/kernels.h"

#ifdef __F16C__
#include <immintrin.h>
#endif

namespace addax::cpu::ADDAX_ISA {

static inline void to_float(const BFloat16* in, float* out, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(in[i]);
}

static inline void from_float(const float* in, BFloat16* out, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) out[i] = BFloat16(in[i]);
}

static inline void to_float(const Float16* in, float* out, int64_t n) {
  int64_t i = 0;
#ifdef __F16C__
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in + i))));
#endif
  for (; i < n; ++i) out[i] = static_cast<float>(in[i]);
}

static inline void from_float(const float* in, Float16* out, int64_t n) {
  int64_t i = 0;
#ifdef __F16C__
  for (; i + 8 <= n; i += 8)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT));
#endif
  for (; i < n; ++i) out[i] = Float16(in[i]);
}

}  // namespace addax::cpu::ADDAX_ISA
