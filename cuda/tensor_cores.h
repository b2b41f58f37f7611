// Products of 16 rows by 8 columns on a warp: tensor cores, with float32 sums. Their registers are words of two 16-bit
// floats or of one float rounded to TF32; a step takes eight words of terms. Devices without the instruction, and the
// emulation, do the same from the same registers by exchanging them, so what a lane must hold is tested without a GPU.
// Tensor cores may round sums of a step otherwise.
#pragma once

#include "cuda/convert.h"

namespace addax::cuda {

inline constexpr int kMmaM = 16, kMmaN = 8, kMmaWords = 8;
template <class S>
inline constexpr int kPerWord = 4 / sizeof(S);

/// To the nearest value of 10 bits of mantissa, of two the greater in size.
__device__ inline float to_tf32(float x) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return detail::bits_to_float(bits);
#else
  const uint32_t bits = detail::float_to_bits(x);
  const bool finite = (bits & 0x7f800000u) != 0x7f800000u;
  return finite ? detail::bits_to_float((bits + 0x1000u) & ~0x1fffu) : x;
#endif
}
/// A value as words hold it.
template <class S>
__device__ inline S tensor_value(S x) {
  if constexpr (std::is_same_v<S, float>)
    return to_tf32(x);
  else
    return x;
}

/// A value of a word, the lower half's first.
template <class S>
__device__ inline float value_of(uint32_t word, int which) {
  if constexpr (kPerWord<S> == 2) word = which ? word >> 16 : word & 0xffffu;
  S value;
  __builtin_memcpy(&value, &word, sizeof value);
  return static_cast<float>(value);
}

/// sum += a b. With g = lane / 4 and t = lane % 4, words of a are t, t, t + 4, t + 4 of rows g, g + 8, g, g + 8; those
/// of b are t, t + 4 of column g; sums are at rows g, g, g + 8, g + 8 and columns 2 t, 2 t + 1, 2 t, 2 t + 1.
template <class S>
__device__ inline void multiply_add(float (&sum)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  if constexpr (std::is_same_v<S, Float16>)
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  else if constexpr (std::is_same_v<S, float>)
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  else
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
#ifdef __CUDA_ARCH__
  if constexpr (std::is_same_v<S, float>) return;  // devices without the instruction never get here
#endif
  const int lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
#pragma unroll
  for (int word = 0; word < kMmaWords; ++word) {
    const int column = word % 4, high = word / 4;
    const uint32_t low_row = __shfl_sync(kAllLanes, a[2 * high], g * 4 + column);
    const uint32_t high_row = __shfl_sync(kAllLanes, a[2 * high + 1], g * 4 + column);
    const uint32_t even = __shfl_sync(kAllLanes, b[high], 2 * t * 4 + column);
    const uint32_t odd = __shfl_sync(kAllLanes, b[high], (2 * t + 1) * 4 + column);
    for (int k = 0; k < kPerWord<S>; ++k) {
      sum[0] += value_of<S>(low_row, k) * value_of<S>(even, k);
      sum[1] += value_of<S>(low_row, k) * value_of<S>(odd, k);
      sum[2] += value_of<S>(high_row, k) * value_of<S>(even, k);
      sum[3] += value_of<S>(high_row, k) * value_of<S>(odd, k);
    }
  }
#endif
}

}  // namespace addax::cuda
