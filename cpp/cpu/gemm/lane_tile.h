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

/// A row of positions under 3 runs of 3 taps, which stay in registers. Where positions are as far apart as taps, each
/// element of a is read once and added to the three sums it belongs to.
template <class T>
void lane_row(int64_t positions, const T* a, int64_t row_step, int64_t k_step, Span<const Run> runs, const T* b,
              int64_t width, T* c, int64_t ldc, bool accumulate) {
  using S = Simd<T>;
  using V = typename S::Vector;
  for (int64_t v = 0; v < width; v += kLanes<T>) {
    V tap[9];
#pragma GCC unroll 16
    for (int k = 0; k < 9; ++k) tap[k] = S::load(b + k * width + v);
    const T *p = a + runs[0].offset + v, *q = a + runs[1].offset + v, *r = a + runs[2].offset + v;
    T* to = c + v;
    const auto column = [&](int k, int64_t at, V sum) {
      sum += S::load(p + at) * tap[k];
      sum += S::load(q + at) * tap[3 + k];
      return sum + S::load(r + at) * tap[6 + k];
    };
    const auto next = [&](V sum) {
      S::store(to, accumulate ? S::load(to) + sum : sum);
      p += row_step, q += row_step, r += row_step, to += ldc;
    };
    if (row_step == k_step) {
      V second = column(0, 0, V{});
      V first = column(1, k_step, second);
      second = column(0, k_step, V{});
      for (int64_t i = 0; i < positions; ++i) {
        const V x = S::load(p + 2 * k_step), y = S::load(q + 2 * k_step), z = S::load(r + 2 * k_step);
        const V sum = first + x * tap[2] + y * tap[5] + z * tap[8];
        first = second + x * tap[1] + y * tap[4] + z * tap[7];
        second = x * tap[0] + y * tap[3] + z * tap[6];
        next(sum);
      }
    } else {
      for (int64_t i = 0; i < positions; ++i) next(column(2, 2 * k_step, column(1, k_step, column(0, 0, V{}))));
    }
  }
}

}  // namespace addax::cpu::ADDAX_ISA
