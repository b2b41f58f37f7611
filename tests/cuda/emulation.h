// CUDA's device language on the CPU, for testing kernels without a GPU: the .cu files compile as C++ with this header.
// Threads of a block are fibers of one thread of the system, which take turns at barriers and warp shuffles; blocks run
// one after the other. So `__shared__` is static, and a run is repeatable. Threads may also run from the last to the
// first: a kernel whose result differs then has a race. A barrier that some thread of the block has left behind, or a
// shuffle that not all lanes take part in, ends the program.
#pragma once

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include <cstring>
#include <functional>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__ static
#define __launch_bounds__(...)
#define __grid_constant__

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};

// What host functions name of the runtime.
using cudaStream_t = void*;
enum cudaError_t { cudaSuccess = 0, cudaErrorInvalidValue = 1 };

namespace emulation {

struct Place {
  dim3 thread, block, block_size, grid;
};
extern __attribute__((visibility("default"))) Place place;  // generated kernels are libraries of their own

/// Runs the body for each thread of each block.
void run(dim3 grid, unsigned threads, const std::function<void()>& body);
/// Whether later runs go through the threads of a block from the last to the first.
void set_reversed(bool reversed);
using Calls = std::vector<std::function<void()>>;
/// From here on the calls of this thread are put there instead of being done; null: they are done. Returns where they
/// were put before.
Calls* set_recorder(Calls* calls);
/// Does or records a call.
void perform(std::function<void()> call);
/// Kernels run so far.
int64_t launches();
/// What a library says that its work took on a device; negative: none has said so.
extern double reported_milliseconds;

void block_barrier();
/// Hands a value of up to 16 bytes to the lane's warp and reads that of lane `from`.
void exchange(void* value, size_t bytes, unsigned from);

/// Bit i: what lane i of the warp says.
unsigned vote(bool yes);

template <class T>
T exchanged(T value, unsigned from) {
  exchange(&value, sizeof(T), from);
  return value;
}

}  // namespace emulation

#define threadIdx (emulation::place.thread)
#define blockIdx (emulation::place.block)
#define blockDim (emulation::place.block_size)
#define gridDim (emulation::place.grid)

inline void __syncthreads() { emulation::block_barrier(); }

template <class T>
T __shfl_xor_sync(unsigned, T value, int mask) {
  return emulation::exchanged(value, (threadIdx.x % 32) ^ static_cast<unsigned>(mask));
}
template <class T>
T __shfl_sync(unsigned, T value, int lane) {
  return emulation::exchanged(value, static_cast<unsigned>(lane) % 32);
}
template <class T>
T __shfl_up_sync(unsigned, T value, unsigned by) {
  const unsigned lane = threadIdx.x % 32;
  return emulation::exchanged(value, lane < by ? lane : lane - by);
}

inline unsigned __ballot_sync(unsigned, int predicate) { return emulation::vote(predicate != 0); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }

template <class T>
T atomicCAS(T* at, T expected, T value) {
  const T before = *at;
  if (before == expected) *at = value;
  return before;
}
template <class T>
T atomicAdd(T* at, T value) {
  const T before = *at;
  *at = before + value;
  return before;
}
