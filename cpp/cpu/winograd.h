// Winograd's minimal filtering: correlations under 3 x 3 taps without strides as products of transformed tiles. M x M
// positions take (M + 2)^2 multiplications for each channel and column where direct sums take 9 M^2. Filter gradients
// are correlations of the source under 2 x 2 tiles of g: F(3 x 3, 2 x 2), 16 multiplications where direct sums take 36.
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
  // Of F(3, 2), over the same source: its filter are two values of g, its results three taps.
  template <class V>
  static void gradient(const V (&g)[2], V (&to)[4]) {
    to[0] = g[0];
    to[1] = g[0] + g[1];
    to[2] = g[0] - g[1];
    to[3] = g[1];
  }
  template <class V>
  static void taps(const V (&m)[4], V (&to)[3]) {
    const V even = 0.5f * (m[1] + m[2]);
    to[0] = m[0] + even;
    to[1] = 0.5f * (m[1] - m[2]);
    to[2] = even + m[3];
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

/// Square tiles over the positions of an image, of all images one after the other.
struct TileGrid {
  int64_t side, rows, columns, count;

  TileGrid(int64_t batch, int64_t height, int64_t width, int64_t m)
      : side(m), rows(ceil_div(height, m)), columns(ceil_div(width, m)), count(batch * rows * columns) {}
  Triple position(int64_t t) const {  // image, y, x
    return {t / columns / rows, t / columns % rows * side, t % columns * side};
  }
};

/// Images as squares of pixels, with zeros around them.
template <int N>
struct PixelSquare {
  const float* pixels[N][N];

  /// From (y, x) of an image; `zeros` are as many as a pixel has channels.
  PixelSquare(const float* image, int64_t height, int64_t width, int64_t pixel, int64_t y, int64_t x,
              const float* zeros) {
    for (int64_t i = 0; i < N; ++i)
      for (int64_t j = 0; j < N; ++j) {
        const bool inside = y + i >= 0 && y + i < height && x + j >= 0 && x + j < width;
        pixels[i][j] = inside ? image + ((y + i) * width + x + j) * pixel : zeros;
      }
  }
  /// Transforms `channels` of them: element (i, j) goes to to + (i * To + j) * step, zeros behind it to whole vectors.
  template <int To, class Transform>
  void transform(Transform&& transform, int64_t channels, float* to, int64_t step) const {
    using S = Simd<float>;
    using V = S::Vector;
    constexpr int64_t kL = kLanes<float>;
    for (int64_t at = 0; at < channels; at += kL)
      transform_square<N, To>(
          transform,
          [&](int i, int j) {
            if (at + kL <= channels) return S::load(pixels[i][j] + at);
            V v{};
            std::memcpy(&v, pixels[i][j] + at, static_cast<size_t>(channels - at) * sizeof(float));
            return v;
          },
          [&](int i, int j, V v) { S::store(to + (i * To + j) * step + at, v); });
  }
};

/// Stores the first `used` values of a vector, or all.
inline void store_used(float* to, Simd<float>::Vector v, int64_t used) {
  if (used >= kLanes<float>)
    Simd<float>::store(to, v);
  else
    std::memcpy(to, &v, static_cast<size_t>(used) * sizeof(float));
}

}  // namespace detail

/// Whether products of transformed M x M tiles pay for a pass between so many channels on either side.
inline bool winograd_pays(const Pass& pass, int64_t batch, int64_t channels, int64_t columns, int64_t m) {
  constexpr int64_t kTiles = 16;  // that make up for the transform of the filters
  const auto& axis = pass.axis;
  if (axis[0].taps * axis[0].grid != 1 || axis[0].src_size != 1) return false;
  for (size_t i : {1, 2})
    if (axis[i].taps != 3 || axis[i].tap_step != 1 || axis[i].src_step != 1) return false;
  const int64_t tiles = ceil_div(axis[1].grid, m) * ceil_div(axis[2].grid, m);
  // Transforms cost 1/channels + 1/columns of what products do.
  const bool wide = (m == 4 ? 8 : 10) * (channels + columns) <= channels * columns;
  const bool fewer = 3 * tiles * (m + 2) * (m + 2) <= 2 * 9 * axis[1].grid * axis[2].grid;
  return wide && fewer && batch * tiles >= kTiles;
}

/// The largest M up to `most` that pays for the sizes of a correlation; 0: none does.
inline int winograd_tile(const Correlation<float>& c, int64_t most) {
  if (c.passes.size() != 1 || c.lanes || c.groups != 1) return 0;
  for (int m = 4; m >= 2; m -= 2)
    if (m <= most && winograd_pays(c.passes[0], c.batch, c.depth, c.columns, m)) return m;
  return 0;
}

