// A stable sort of positions by integer keys: what sorting and deterministic scatters are made of.
#pragma once

#include "cuda/launch.h"

namespace addax::cuda {

/// Puts `order`, which holds the numbers below n at first, into the order of keys[order[i]]; of equal keys the earlier
/// place stays first. Only the low `bytes` bytes of a key count. Keys stay where they are.
void stable_order(const uint64_t* keys, int bytes, uint32_t* order, int64_t n, const char* what);
/// Fills order[i] = i.
void count_up(uint32_t* order, int64_t n);
/// Bytes that numbers below n take.
inline int bytes_for(int64_t n) {
  int bytes = 1;
  while (bytes < 8 && (n - 1) >> (8 * bytes) != 0) ++bytes;
  return bytes;
}

}  // namespace addax::cuda
