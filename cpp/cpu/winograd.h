// Winograd's minimal filtering: correlations under 3 x 3 taps without strides as products of transformed tiles. M x M
// positions take (M + 2)^2 multiplications for each channel and column where direct sums take 9 M^2.
//
// Numerics: measured on normal values, against the sum of the sizes of the terms of an element and its neighbours in
// the tile, F(2 x 2) errs by up to 1e-7, F(4 x 4) by 4e-7, and direct sums, whose chains are nine times as long, by
// 2.5e-7. The points of F(4 x 4) are 0, +-1/sqrt(2), +-sqrt(2) and infinity; +-1 and +-2 err three times as much.
#pragma once

#include <cstring>
#include <utility>

#include "cpu/conv_pass.h"
#include "cpu/gemm/gemm.h"

namespace addax::cpu::ADDAX_ISA {

/// The one-dimensional transforms, on vectors.
template <int M>
struct Winograd;

template <>
struct Winograd<2> {
  template <class V>
  static void source(const V (&d)[4], V (&to)[4]) {
    to[0] = d[0] - d[2];
    to[1] = d[2] + d[1];
    to[2] = d[2] - d[1];
    to[3] = d[3] - d[1];
  }
  template <class V>
  static void filter(const V (&g)[3], V (&to)[4]) {
    const V even = 0.5f * (g[0] + g[2]), odd = 0.5f * g[1];
    to[0] = g[0];
    to[1] = even + odd;
    to[2] = even - odd;
    to[3] = g[2];
  }
  template <class V>
  static void result(const V (&m)[4], V (&to)[2]) {
    to[0] = m[0] + (m[1] + m[2]);
    to[1] = (m[1] - m[2]) + m[3];
  }
};

template <>
struct Winograd<4> {
  static constexpr float kP = 0.70710678118654752f, kQ = 1.4142135623730950f;

