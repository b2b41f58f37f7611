// Values in device code: conversion as the CPU's `cast` has it.
#pragma once

#include <type_traits>

#include "core/half.h"
#include "cuda/device.h"
#include "ops/scalar.h"

namespace addax::cuda {

/// float64 to float32 with the last bit set where inexact ("round to odd"): a second rounding to 16 bits is then right.
__device__ inline float to_odd(double x) {
  const float f = static_cast<float>(x);
  const double back = f;
  uint32_t bits = detail::float_to_bits(f);
  if (back != x && back == back) bits = (bits - (scalar::abs(back) > scalar::abs(x))) | 1u;
  return detail::bits_to_float(bits);
}

template <class T>
inline constexpr bool is_half = std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>;

template <class To, class From>
__device__ inline To convert(From x) {
  if constexpr (std::is_same_v<To, From>)
    return x;
  else if constexpr (is_half<From>)
    return convert<To>(static_cast<float>(x));
  else if constexpr (std::is_same_v<To, bool>)
    return x != From(0);
  else if constexpr (is_half<To> && std::is_same_v<From, double>)
    return To(to_odd(x));
  else if constexpr (is_half<To>)
    return To(static_cast<float>(x));
  else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>)
    return scalar::saturate<To>(x);
  else
    return static_cast<To>(x);
}

/// What memory is read and written by: up to 16 bytes at a time. Of words, since of bytes the compiler makes values one
/// by one.
template <int kBytes>
struct alignas(kBytes < 16 ? kBytes : 16) Bytes {
  using Word = std::conditional_t<kBytes % 4 == 0, uint32_t, std::conditional_t<kBytes % 2 == 0, uint16_t, uint8_t>>;
  Word words[kBytes / sizeof(Word)];
};

}  // namespace addax::cuda
