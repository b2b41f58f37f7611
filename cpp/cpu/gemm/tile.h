// The register tile under small products and convolutions: c[R, V vectors] = sum over k of a[R, k] * b[k, V vectors].
// Large products pack their operands for it (gemm.h).
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "cpu/kernels.h"

namespace addax::cpu::ADDAX_ISA {

#if defined(__AVX512F__)
inline constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
inline constexpr int kVectorBytes = 32;
#else
inline constexpr int kVectorBytes = 16;
#endif

// Rows of the largest tile: as many accumulators as registers allow beside two columns of b and one value of a.
#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr int kTileRows = 12;
#else
inline constexpr int kTileRows = 6;
#endif

/// Elements in one vector register.
template <class T>
inline constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));

template <class T>
struct Simd {
  typedef T Vector __attribute__((vector_size(kVectorBytes)));
  typedef T Unaligned __attribute__((vector_size(kVectorBytes), aligned(alignof(T)), may_alias));

  static Vector load(const T* p) { return *reinterpret_cast<const Unaligned*>(p); }
  static void store(T* p, Vector v) { *reinterpret_cast<Unaligned*>(p) = v; }
};

/// A stretch of the summed dim: its place in a, relative to the tile's first row, and its length. In b the stretches
/// follow each other.
struct Run {
  int64_t offset, length;
};

/// Row r of a starts at a + r * row_step and advances by k_step; rows of b are ldb apart, rows of c ldc. With
/// `accumulate` the sum is added to c.
template <class T>
using Tile = void (*)(const T* a, int64_t row_step, int64_t k_step, Span<const Run> runs, const T* b, int64_t ldb, T* c,
                      int64_t ldc, bool accumulate);

/// A column of a, by one pointer and the distance of its rows.
template <class T>
struct ColumnByStep {
  ColumnByStep(const T* a, int64_t row_step) : p_(a), step_(row_step) {}
  T operator[](int r) const { return p_[r * step_]; }
  void operator+=(int64_t step) { p_ += step; }

 private:
  const T* p_;
  const int64_t step_;
};

/// A column of R rows of a, three by each pointer: the distances of many rows from one would not fit into registers.
template <class T, int R>
struct ColumnByThrees {
  ColumnByThrees(const T* a, int64_t row_step) : step_(row_step) {
    for (int i = 0; i < kPointers; ++i) {
      p_[i] = a + 3 * i * row_step;
      asm("" : "+r"(p_[i]));  // else the compiler goes back to one
    }
  }
  T operator[](int r) const { return p_[r / 3][r % 3 * step_]; }
  void operator+=(int64_t step) {
    for (const T*& p : p_) p += step;
  }

 private:
  static constexpr int kPointers = (R + 2) / 3;
  const T* p_[kPointers];
  const int64_t step_;
};

// Steps that the compiler knows cost no instructions. Each combination is a function of its own, whose registers are
// given out for it alone.
template <class T, int R, int V, class Column, class StepA, class StepB>
[[gnu::noinline]] void tile_by(const T* a, int64_t row_step, StepA k_step, Span<const Run> runs, const T* b, StepB ldb,
                               T* c, int64_t ldc, bool accumulate) {
  using S = Simd<T>;
  constexpr int kL = kLanes<T>;
  typename S::Vector sum[R][V] = {};
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
    for (int v = 0; v < V * kVectorBytes; v += 64)
      __builtin_prefetch(reinterpret_cast<const char*>(c + r * ldc) + v, 0, 2);
  for (const Run& run : runs) {
    Column column(a + run.offset, row_step);
#pragma GCC unroll 4
    for (int64_t k = 0; k < run.length; ++k, column += k_step, b += ldb) {
      typename S::Vector row[V];
#pragma GCC unroll 16
      for (int v = 0; v < V; ++v) row[v] = S::load(b + v * kL);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        const T value = column[r];
#pragma GCC unroll 16
        for (int v = 0; v < V; ++v) sum[r][v] += value * row[v];
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

template <class T, int R, int V>
void tile(const T* a, int64_t row_step, int64_t k_step, Span<const Run> runs, const T* b, int64_t ldb, T* c,
          int64_t ldc, bool accumulate) {
  constexpr int64_t kWidth = V * kLanes<T>;
  if (k_step == 1 && ldb == kWidth)
    tile_by<T, R, V, ColumnByThrees<T, R>>(a, row_step, std::integral_constant<int64_t, 1>(), runs, b,
                                           std::integral_constant<int64_t, kWidth>(), c, ldc, accumulate);
  else
    tile_by<T, R, V, ColumnByStep<T>>(a, row_step, k_step, runs, b, ldb, c, ldc, accumulate);
}

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// m rows are cut into so many tiles of nearly equal height.
inline int64_t tile_count(int64_t m) { return ceil_div(m, kTileRows); }

/// The first row of tile t of m rows.
inline int64_t tile_row(int64_t t, int64_t m) { return t * m / tile_count(m); }

/// For each tile of m rows: f(first row, rows).
template <class F>
void cover_rows(int64_t m, F&& f) {
  for (int64_t t = 0; t < tile_count(m); ++t) {
    const int64_t begin = tile_row(t, m);
    f(begin, static_cast<int>(tile_row(t + 1, m) - begin));
  }
}

/// The tile of `rows` in [1, kTileRows] by `vectors` in [1, 2].
template <class T>
Tile<T> tile_of(int rows, int vectors);

/// n columns as panels of two vectors; the last may be narrower, and is padded to whole vectors.
template <class T>
struct ColumnPanels {
  static constexpr int64_t kWidth = 2 * kLanes<T>;
  int64_t columns, count, padded;

  explicit ColumnPanels(int64_t n)
      : columns(n), count(ceil_div(n, kWidth)), padded(ceil_div(n, kLanes<T>) * kLanes<T>) {}
  int64_t first(int64_t i) const { return i * kWidth; }
  int64_t width(int64_t i) const { return std::min(kWidth, padded - first(i)); }
  int64_t used(int64_t i) const { return std::min(width(i), columns - first(i)); }
  int vectors(int64_t i) const { return static_cast<int>(width(i) / kLanes<T>); }
};

/// Runs a tile on a panel of b; columns beyond `used`, and results of another type, take the way over a buffer, which
/// holds kTileRows rows.
template <class F, class S, class T>
void emit(F&& tile, int64_t rows, int64_t width, int64_t used, const T* a, int64_t row_step, int64_t k_step,
          Span<const Run> runs, const T* b, int64_t ldb, S* to, int64_t to_step, bool accumulate) {
  if constexpr (std::is_same_v<S, T>)
    if (used == width) return tile(a, row_step, k_step, runs, b, ldb, to, to_step, accumulate);
  T sum[kTileRows * ColumnPanels<T>::kWidth];
  tile(a, row_step, k_step, runs, b, ldb, sum, width, false);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t j = 0; j < used; ++j) {
      const T value = sum[r * width + j];
      S& result = to[r * to_step + j];
      result = static_cast<S>(accumulate ? static_cast<T>(result) + value : value);
    }
}

}  // namespace addax::cpu::ADDAX_ISA
