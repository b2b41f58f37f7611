// The sort of order.h: CUB's radix sort, which comes with nvcc as headers (CCCL). It is stable and adds nothing but
// integers, so its results are the same from run to run. Each type of keys is code of its own for every architecture.
#include "cuda/order.h"

// The host alone starts sorts, and profilers are told nothing: else the device's runtime and NVTX would be needed.
#define CUB_DISABLE_CDP
#define CCCL_DISABLE_NVTX
#include <cub/device/device_radix_sort.cuh>

namespace addax::cuda {
namespace {

__global__ void count_up_kernel(uint32_t* numbers, int64_t n) {
  for (int64_t i = thread_index(); i < n; i += thread_count()) numbers[i] = static_cast<uint32_t>(i);
}

int64_t checked(int64_t n, const char* what) {
  if (n >= int64_t{1} << 32) fail<ValueError>(what, ": sorts fewer than 2^32 elements on a device, got ", n);
  return n;
}

}  // namespace

Order::Order(int64_t n, const char* what) : n_(checked(n, what)), what_(what), numbers_(n, what) {
  launch(count_up_kernel, grid_for(n), kThreads, numbers_.get(), n);
}

template <class Key>
void Order::sort_by(DoubleBuffer<Key>& keys, int bits) {
  cub::DoubleBuffer<Key> k(keys.get(), keys.spare());
  cub::DoubleBuffer<uint32_t> numbers(numbers_.get(), numbers_.spare());
  const auto sort = [&](void* memory, size_t& bytes) {  // without memory it says how much it wants
    check(cub::DeviceRadixSort::SortPairs(memory, bytes, k, numbers, static_cast<uint32_t>(n_), 0, bits, stream()),
          "CUB's radix sort");
  };
  size_t bytes = 0;
  sort(nullptr, bytes);
  const Temporary<char> memory(static_cast<int64_t>(bytes), what_);
  sort(memory.get(), bytes);
  if (k.Current() != keys.get()) keys.swap();
  if (numbers.Current() != numbers_.get()) numbers_.swap();
}

template void Order::sort_by(DoubleBuffer<uint32_t>& keys, int bits);
template void Order::sort_by(DoubleBuffer<uint64_t>& keys, int bits);

}  // namespace addax::cuda
