// Random words of an element. Its counter is its position, high and low word.
#pragma once

#include "core/threefry.h"
#include "cuda/device.h"

namespace addax::cuda {

struct Words {
  uint32_t high, low;
};

__device__ inline Words words_of(const uint32_t* key, int64_t i) {
  Words w{static_cast<uint32_t>(static_cast<uint64_t>(i) >> 32), static_cast<uint32_t>(i)};
  threefry2x32(key[0], key[1], w.high, w.low);
  return w;
}

/// Whether dropout keeps element i; `kept` as of kept_below.
__device__ inline bool is_kept(const uint32_t* key, int64_t i, int32_t kept) {
  const Words w = words_of(key, i);
  return static_cast<int32_t>((w.high ^ w.low) >> 9) < kept;
}

}  // namespace addax::cuda
