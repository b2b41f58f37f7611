// CUDA kernels of the random family: the CPU's bits.
#include "cuda/convert.h"
#include "cuda/kernels.h"
#include "cuda/random.h"
#include "ops/random.h"

namespace addax::cuda {
namespace {

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
    const C value = load_float<C>(x, dtype, i) / divisor;
    store_float<C>(y, dtype, i, is_kept(key, i, kept) ? value : C(0));
  }
}

void dropout(const KernelArgs& args) {
  const View &x = args.in[0], &y = args.out[0];
  const double keep = 1 - args.attrs.as<DropoutAttrs>().rate;
  const int32_t kept = kept_below(args.attrs.as<DropoutAttrs>().rate);
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
