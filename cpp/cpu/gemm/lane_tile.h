// The depthwise sibling of gemm/tile.h: a moves with the columns, c[R, V vectors] = sum over k of a[R, k, V] * b[k, V].
#pragma once

#include "cpu/gemm/tile.h"

namespace addax::cpu::ADDAX_ISA {

template <class T, int R, int V>
void lane_tile(const T* a, int64_t row_step, int64_t k_step, Span<const Run> runs, const T* b, int64_t ldb, T* c,
               int64_t ldc, bool accumulate) {
  using S = Simd<T>;
  constexpr int kL = kLanes<T>;
  typename S::Vector sum[R][V] = {};
  for (const Run& run : runs) {
    const T* p = a + run.offset;
    for (int64_t k = 0; k < run.length; ++k, p += k_step, b += ldb) {
#pragma GCC unroll 16
      for (int v = 0; v < V; ++v) {
        const typename S::Vector row = S::load(b + v * kL);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) sum[r][v] += S::load(p + r * row_step + v * kL) * row;
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) {
      T* to = c + r * ldc + v * kL;
      S::store(to, accumulate ? S::load(to) + sum[r][v] : sum[r][v]);
    }
}

/// The lane tile of `rows` in [1, kTileRows] by `vectors` in [1, 2].
template <class T>
Tile<T> lane_tile_of(int rows, int vectors);

}  // namespace addax::cpu::ADDAX_ISA
