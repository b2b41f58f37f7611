// Folds over the threads of a block. Threads meet in a fixed tree, so bits are repeatable.
#pragma once

#include "cuda/launch.h"

namespace addax::cuda {

/// The fold over a block of kThreads threads, in every thread. Apply must be commutative and associative but for
/// rounding. T is a number or a plain struct.
template <class T, class Apply>
__device__ inline T block_fold(T value, const Apply& apply) {
  if constexpr (std::is_arithmetic_v<T>) {
    constexpr int kWarps = kThreads / kWarp;
    __shared__ T partial[kWarps];
    for (int mask = kWarp / 2; mask > 0; mask /= 2) value = apply(value, __shfl_xor_sync(kAllLanes, value, mask));
    if (threadIdx.x % kWarp == 0) partial[threadIdx.x / kWarp] = value;
    __syncthreads();
    T total = partial[0];
    for (int w = 1; w < kWarps; ++w) total = apply(total, partial[w]);
    __syncthreads();  // the next fold writes there
    return total;
  } else {
    __shared__ T values[kThreads];
    values[threadIdx.x] = value;
    __syncthreads();
    for (unsigned half = kThreads / 2; half > 0; half /= 2) {
      if (threadIdx.x < half) values[threadIdx.x] = apply(values[threadIdx.x], values[threadIdx.x + half]);
      __syncthreads();
    }
    const T total = values[0];
    __syncthreads();
    return total;
  }
}

struct Plus {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
struct Most {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a != a ? a : (a > b ? a : b);  // NaN wins
  }
};

}  // namespace addax::cuda
