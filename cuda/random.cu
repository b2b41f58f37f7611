// CUDA kernels of the random family: the CPU's bits. The counter of an element is its position, high and low word.
#include <cmath>

#include "core/threefry.h"
#include "cuda/convert.h"
#include "cuda/kernels.h"
#include "ops/random.h"

namespace addax::cuda {
namespace {

struct Words {
  uint32_t high, low;
};

__device__ inline Words words_of(const uint32_t* key, int64_t i) {
  Words w{static_cast<uint32_t>(static_cast<uint64_t>(i) >> 32), static_cast<uint32_t>(i)};
  threefry2x32(key[0], key[1], w.high, w.low);
  return w;
}

template <class T>
__global__ void bits_kernel(const uint32_t* key, int64_t n, T* out) {
  for (int64_t i = thread_index(); i < n; i += thread_count()) {
    const Words w = words_of(key, i);
    if constexpr (sizeof(T) == 8)
      out[i] = static_cast<uint64_t>(w.high) << 32 | w.low;
    else
      out[i] = static_cast<T>(w.high ^ w.low);
  }
}

void random_bits(const KernelArgs& args) {
  const View& out = args.out[0];
  with_bytes(out.dtype, [&](auto tag) {
    using T = decltype(tag);
    launch(bits_kernel<T>, grid_for(out.numel()), kThreads, args.in[0].as<uint32_t>(), out.numel(), out.as<T>());
  });
}

template <class C>
__global__ void dropout_kernel(const uint32_t* key, int64_t n, const void* x, void* y, Dtype dtype, C divisor,
                               int32_t kept) {
  for (int64_t i = thread_index(); i < n; i += thread_count()) {
    const Words w = words_of(key, i);
    const C value = load_float<C>(x, dtype, i) / divisor;
    store_float<C>(y, dtype, i, static_cast<int32_t>((w.high ^ w.low) >> 9) < kept ? value : C(0));
  }
}

void dropout(const KernelArgs& args) {
  const View &x = args.in[0], &y = args.out[0];
  const double keep = 1 - args.attrs.as<DropoutAttrs>().rate;
  // 23 bits as a float below 1 are less than float(keep) just where the bits are less than this.
  const int32_t kept = static_cast<int32_t>(std::ceil(static_cast<double>(static_cast<float>(keep)) * 0x1p23));
  const double divisor = Tensor::scalar(keep, x.dtype).item();  // as rounded to x's dtype
  with_compute(x.dtype, [&](auto c) {
    using C = decltype(c);
    launch(dropout_kernel<C>, grid_for(x.numel()), kThreads, args.in[1].as<uint32_t>(), x.numel(), x.data, y.data,
           x.dtype, static_cast<C>(divisor), kept);
  });
}

}  // namespace

void register_random(OpTable& table) {
  set(table, "random_bits", random_bits);
  set(table, "dropout", dropout);
}

}  // namespace addax::cuda