/// A correlation for which winograd_tile says M. Blocks of tiles are dealt out, and columns where blocks are few.
/// Filters that outweigh the tiles are cut first, so that each thread reads the same part of them from run to run.
template <int M>
void winograd(const Correlation<float>& c) {
  using S = Simd<float>;
  using V = S::Vector;
  constexpr int N = M + 2, kSquare = N * N;
  constexpr int64_t kL = kLanes<float>, kLine = 64 / sizeof(float);
  constexpr int64_t kBlock = 48, kLeastBlock = 8, kTasks = 8, kCutPanels = 4;
  const Axis &h = c.passes[0].axis[1], &w = c.passes[0].axis[2];
  const ColumnPanels<float> panels(c.columns);
  const int64_t depth = c.depth, row = ceil_div(depth, kL) * kL;  // elements of a transformed pixel

  // [panel][i][j][depth][width]
  const auto transform = [&](float* filters) {
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
        float* const to = filters + kSquare * depth * panels.first(p);
        for (int64_t at = 0; at < size; at += kL)
          detail::transform_square<3, N>([](auto& in, auto& out) { Winograd<M>::filter(in, out); },
                                         [&](int i, int j) { return S::load(taps.get() + (i * 3 + j) * size + at); },
                                         [&](int i, int j, V v) { S::store(to + (i * N + j) * size + at, v); });
      }
    });
  };
  const Made<float> filters(c.weights, c.key(M == 2 ? KeptForm::Winograd2 : KeptForm::Winograd4),
                            kSquare * depth * panels.padded, "conv", transform);

  const detail::TileGrid grid(c.batch, h.grid, w.grid, M);
  const int64_t tiles = grid.count;
  const bool by_columns = panels.padded > tiles && panels.count > 1;
  const int64_t least_cuts = by_columns ? 2 : 1;
  const int64_t blocks = std::max(ceil_div(tiles, kBlock), std::min(kTasks / least_cuts, tiles / kLeastBlock));
  const int64_t cuts = std::max(least_cuts, std::min(ceil_div(kTasks, blocks), ceil_div(panels.count, kCutPanels)));
  const int64_t pixel = c.channels.total, image = h.src_size * w.src_size * pixel;
  const int64_t result = h.dst_size * w.dst_size * c.dst_channels;
  // Squares lie a line off the distances at which their elements would share sets of the first cache.
  const int64_t source_step = kBlock * row + kLine, product_step = kBlock * panels.kWidth + kLine;
  parallel_for(blocks * cuts, 1, [&](int64_t begin, int64_t end) {
    Scratch<float> sources(kSquare * source_step, "conv"), products(kSquare * product_step, "conv");
    Scratch<float> zeros(row, "conv");
    std::fill_n(zeros.get(), row, 0.0f);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t block = by_columns ? task % blocks : task / cuts, cut = by_columns ? task / blocks : task % cuts;
      const int64_t first = block * tiles / blocks, count = (block + 1) * tiles / blocks - first;
      const int64_t last_panel = (cut + 1) * panels.count / cuts;
      for (int64_t t = 0; t < count; ++t) {
        const auto [n, y, x] = grid.position(first + t);
        detail::PixelSquare<N>(c.src + n * image, h.src_size, w.src_size, pixel, y + h.src_first, x + w.src_first,
                               zeros.get())
            .template transform<N>([](auto& in, auto& out) { Winograd<M>::source(in, out); }, depth,
                                   sources.get() + t * row, source_step);
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
          const auto [n, y, x] = grid.position(first + t);
          const int64_t height = h.grid - y, length = w.grid - x;  // inside the result
          float* const to = c.dst + n * result + (y * w.dst_size + x) * c.dst_channels + panels.first(p);
          for (int64_t at = 0; at < used; at += kL)
            detail::transform_square<N, M>(
                [](auto& in, auto& out) { Winograd<M>::result(in, out); },
                [&](int i, int j) { return S::load(products.get() + (i * N + j) * product_step + t * width + at); },
                [&](int i, int j, V v) {
                  if (i >= height || j >= length) return;
                  detail::store_used(to + (i * w.dst_size + j) * c.dst_channels + at, v, used - at);
                });
        }
      }

      if (!c.epilogue) continue;
      const int64_t column = panels.first(cut * panels.count / cuts);
      const int64_t columns = std::min(panels.first(last_panel), c.columns) - column;
      for (int64_t t = 0, stretch; t < count; t += stretch) {  // tiles of one row
        const auto [n, y, x] = grid.position(first + t);
        stretch = std::min(count - t, grid.columns - x / M);
        const int64_t pixels = std::min(stretch * M, w.grid - x), last_y = std::min(y + M, h.grid);
        for (int64_t i = y; i < last_y; ++i)
          c.epilogue->rows(c.dst + n * result + (i * w.dst_size + x) * c.dst_channels + column, pixels, columns,
                           c.dst_channels);
      }
    }
  });
}

