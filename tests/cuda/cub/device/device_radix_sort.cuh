// The part of CUB that cuda/order.cu calls, on the CPU, as NVIDIA documents it. What the real one takes for granted is
// an error here. As there, the number of passes says in which buffers the sorted pairs lie; the others hold nothing.
#pragma once

#include <stdint.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "emulation.h"

namespace cub {

namespace fake {
/// Notes a sort by bits first_bit ... last_bit - 1 of keys of so many; returns what it shall return.
cudaError_t note(int key_bits, int first_bit, int last_bit);

struct Range {
  const void* data;
  size_t bytes;
};
inline bool overlap(const std::vector<Range>& ranges) {
  for (const Range& a : ranges)
    for (const Range& b : ranges) {
      const auto first = reinterpret_cast<uintptr_t>(a.data), second = reinterpret_cast<uintptr_t>(b.data);
      if (&a != &b && first < second + b.bytes && second < first + a.bytes) return true;
    }
  return false;
}
}  // namespace fake

template <class T>
struct DoubleBuffer {
  T* d_buffers[2];
  int selector = 0;

  DoubleBuffer(T* current, T* alternate) : d_buffers{current, alternate} {}
  T* Current() const { return d_buffers[selector]; }
  T* Alternate() const { return d_buffers[selector ^ 1]; }
};

struct DeviceRadixSort {
  template <class Key, class Value, class Count>
  static cudaError_t SortPairs(void* storage, size_t& storage_bytes, DoubleBuffer<Key>& keys,
                               DoubleBuffer<Value>& values, Count count, int first_bit = 0,
                               int last_bit = 8 * sizeof(Key), cudaStream_t = nullptr) {
    constexpr int kKeyBits = 8 * sizeof(Key), kDigit = 8;
    constexpr size_t kTile = 1024;
    const size_t n = count, bytes = 256 + n / 16;
    if (!storage) {
      storage_bytes = bytes;
      return cudaSuccess;
    }
    if (const cudaError_t status = fake::note(kKeyBits, first_bit, last_bit)) return status;
    if (storage_bytes < bytes || first_bit < 0 || last_bit < first_bit || last_bit > kKeyBits ||
        fake::overlap({{storage, bytes},
                       {keys.Current(), n * sizeof(Key)},
                       {keys.Alternate(), n * sizeof(Key)},
                       {values.Current(), n * sizeof(Value)},
                       {values.Alternate(), n * sizeof(Value)}}))
      return cudaErrorInvalidValue;
    if (n == 0 || first_bit == last_bit) return cudaSuccess;
    const int passes = n <= kTile ? 1 : (last_bit - first_bit + kDigit - 1) / kDigit;
    const DoubleBuffer<Key> from_keys = keys;
    const DoubleBuffer<Value> from_values = values;
    keys.selector ^= passes & 1;
    values.selector ^= passes & 1;
    emulation::perform([=] {
      std::vector<std::pair<Key, Value>> pairs(n);
      for (size_t i = 0; i < n; ++i) pairs[i] = {from_keys.Current()[i], from_values.Current()[i]};
      const Key counted = static_cast<Key>(~Key(0)) >> (kKeyBits - (last_bit - first_bit));
      const auto digits = [=](Key key) { return static_cast<Key>(key >> first_bit & counted); };
      std::stable_sort(pairs.begin(), pairs.end(),
                       [&](const auto& a, const auto& b) { return digits(a.first) < digits(b.first); });
      std::memset(storage, 0xff, storage_bytes);
      for (int b = 0; b < 2; ++b) {
        std::memset(from_keys.d_buffers[b], 0xff, n * sizeof(Key));
        std::memset(from_values.d_buffers[b], 0xff, n * sizeof(Value));
      }
      for (size_t i = 0; i < n; ++i) {
        from_keys.d_buffers[passes & 1][i] = pairs[i].first;
        from_values.d_buffers[passes & 1][i] = pairs[i].second;
      }
    });
    return cudaSuccess;
  }
};

}  // namespace cub
