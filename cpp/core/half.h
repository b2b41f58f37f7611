// float16 and bfloat16 storage types; arithmetic happens in float. Host and device compile this header.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define ADDAX_BOTH __host__ __device__
#else
#define ADDAX_BOTH
#endif

namespace addax {

namespace detail {
ADDAX_BOTH inline float bits_to_float(uint32_t bits) {
  float f;
  __builtin_memcpy(&f, &bits, 4);
  return f;
}
ADDAX_BOTH inline uint32_t float_to_bits(float f) {
  uint32_t bits;
  __builtin_memcpy(&bits, &f, 4);
  return bits;
}
}  // namespace detail

/// IEEE 754 binary16. Conversion rounds to nearest even and keeps NaN and infinities.
struct Float16 {
  uint16_t bits;

  Float16() = default;
  ADDAX_BOTH explicit Float16(float value) {
    const uint32_t f = detail::float_to_bits(value);
    const uint32_t sign = (f >> 16) & 0x8000u;
    const uint32_t magnitude = f & 0x7fffffffu;
    uint32_t h;
    if (magnitude > 0x7f800000u) {
      h = 0x7e00u;
    } else if (magnitude >= 0x477ff000u) {  // rounds to 65536 or more
      h = 0x7c00u;
    } else if (magnitude < 0x38800000u) {  // subnormal: one float add does shift and rounding
      h = detail::float_to_bits(detail::bits_to_float(magnitude) + 0.5f) - 0x3f000000u;
    } else {
      h = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
    }
    bits = static_cast<uint16_t>(sign | h);
  }
  ADDAX_BOTH explicit operator float() const {
    const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
    const uint32_t rest = bits & 0x7fffu;
    uint32_t f;
    if (rest >= 0x7c00u) {
      f = 0x7f800000u | ((rest & 0x3ffu) << 13);
    } else if (rest >= 0x400u) {
      f = (rest << 13) + 0x38000000u;
    } else {
      f = detail::float_to_bits(static_cast<float>(rest) * 5.9604644775390625e-8f);  // 2^-24
    }
    return detail::bits_to_float(sign | f);
  }
};

/// The upper half of a float. Conversion rounds to nearest even and keeps NaN.
struct BFloat16 {
  uint16_t bits;

  BFloat16() = default;
  ADDAX_BOTH explicit BFloat16(float value) {
    const uint32_t f = detail::float_to_bits(value);
    bits = (f & 0x7fffffffu) > 0x7f800000u ? static_cast<uint16_t>((f >> 16) | 0x40u)
                                           : static_cast<uint16_t>((f + 0x7fffu + ((f >> 16) & 1u)) >> 16);
  }
  ADDAX_BOTH explicit operator float() const { return detail::bits_to_float(static_cast<uint32_t>(bits) << 16); }
};

/// The type arithmetic is done in: float for the 16-bit floats, T itself otherwise.
template <class T>
struct Compute {
  using type = T;
};
template <>
struct Compute<Float16> {
  using type = float;
};
template <>
struct Compute<BFloat16> {
  using type = float;
};
template <class T>
using compute_t = typename Compute<T>::type;

}  // namespace addax
