// CPU kernel of the random family. The counter of an element is its row-major position, high and low word, as in JAX's
// partitionable layout; so any piece can be made alone.
#include "core/threefry.h"
#include "cpu/kernels.h"

namespace addax::cpu::ADDAX_ISA {
namespace {

// Elements [begin, begin + n), whose positions share the high word.
template <class T>
void fill_bits(uint32_t key0, uint32_t key1, int64_t begin, int64_t n, T* __restrict out) {
  const uint32_t high = static_cast<uint32_t>(static_cast<uint64_t>(begin) >> 32), low = static_cast<uint32_t>(begin);
  for (int64_t i = 0; i < n; ++i) {
    uint32_t x0 = high, x1 = low + static_cast<uint32_t>(i);
    threefry2x32(key0, key1, x0, x1);
    if constexpr (sizeof(T) == 8)
      out[i] = static_cast<uint64_t>(x0) << 32 | x1;
    else
      out[i] = static_cast<T>(x0 ^ x1);
  }
}

void random_bits_kernel(const KernelArgs& args) {
  const uint32_t* key = args.in[0].as<uint32_t>();
  const View& out = args.out[0];
  constexpr int64_t kBlock = 16384;  // a power of two: no block crosses a change of the high word
  with_bytes(out.dtype, [&](auto tag) {
    using T = decltype(tag);
    T* bits = out.as<T>();
    parallel_for(out.numel(), kBlock, [&](int64_t begin, int64_t end) {
      for (; begin < end; begin += kBlock)
        fill_bits(key[0], key[1], begin, std::min(kBlock, end - begin), bits + begin);
    });
  });
}

}  // namespace

void register_random(KernelSink& sink) { sink.set("random_bits", random_bits_kernel); }

}  // namespace addax::cpu::ADDAX_ISA
