// Fetching memory ahead of its use.
#pragma once

#include <cstdint>

namespace addax {

/// Asks that all lines of some bytes come into the second cache. They may lie anywhere: nothing is read.
inline void fetch_far(const char* data, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(data + i, 0, 2);
  __builtin_prefetch(data + bytes - 1, 0, 2);  // a line more, if the first one is met in its middle
}

}  // namespace addax
