// Threefry-2x32 with 20 rounds, the counter-based generator behind all randomness. Host and device compile this header.
// Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC'11.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define ADDAX_THREEFRY_INLINE __host__ __device__ __forceinline__
#else
#define ADDAX_THREEFRY_INLINE inline __attribute__((always_inline))
#endif

namespace addax {

/// Encrypts the counter (x0, x1) under the key, in place. A word is a uint32_t, or many of them side by side.
template <class Word>
ADDAX_THREEFRY_INLINE void threefry2x32(uint32_t key0, uint32_t key1, Word& x0, Word& x1) {
  const uint32_t key2 = key0 ^ key1 ^ 0x1bd11bdau;
#define ADDAX_ROUND(r) \
  x0 += x1;            \
  x1 = ((x1 << r) | (x1 >> (32 - r))) ^ x0;
#define ADDAX_FOUR_ROUNDS(a, b, c, d) ADDAX_ROUND(a) ADDAX_ROUND(b) ADDAX_ROUND(c) ADDAX_ROUND(d)
  x0 += key0;
  x1 += key1;
  ADDAX_FOUR_ROUNDS(13, 15, 26, 6)
  x0 += key1;
  x1 += key2 + 1;
  ADDAX_FOUR_ROUNDS(17, 29, 16, 24)
  x0 += key2;
  x1 += key0 + 2;
  ADDAX_FOUR_ROUNDS(13, 15, 26, 6)
  x0 += key0;
  x1 += key1 + 3;
  ADDAX_FOUR_ROUNDS(17, 29, 16, 24)
  x0 += key1;
  x1 += key2 + 4;
  ADDAX_FOUR_ROUNDS(13, 15, 26, 6)
  x0 += key2;
  x1 += key0 + 5;
#undef ADDAX_FOUR_ROUNDS
#undef ADDAX_ROUND
}

}  // namespace addax
