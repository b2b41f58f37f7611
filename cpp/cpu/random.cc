// CPU kernels of the random family. The counter of an element is its row-major position, high and low word, as in JAX's
// partitionable layout; so any piece can be made alone.
#include "ops/random.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/threefry.h"
#include "cpu/kernels.h"
#include "cpu/simd/convert.h"
#include "cpu/simd/vec.h"

namespace addax::cpu::ADDAX_ISA {
namespace {

constexpr int64_t kTile = 1024;
constexpr int64_t kBlock = 16 * kTile;  // a power of two: no block crosses a change of the high word

// Words of consecutive counters. The rounds of Threefry wait for each other, so that several vectors go side by side.
struct Words {
  static constexpr int kVectors = 4, kLanes = kVecBytes / 4, kCount = kVectors * kLanes;
  Vec<uint32_t> v[kVectors];

  template <class F>
  Words& each(const F& f) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) v[j] = f(v[j], j);
    return *this;
  }
  Words& operator+=(uint32_t b) {
    return each([b](auto a, int) { return a + b; });
  }
  Words& operator+=(const Words& b) {
    return each([&b](auto a, int j) { return a + b.v[j]; });
  }
  friend Words operator<<(Words a, int n) {
    return a.each([n](auto w, int) { return w << n; });
  }
  friend Words operator>>(Words a, int n) {
    return a.each([n](auto w, int) { return w >> n; });
  }
  friend Words operator|(Words a, const Words& b) {
    return a.each([&b](auto w, int j) { return w | b.v[j]; });
  }
  friend Words operator^(Words a, const Words& b) {
    return a.each([&b](auto w, int j) { return w ^ b.v[j]; });
  }
};

// Elements [begin, begin + n), whose positions share the high word.
template <class T>
void fill_bits(uint32_t key0, uint32_t key1, int64_t begin, int64_t n, T* __restrict out) {
  const uint32_t high = static_cast<uint32_t>(static_cast<uint64_t>(begin) >> 32), low = static_cast<uint32_t>(begin);
  uint32_t words[2][Words::kCount];
  for (int j = 0; j < Words::kCount; ++j) words[1][j] = static_cast<uint32_t>(j);
  Words lane;
  std::memcpy(&lane, words[1], sizeof(lane));
  for (int64_t at = 0; at < n; at += Words::kCount) {
    Words x0{}, x1 = lane;
    x0 += high;
    x1 += low + static_cast<uint32_t>(at);
    threefry2x32(key0, key1, x0, x1);
    std::memcpy(words[0], &x0, sizeof(x0));
    std::memcpy(words[1], &x1, sizeof(x1));
    const auto store = [&](int64_t count) {
      for (int64_t i = 0; i < count; ++i) {
        if constexpr (sizeof(T) == 8)
          out[at + i] = static_cast<uint64_t>(words[0][i]) << 32 | words[1][i];
        else
          out[at + i] = static_cast<T>(words[0][i] ^ words[1][i]);
      }
    };
    n - at < Words::kCount ? store(n - at) : store(Words::kCount);
  }
}

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
  // 23 bits as a float below 1 are less than float(keep) just where the bits are less than this.
  const int32_t kept = static_cast<int32_t>(std::ceil(static_cast<double>(static_cast<float>(keep)) * 0x1p23));
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
