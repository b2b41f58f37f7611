// Products of 16 x 16 by 16 x 8 on a warp: tensor cores, for 16-bit floats with float32 sums. Devices without the
// instruction, and the emulation, do the same from the same registers by exchanging them, so what a lane must hold is
// tested without a GPU. Tensor cores may round sums of a step otherwise.
#pragma once

#include "cuda/convert.h"

namespace addax::cuda {

inline constexpr int kMmaM = 16, kMmaN = 8, kMmaK = 16;

template <class S>
__device__ inline float half_of(uint32_t pair, int which) {
  const auto bits = static_cast<uint16_t>(which ? pair >> 16 : pair & 0xffffu);
  S value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return static_cast<float>(value);
}

/// sum += a b. With g = lane / 4 and t = lane % 4, pairs of a are at rows g, g + 8, g, g + 8 and columns 2 t, 2 t,
/// 2 t + 8, 2 t + 8; those of b at rows 2 t, 2 t + 8 of column g; sums at rows g, g, g + 8, g + 8 and columns 2 t,
/// 2 t + 1, 2 t, 2 t + 1.
template <class S>
__device__ inline void multiply_add(float (&sum)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  if constexpr (std::is_same_v<S, Float16>)
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
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
  const int lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
#pragma unroll
  for (int pair = 0; pair < kMmaK / 2; ++pair) {
    const int column = pair % 4, high = pair / 4;
    const uint32_t low_row = __shfl_sync(kAllLanes, a[2 * high], g * 4 + column);
    const uint32_t high_row = __shfl_sync(kAllLanes, a[2 * high + 1], g * 4 + column);
    const uint32_t even = __shfl_sync(kAllLanes, b[high], 2 * t * 4 + column);
    const uint32_t odd = __shfl_sync(kAllLanes, b[high], (2 * t + 1) * 4 + column);
    for (int k = 0; k < 2; ++k) {
      sum[0] += half_of<S>(low_row, k) * half_of<S>(even, k);
      sum[1] += half_of<S>(low_row, k) * half_of<S>(odd, k);
      sum[2] += half_of<S>(high_row, k) * half_of<S>(even, k);
      sum[3] += half_of<S>(high_row, k) * half_of<S>(odd, k);
    }
  }
#endif
}

}  // namespace addax::cuda