  template <class V>
  static void source(const V (&d)[6], V (&to)[6]) {
    const V even_p = d[4] - 2.0f * d[2], odd_p = kP * (d[3] - 2.0f * d[1]);
    const V even_q = d[4] - 0.5f * d[2], odd_q = kQ * (d[3] - 0.5f * d[1]);
    to[0] = (d[0] + d[4]) - 2.5f * d[2];
    to[1] = even_p + odd_p;
    to[2] = even_p - odd_p;
    to[3] = even_q + odd_q;
    to[4] = even_q - odd_q;
    to[5] = (d[1] + d[5]) - 2.5f * d[3];
  }
  template <class V>
  static void filter(const V (&g)[3], V (&to)[6]) {
    const V even_p = (g[0] + 0.5f * g[2]) * (-2.0f / 3), odd_p = g[1] * (-2.0f / 3 * kP);
    const V even_q = (g[0] + 2.0f * g[2]) * (1.0f / 6), odd_q = g[1] * (1.0f / 6 * kQ);
    to[0] = g[0];
    to[1] = even_p + odd_p;
    to[2] = even_p - odd_p;
    to[3] = even_q + odd_q;
    to[4] = even_q - odd_q;
    to[5] = g[2];
  }
  template <class V>
  static void result(const V (&m)[6], V (&to)[4]) {
    const V even_p = m[1] + m[2], odd_p = m[1] - m[2], even_q = m[3] + m[4], odd_q = m[3] - m[4];
    to[0] = m[0] + (even_p + even_q);
    to[1] = kP * odd_p + kQ * odd_q;
    to[2] = 0.5f * even_p + 2.0f * even_q;
    to[3] = (0.5f * kP * odd_p + 2.0f * kQ * odd_q) + m[5];
  }
};

namespace detail {

/// Both dims of a square: load(i, j) and store(i, j, vector).
template <int From, int To, class Transform, class Load, class Store>
void transform_square(Transform&& transform, Load&& load, Store&& store) {
  using V = Simd<float>::Vector;
  V half[To][From];
#pragma GCC unroll 16
  for (int j = 0; j < From; ++j) {
    V in[From], out[To];
#pragma GCC unroll 16
    for (int i = 0; i < From; ++i) in[i] = load(i, j);
    transform(in, out);
#pragma GCC unroll 16
    for (int i = 0; i < To; ++i) half[i][j] = out[i];
  }
#pragma GCC unroll 16
  for (int i = 0; i < To; ++i) {
    V out[To];
    transform(half[i], out);
#pragma GCC unroll 16
    for (int j = 0; j < To; ++j) store(i, j, out[j]);
  }
}

}  // namespace detail

/// The largest M up to `most` that pays for the sizes of a correlation; 0: none does.
inline int winograd_tile(const Correlation<float>& c, int64_t most) {
  constexpr int64_t kTiles = 48;  // that make up for the transform of the filters
  if (c.passes.size() != 1 || c.lanes || c.groups != 1) return 0;
  const auto& axis = c.passes[0].axis;
  if (axis[0].taps * axis[0].grid != 1 || axis[0].src_size != 1) return 0;
  for (size_t i : {1, 2})
    if (axis[i].taps != 3 || axis[i].tap_step != 1 || axis[i].src_step != 1) return 0;
  for (int64_t m = 4; m >= 2; m -= 2) {
    const int64_t tiles = ceil_div(axis[1].grid, m) * ceil_div(axis[2].grid, m);
    // Transforms cost 1/depth + 1/columns of what products do.
    const bool wide = (m == 4 ? 8 : 10) * (c.depth + c.columns) <= c.depth * c.columns;
    const bool fewer = 3 * tiles * (m + 2) * (m + 2) <= 2 * 9 * axis[1].grid * axis[2].grid;
    if (m <= most && wide && fewer && c.batch * tiles >= kTiles) return static_cast<int>(m);
  }
  return 0;
}

/// A correlation for which winograd_tile says M. Blocks of tiles are dealt out, and columns where blocks are few.
template <int M>
void winograd(const Correlation<float>& c) {
  using S = Simd<float>;
  using V = S::Vector;
  constexpr int N = M + 2, kSquare = N * N;
  constexpr int64_t kL = kLanes<float>, kLine = 64 / sizeof(float);
  constexpr int64_t kBlock = 48, kTasks = 8, kCutPanels = 4;
  const Axis &h = c.passes[0].axis[1], &w = c.passes[0].axis[2];
  const ColumnPanels<float> panels(c.columns);
  const int64_t depth = c.depth, row = ceil_div(depth, kL) * kL;  // elements of a transformed pixel

  // [panel][i][j][depth][width]
  Scratch<float> filters(kSquare * depth * panels.padded, "conv");
  parallel_for(panels.count, 1, [&](int64_t begin, int64_t end) {
    Scratch<float> taps(9 * depth * panels.kWidth, "conv");
    for (int64_t p = begin; p < end; ++p) {
      const int64_t width = panels.width(p), size = depth * width;
      for (int64_t u = 0; u < 9; ++u) {
        const int64_t tap = (h.tap_first + u / 3 * h.tap_stride) * 3 + w.tap_first + u % 3 * w.tap_stride;
        const float* from = c.filters + tap * c.tap_step + panels.first(p) * c.column_step;
        detail::pack_panel(Matrix<float>{from, c.depth_step, c.column_step}, depth, panels.used(p), width,
                           taps.get() + u * size);
      }
      float* const to = filters.get() + kSquare * depth * panels.first(p);
      for (int64_t at = 0; at < size; at += kL)
        detail::transform_square<3, N>([](auto& in, auto& out) { Winograd<M>::filter(in, out); },
                                       [&](int i, int j) { return S::load(taps.get() + (i * 3 + j) * size + at); },
                                       [&](int i, int j, V v) { S::store(to + (i * N + j) * size + at, v); });
    }
  });

  const int64_t tile_rows = ceil_div(h.grid, M), row_tiles = ceil_div(w.grid, M);
  const int64_t tiles = c.batch * tile_rows * row_tiles, blocks = ceil_div(tiles, kBlock);
  const int64_t cuts = std::clamp<int64_t>(ceil_div(kTasks, blocks), 1, ceil_div(panels.count, kCutPanels));
  const int64_t pixel = c.channels.total, image = h.src_size * w.src_size * pixel;
  const int64_t result = h.dst_size * w.dst_size * c.dst_channels;
  // Squares lie a line off the distances at which their elements would share sets of the first cache.
  const int64_t source_step = kBlock * row + kLine, product_step = kBlock * panels.kWidth + kLine;
  parallel_for(blocks * cuts, 1, [&](int64_t begin, int64_t end) {
    Scratch<float> sources(kSquare * source_step, "conv"), products(kSquare * product_step, "conv");
    Scratch<float> zeros(row, "conv");
    std::fill_n(zeros.get(), row, 0.0f);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t block = task / cuts, first = block * tiles / blocks, count = (block + 1) * tiles / blocks - first;
      const int64_t cut = task % cuts, last_panel = (cut + 1) * panels.count / cuts;
      const auto position = [&](int64_t t) {  // image, y, x
        t += first;
        return Triple{t / row_tiles / tile_rows, t / row_tiles % tile_rows * M, t % row_tiles * M};
      };
      for (int64_t t = 0; t < count; ++t) {
        const auto [n, y, x] = position(t);
        const float* pixels[N][N];
        for (int64_t i = 0; i < N; ++i)
          for (int64_t j = 0; j < N; ++j) {
            const int64_t at_y = y + h.src_first + i, at_x = x + w.src_first + j;
            const bool inside = at_y >= 0 && at_y < h.src_size && at_x >= 0 && at_x < w.src_size;
            pixels[i][j] = inside ? c.src + n * image + (at_y * w.src_size + at_x) * pixel : zeros.get();
          }
        for (int64_t at = 0; at < depth; at += kL)
          detail::transform_square<N, N>(
              [](auto& in, auto& out) { Winograd<M>::source(in, out); },
              [&](int i, int j) {
                if (at + kL <= depth) return S::load(pixels[i][j] + at);
                V v{};
                std::memcpy(&v, pixels[i][j] + at, static_cast<size_t>(depth - at) * sizeof(float));
                return v;
              },
              [&](int i, int j, V v) { S::store(sources.get() + (i * N + j) * source_step + t * row + at, v); });
      }

      const Run run{0, depth};
      for (int64_t p = cut * panels.count / cuts; p < last_panel; ++p) {
        const int64_t width = panels.width(p), used = panels.used(p);
        const float* filter = filters.get() + kSquare * depth * panels.first(p);
        for (int64_t f = 0; f < kSquare; ++f, filter += depth * width)
          cover_rows(count, [&](int64_t t, int height) {
            tile_of<float>(height, panels.vectors(p))(sources.get() + f * source_step + t * row, row, 1, {&run, 1},
                                                      filter, width, products.get() + f * product_step + t * width,
                                                      width, false);
          });
        for (int64_t t = 0; t < count; ++t) {
          const auto [n, y, x] = position(t);
          const int64_t height = h.grid - y, length = w.grid - x;  // inside the result
          float* const to = c.dst + n * result + (y * w.dst_size + x) * c.dst_channels + panels.first(p);
          for (int64_t at = 0; at < used; at += kL)
            detail::transform_square<N, M>(
                [](auto& in, auto& out) { Winograd<M>::result(in, out); },
                [&](int i, int j) { return S::load(products.get() + (i * N + j) * product_step + t * width + at); },
                [&](int i, int j, V v) {
                  if (i >= height || j >= length) return;
                  float* const element = to + (i * w.dst_size + j) * c.dst_channels + at;
                  if (at + kL <= used)
                    S::store(element, v);
                  else
                    std::memcpy(element, &v, static_cast<size_t>(used - at) * sizeof(float));
                });
        }
      }

      if (!c.epilogue) continue;
      const int64_t column = panels.first(cut * panels.count / cuts);
      const int64_t columns = std::min(panels.first(last_panel), c.columns) - column;
      for (int64_t t = 0, stretch; t < count; t += stretch) {  // tiles of one row
        const auto [n, y, x] = position(t);
        stretch = std::min(count - t, row_tiles - x / M);
        const int64_t pixels = std::min(stretch * M, w.grid - x), last_y = std::min(y + M, h.grid);
        for (int64_t i = y; i < last_y; ++i)
          c.epilogue->rows(c.dst + n * result + (i * w.dst_size + x) * c.dst_channels + column, pixels, columns,
                           c.dst_channels);
      }
    }
  });
}

}  // namespace addax::cpu::ADDAX_ISA
