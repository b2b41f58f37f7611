// Random bits of any stretch of elements. The counter of an element is its row-major position, high and low word, as in
// JAX's partitionable layout; so any piece can be made alone.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/threefry.h"
#include "cpu/simd/vec.h"

namespace addax::cpu::ADDAX_ISA {

/// Words of consecutive counters. The rounds of Threefry wait for each other, so that several vectors go side by side.
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

/// The bits of the elements [begin, begin + n).
template <class T>
void fill_bits(uint32_t key0, uint32_t key1, int64_t begin, int64_t n, T* __restrict out) {
  const int64_t same_high = (int64_t{1} << 32) - (begin & 0xffffffff);
  if (n > same_high) {
    fill_bits(key0, key1, begin, same_high, out);
    return fill_bits(key0, key1, begin + same_high, n - same_high, out + same_high);
  }
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

}  // namespace addax::cpu::ADDAX_ISA
