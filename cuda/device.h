// What device code needs: the language, blocks and threads. Compiled by nvcc, by NVRTC at run time, or as C++ with
// tests/cuda/emulation.h.
#pragma once

#if defined(ADDAX_EMULATED)
#include "emulation.h"
#elif !defined(__CUDACC_RTC__)
#include <cuda_runtime.h>
#endif

#include <cstdint>

namespace addax::cuda {

inline constexpr int kThreads = 256;
inline constexpr int kWarp = 32;
inline constexpr unsigned kAllLanes = 0xffffffffu;

__device__ inline int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
__device__ inline int64_t thread_index() { return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ inline int64_t thread_count() { return static_cast<int64_t>(gridDim.x) * blockDim.x; }

}  // namespace addax::cuda