/// The filters' gradient from x and g (of the grid's size), where winograd_pays for tiles of 2 x 2. Blocks of tiles are
/// dealt out to a few sums of products, which are added up in order before their one transform; and so are channels
/// and columns where the sum of all would leave the cache.
inline void winograd_filter_grad(const Pass& pass, int64_t batch, int64_t channels, int64_t outputs, const float* x,
                                 const float* g, float* dw) {
  using S = Simd<float>;
  using V = S::Vector;
  constexpr int N = 4, kSquare = N * N;
  constexpr int64_t kL = kLanes<float>, kLine = 64 / sizeof(float);
  constexpr int64_t kBlock = 48, kTasks = 8, kChunk = 64, kCutPanels = 4, kPartBlocks = 2;
  const Axis &h = pass.axis[1], &w = pass.axis[2];
  const ColumnPanels<float> panels(outputs);
  const detail::TileGrid grid(batch, h.grid, w.grid, 2);
  const int64_t blocks = ceil_div(grid.count, kBlock);
  const int64_t vectors = ceil_div(channels, kL), row = vectors * kL;
  const int64_t chunks = ceil_div(channels, kChunk), cuts = ceil_div(panels.count, kCutPanels);
  const int64_t parts = std::clamp<int64_t>(ceil_div(kTasks, chunks * cuts), 1, ceil_div(blocks, kPartBlocks));
  const int64_t size = row * panels.padded;  // of a square's sum: [panel][channel][width]
  const int64_t image = h.src_size * w.src_size * channels, gradient = h.grid * w.grid * outputs;

  Scratch<float> sums(parts * kSquare * size, "conv_filter_grad");
  parallel_for(parts * chunks * cuts, 1, [&](int64_t begin, int64_t end) {
    const int64_t most_rows = ceil_div(vectors, chunks) * kL;
    const int64_t most_columns = ceil_div(panels.count, cuts) * panels.kWidth;
    const int64_t source_step = kBlock * most_rows + kLine, gradient_step = kBlock * most_columns + kLine;
    Scratch<float> sources(kSquare * source_step, "conv_filter_grad");
    Scratch<float> gradients(kSquare * gradient_step, "conv_filter_grad");
    Scratch<float> zeros(std::max(most_rows, most_columns), "conv_filter_grad");
    std::fill_n(zeros.get(), std::max(most_rows, most_columns), 0.0f);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t chunk = task % chunks, cut = task / chunks % cuts, part = task / chunks / cuts;
      const int64_t first_row = chunk * vectors / chunks * kL, last_row = (chunk + 1) * vectors / chunks * kL;
      const int64_t rows = last_row - first_row, used_rows = std::min(last_row, channels) - first_row;
      const int64_t first_panel = cut * panels.count / cuts, last_panel = (cut + 1) * panels.count / cuts;
      const int64_t first_column = panels.first(first_panel);
      const int64_t columns = std::min(panels.first(last_panel), panels.padded) - first_column;
      const int64_t used_columns = std::min(columns, outputs - first_column);
      const int64_t first_block = part * blocks / parts, last_block = (part + 1) * blocks / parts;
      for (int64_t block = first_block; block < last_block; ++block) {
        const int64_t first = block * grid.count / blocks, count = (block + 1) * grid.count / blocks - first;
        for (int64_t t = 0; t < count; ++t) {
          const auto [n, at_y, at_x] = grid.position(first + t);
          detail::PixelSquare<N>(x + n * image + first_row, h.src_size, w.src_size, channels, at_y + h.src_first,
                                 at_x + w.src_first, zeros.get())
              .template transform<N>([](auto& in, auto& out) { Winograd<2>::source(in, out); }, used_rows,
                                     sources.get() + t * rows, source_step);
          detail::PixelSquare<2>(g + n * gradient + first_column, h.grid, w.grid, outputs, at_y, at_x, zeros.get())
              .template transform<N>([](auto& in, auto& out) { Winograd<2>::gradient(in, out); }, used_columns,
                                     gradients.get() + t * columns, gradient_step);
        }
        const Run run{0, count};
        for (int64_t f = 0; f < kSquare; ++f)
          for (int64_t p = first_panel; p < last_panel; ++p) {
            const int64_t width = panels.width(p);
            const float* const b = gradients.get() + f * gradient_step + panels.first(p) - first_column;
            float* const sum = sums.get() + (part * kSquare + f) * size + row * panels.first(p) + first_row * width;
            cover_rows(rows, [&](int64_t r, int height) {
              tile_of<float>(height, panels.vectors(p))(sources.get() + f * source_step + r, 1, rows, {&run, 1}, b,
                                                        columns, sum + r * width, width, block > first_block);
            });
          }
      }
    }
  });

  parallel_for(channels, ceil_div(kTasks * kTasks, parts), [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c)
      for (int64_t p = 0; p < panels.count; ++p)
        for (int64_t at = 0; at < panels.used(p); at += kL)
          detail::transform_square<N, 3>(
              [](auto& in, auto& out) { Winograd<2>::taps(in, out); },
              [&](int i, int j) {
                const float* from = sums.get() + (i * N + j) * size + row * panels.first(p) + c * panels.width(p) + at;
                V total = S::load(from);
                for (int64_t part = 1; part < parts; ++part) total += S::load(from + part * kSquare * size);
                return total;
              },
              [&](int i, int j, V v) {
                detail::store_used(dw + ((i * 3 + j) * channels + c) * outputs + panels.first(p) + at, v,
                                   panels.used(p) - at);
              });
  });
}

}  // namespace addax::cpu::ADDAX_ISA
