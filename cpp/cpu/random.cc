// CPU kernels of the random family.
#include "ops/random.h"

#include <algorithm>

#include "cpu/kernels.h"
#include "cpu/random.h"
#include "cpu/simd/convert.h"

namespace addax::cpu::ADDAX_ISA {
namespace {

constexpr int64_t kTile = 1024;
constexpr int64_t kBlock = 16 * kTile;

void random_bits_kernel(const KernelArgs& args) {
  const uint32_t* key = args.in[0].as<uint32_t>();
  const View& out = args.out[0];
  with_bytes(out.dtype, [&](auto tag) {
    using T = decltype(tag);
    T* bits = out.as<T>();
    parallel_for(out.numel(), kBlock, [&](int64_t begin, int64_t end) {
      for (; begin < end; begin += kBlock)
        fill_bits(key[0], key[1], begin, std::min(kBlock, end - begin), bits + begin);
    });
  });
}

// Bits are drawn for a tile that stays in cache. The result may be the memory of x.
void dropout_kernel(const KernelArgs& args) {
  const View &x = args.in[0], &y = args.out[0];
  const uint32_t* key = args.in[1].as<uint32_t>();
  const double keep = 1 - args.attrs.as<DropoutAttrs>().rate;
  const int32_t kept = kept_below(args.attrs.as<DropoutAttrs>().rate);
  with_compute(x.dtype, [&](auto c) {
    using C = decltype(c);
    const C divisor = with_float(x.dtype, [&](auto t) { return convert<C>(convert<decltype(t)>(keep)); });
    const Source<C> from = float_source<C>(x);
    const Target<C> to = output_target<C>(y, kTile);
    parallel_for(x.numel(), kBlock, [&](int64_t begin, int64_t end) {
      alignas(64) uint32_t bits[kTile];
      alignas(64) C tile[kTile];
      for (int64_t at = begin; at < end; at += kTile) {
        const int64_t n = std::min(kTile, end - at);
        fill_bits(key[0], key[1], at, n, bits);
        const C* in = from.read(at, 1, n, tile);
        C* out = to.open(at, tile);
#pragma GCC ivdep
        for (int64_t i = 0; i < n; ++i) {
          const C scaled = in[i] / divisor;
          out[i] = static_cast<int32_t>(bits[i] >> 9) < kept ? scaled : C(0);
        }
        to.commit(at, n, out);
      }
    });
  });
}

}  // namespace

void register_random(KernelSink& sink) {
  sink.set("random_bits", random_bits_kernel);
  sink.set("dropout", dropout_kernel);
}

}  // namespace addax::cpu::ADDAX_ISA
