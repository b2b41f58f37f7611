// The matrix product of large operands: blocks packed into cache, register tiles over them. One code for float, double
// and the 16-bit floats, which become float while they are packed. Small products are in cpu/matmul.cc.
#pragma once

#include <algorithm>
#include <utility>

#include "core/fetch.h"
#include "core/kept.h"
#include "cpu/fused.h"
#include "cpu/gemm/tile.h"

namespace addax::cpu::ADDAX_ISA {

template <class T>
struct Matrix {
  const T* data;
  int64_t row_step, col_step;

  Matrix transposed() const { return {data, col_step, row_step}; }
  Matrix from(int64_t i, int64_t j) const { return {&at(i, j), row_step, col_step}; }
  const T& at(int64_t i, int64_t j) const { return data[i * row_step + j * col_step]; }
};

namespace detail {

// Transposes kLanes vectors in registers: each round interleaves the halves of the list.
template <class T, size_t... I>
void transpose(typename Simd<T>::Vector (&v)[kLanes<T>], std::index_sequence<I...>) {
  constexpr int kL = kLanes<T>;
  for (int round = 1; round < kL; round *= 2) {
    typename Simd<T>::Vector w[kL];
#pragma GCC unroll 16
    for (int i = 0; i < kL / 2; ++i) {
      w[2 * i] = __builtin_shufflevector(v[i], v[i + kL / 2], (I / 2 + I % 2 * kL)...);
      w[2 * i + 1] = __builtin_shufflevector(v[i], v[i + kL / 2], (kL / 2 + I / 2 + I % 2 * kL)...);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kL; ++i) v[i] = w[i];
  }
}

// Whole vectors: a loop over values would be scalar, since the two might overlap.
template <int64_t kCount, class S, class T>
void copy_vectors(const S* from, T* to) {
  constexpr int64_t kL = kLanes<T>;
  static_assert(kCount % kL == 0);
#pragma GCC unroll 4
  for (int64_t v = 0; v < kCount; v += kL) {
    typename Simd<T>::Vector values = {};
    if constexpr (std::is_same_v<S, T>)
      values = Simd<T>::load(from + v);
    else
      for (int64_t j = 0; j < kL; ++j) values[j] = static_cast<T>(from[v + j]);
    Simd<T>::store(to + v, values);
  }
}

// to[p * width + j] = from(p, j), with zeros for j in [cols, width).
template <class S, class T>
void pack_panel(Matrix<S> from, int64_t k, int64_t cols, int64_t width, T* to) {
  constexpr int64_t kL = kLanes<T>;
  if (from.col_step == 1 || from.row_step != 1) {
    for (int64_t p = 0; p < k; ++p, to += width) {
      const S* row = from.data + p * from.row_step;
      if (from.col_step == 1 && cols == 2 * kL)
        copy_vectors<2 * kL>(row, to);
      else
        for (int64_t j = 0; j < cols; ++j) to[j] = static_cast<T>(row[j * from.col_step]);
      for (int64_t j = cols; j < width; ++j) to[j] = T(0);
    }
    return;
  }
  for (int64_t j = 0; j < width; j += kL) {
    int64_t p = 0;
    for (; p + kL <= k; p += kL) {
      typename Simd<T>::Vector block[kL] = {};
      for (int64_t i = 0; i < kL; ++i) {
        const S* row = from.data + (j + i) * from.col_step + p;
        if (j + i >= cols) break;
        if constexpr (std::is_same_v<S, T>)
          block[i] = Simd<T>::load(row);
        else
          for (int64_t q = 0; q < kL; ++q) block[i][q] = static_cast<T>(row[q]);
      }
      transpose<T>(block, std::make_index_sequence<kLanes<T>>());
      for (int64_t i = 0; i < kL; ++i) Simd<T>::store(to + (p + i) * width + j, block[i]);
    }
    for (; p < k; ++p)
      for (int64_t i = 0; i < kL; ++i) to[p * width + j + i] = j + i < cols ? static_cast<T>(from.at(p, j + i)) : T(0);
  }
}

/// Packs panels of columns, k * width apart. Whole ones of unit step go side by side with rows as the outer loop: one
/// alone would touch a line of each row.
template <class S, class T>
void pack_panels(Matrix<S> from, int64_t k, const ColumnPanels<T>& panels, int64_t first, int64_t last, T* to) {
  constexpr int64_t kWidth = ColumnPanels<T>::kWidth, kAtOnce = 8;
  constexpr int64_t kAhead = 16;  // rows; none of their lines lies where the processor's own prefetching looks
  while (from.col_step == 1 && first < last && panels.used(first) == kWidth) {
    const int64_t whole = panels.used(last - 1) == kWidth ? last - first : last - first - 1;
    const int64_t count = std::min(kAtOnce, whole);
    for (int64_t p = 0; p < k; ++p) {
      const S* row = &from.at(p, panels.first(first));
      T* line = to + p * kWidth;
      if (p + kAhead < k)
        for (int64_t q = 0; q < count; ++q) __builtin_prefetch(row + kAhead * from.row_step + q * kWidth);
      for (int64_t q = 0; q < count; ++q, row += kWidth, line += k * kWidth) copy_vectors<kWidth>(row, line);
    }
    first += count;
    to += count * k * kWidth;
  }
  for (; first < last; ++first, to += k * kWidth)
    pack_panel(from.from(0, panels.first(first)), k, panels.used(first), panels.width(first), to);
}

// Tiles of a, k long, that are packed side by side. Rows that lie across lines are packed across, with some to spare:
// whole vectors. Others stay rows, an odd number of lines apart, so that they do not share sets of the first cache.
template <class T>
struct PackedTiles {
  static constexpr int64_t kWidth = (kTileRows + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
  const bool across;
  const int64_t k, step = (ceil_div(k, 16) | 1) * 16;
  const int64_t size = across ? kWidth * k : kTileRows * step;

  Matrix<T> at(T* tiles, int64_t i) const { return {tiles + i * size, across ? 1 : step, across ? kWidth : 1}; }
  /// Packs the tiles of `height` rows; of those behind them, `readable` in all, some may be read.
  template <class S>
  void pack(Matrix<S> from, int64_t height, int64_t readable, T* to) const {
    if (!across) {
      for (int64_t t = 0, tiles = tile_count(height); t < tiles; ++t)
        for (int64_t r = tile_row(t, height), row = 0; r < tile_row(t + 1, height); ++r, ++row)
          copy_row(from.from(r, 0), to + t * size + row * step);
      return;
    }
    // One tile alone would touch a line of each row.
    constexpr int64_t kAtOnce = 8, kAhead = 32;
    int64_t tile = 0;
    for (const int64_t tiles = tile_count(height); tile < tiles;) {
      int64_t rows[kAtOnce], count = 0;
      for (; count < kAtOnce && tile + count < tiles; ++count) {
        rows[count] = tile_row(tile + count, height);
        if (readable - rows[count] < kWidth) break;
      }
      if (count == 0) {
        const int64_t r = tile_row(tile, height);
        pack_panel(from.from(r, 0).transposed(), k, readable - r, kWidth, to + tile++ * size);
        continue;
      }
      for (int64_t p = 0; p < k; ++p) {
        const S* line = from.data + p * from.col_step;
        if (p + kAhead < k)
          for (int64_t r = rows[0]; r < rows[count - 1] + kWidth; r += 64 / sizeof(S))
            __builtin_prefetch(line + kAhead * from.col_step + r);
        for (int64_t t = 0; t < count; ++t) copy_vectors<kWidth>(line + rows[t], to + (tile + t) * size + p * kWidth);
      }
      tile += count;
    }
  }

 private:
  template <class S>
  void copy_row(Matrix<S> from, T* to) const {
    if (from.col_step == 1) {
      fetch_far(reinterpret_cast<const char*>(from.data + 2 * from.row_step), k * sizeof(S));
      for (int64_t p = 0; p < k; ++p) to[p] = static_cast<T>(from.data[p]);
    } else {
      for (int64_t p = 0; p < k; ++p) to[p] = static_cast<T>(from.at(0, p));
    }
  }
};

// Of a block. The deeper, the less often results are read and written; a panel of b comes from the second cache as fast
// as it is used.
constexpr int64_t kDepth = kVectorBytes == 64 ? 512 : 1024;
constexpr int64_t kRows = 8 * kTileRows;
constexpr int64_t kSameSets = 4096;       // bytes between rows that share a set of the first cache
constexpr int64_t kGroup = 8;             // panels of a block of b, which stays in the second cache
constexpr int64_t kTaskWork = 1 << 22;    // multiply-adds
constexpr int64_t kSharedSize = 1 << 20;  // values of a matrix that is packed once for all tasks

// Of a block of a, which stays in the second cache.
inline int64_t block_rows(int64_t depth) {
  return kVectorBytes == 64 ? kRows : std::clamp<int64_t>(4096 / depth, 3, 16) * kTileRows;
}

// How a product is cut into tasks: groups of panels by chunks of rows by parts of k, whose partial sums are added up in
// order. Parts, which sums depend on, follow from sizes alone: not from threads, nor from where values lie.
struct Cut {
  int64_t groups, chunks, parts;

  // packed: whether rows of a are packed, block by block, once for each group.
  template <class T>
  static Cut of(int64_t m, int64_t k, const ColumnPanels<T>& panels, bool packed) {
    constexpr int64_t kTasks = 8, kTasksPerThread = 4, kLeastWork = 1 << 19, kLargeTaskWork = 1 << 26;
    const int64_t work = m * panels.columns * k;
    const int64_t wanted =
        std::max({int64_t(work < kLeastWork ? 1 : 2), std::min(kTasks, work / kTaskWork), work / kLargeTaskWork});
    const Cut cut = best(m, k, panels, false, wanted, ceil_div(k, kDepth));
    if (cut.parts > 1) return cut;
    // More groups and chunks than keep all threads busy cost time.
    const int64_t enough = std::max(kTasks, kTasksPerThread * num_threads());
    return best(m, k, panels, packed, std::min(wanted, enough), 1);
  }

 private:
  // As many tasks as wanted, and among those cuts the one by which the fewest values travel, in rows of a and columns
  // of b: to second caches, where packing counts as a quarter of a row, and as a column that several tasks read; and as
  // partial sums. Panels that no second cache holds anyway stream from the third one, in large groups, sooner than many
  // rows are packed again.
  template <class T>
  static Cut best(int64_t m, int64_t k, const ColumnPanels<T>& panels, bool packed, int64_t wanted,
                  int64_t most_parts) {
    constexpr int64_t kLeastColumns = 64, kLargeSize = 1 << 19, kLargeReading = 4;
    const int64_t n = panels.columns, size = k * panels.padded;
    const bool large = size >= kLargeSize, shareable = size <= kSharedSize;
    const int64_t most_chunks = ceil_div(m, shareable ? kRows : 4 * kRows);
    const auto at = [&](int64_t groups) {
      const int64_t chunks = std::clamp<int64_t>(wanted / groups, 1, most_chunks);
      return Cut{groups, chunks, std::clamp<int64_t>(wanted / (groups * chunks), 1, most_parts)};
    };
    const auto cost = [&](const Cut& c) {
      const int64_t rows = packed ? m + m / 4 : m, readings = shareable && c.chunks > 1 ? c.chunks + 1 : c.chunks;
      const int64_t sums = c.parts > 1 ? 6 * c.parts * m * n / k : 0;
      return rows * c.groups + n * readings / (large && shareable ? kLargeReading : 1) + sums;
    };
    const auto rank = [&](const Cut& c) {
      return std::make_pair(std::min(c.groups * c.chunks * c.parts, wanted), -cost(c));
    };
    Cut best = at(ceil_div(panels.count, large && m >= 4 * kRows ? 4 * kGroup : kGroup));
    for (int64_t g = best.groups + 1; wanted > 1 && g <= panels.padded / kLeastColumns; ++g)
      if (const Cut c = at(g); rank(c) > rank(best)) best = c;
    return best;
  }
};

}  // namespace detail

/// c = a b, for c (m, n) of unit column step and k >= 1. The epilogue, if there is one, runs over each block of c as
/// soon as that is complete. `weights`: the storage of b, which may keep its panels.
template <class S>
void gemm(int64_t m, int64_t n, int64_t k, Matrix<S> a, Matrix<S> b, S* c, int64_t ldc,
          const Epilogue* epilogue = nullptr, Storage* weights = nullptr) {
  using T = compute_t<S>;
  using detail::kRows;
  constexpr int64_t kAddWork = 1 << 16, kSharedPanels = 8;
  constexpr int64_t kFewRows = kVectorBytes == 64 ? 48 : 0, kRowsInPlace = kVectorBytes == 64 ? 512 : 36;
  constexpr int64_t kSecondCache = (kVectorBytes == 64 ? 1024 : 512) * 1024, kNear = 512;  // bytes

  const ColumnPanels<T> all(n);
  const int64_t depths = ceil_div(k, detail::kDepth), depth = ceil_div(k, depths);
  const int64_t block_rows = detail::block_rows(depth);
  // Rows of a that share few sets of the first cache are packed, and those that lie across lines: but the widest
  // vectors do so much with a line of these that the next ones come meanwhile, wherever they lie.
  const bool across = a.row_step == 1;
  const bool packed =
      !std::is_same_v<S, T> || (a.col_step == 1 ? a.row_step * static_cast<int64_t>(sizeof(S)) % detail::kSameSets == 0
                                                : !across || kVectorBytes < 64);
  const detail::Cut cut = detail::Cut::of<T>(m, k, all, packed);
  const int64_t group = ceil_div(all.count, cut.groups), groups = ceil_div(all.count, group);
  const int64_t chunks = cut.chunks, parts = cut.parts;
  // Chunks and blocks end where tiles do, if that leaves them nearly equal.
  const int64_t unit = m / chunks >= kRows ? kTileRows : 1, units = ceil_div(m, unit);
  const bool direct = parts == 1 && (std::is_same_v<S, T> || depths == 1);
  Scratch<T> sums(direct ? 0 : parts * m * n, "matmul");

  // Panels that several tasks read are packed before, in blocks of `depth` rows; those of weights once and for all.
  const auto pack_all = [&](T* to) {
    parallel_for(depths * all.count, kSharedPanels, [&](int64_t begin, int64_t end) {
      while (begin < end) {
        const int64_t start = begin / all.count * depth, length = std::min(depth, k - start);
        const int64_t first = begin % all.count, last = std::min(all.count, first + end - begin);
        detail::pack_panels(b.from(start, 0), length, all, first, last,
                            to + start * all.padded + all.first(first) * length);
        begin += last - first;
      }
    });
  };
  const KeptKey key = kept_key(weights, KeptForm::MatrixPanels, b.data, {k, n, b.row_step, b.col_step});
  const T* packed_b = kept<T>(weights, key, k * all.padded, "matmul", pack_all);
  // Panels of few enough rows of a are read where they lie, if these do not drive each other out of the second cache:
  // of a b that comes from memory, if its rows are so near that the processor fetches ahead by itself.
  const bool shareable = k * all.padded <= detail::kSharedSize;
  const int64_t row_bytes = b.row_step * static_cast<int64_t>(sizeof(S));
  const bool in_place = !packed_b && std::is_same_v<S, T> && b.col_step == 1 && all.padded == n &&
                        (shareable || row_bytes <= kNear) &&
                        (m <= kFewRows || (m <= kRowsInPlace && depth * row_bytes <= kSecondCache));
  const bool shared = !packed_b && !in_place && shareable && chunks > 1;
  Scratch<T> shared_b(shared ? k * all.padded : 0, "matmul");
  if (shared) {
    pack_all(shared_b.get());
    packed_b = shared_b.get();
  }
  const bool own = !packed_b && !in_place;

  parallel_for(
      groups * chunks * parts, 1,
      [&](int64_t begin, int64_t end) {
        Scratch<T> own_b(own ? group * ColumnPanels<T>::kWidth * depth : 0, "matmul"),
            rows(packed ? block_rows / kTileRows * detail::PackedTiles<T>{across, depth}.size : 0, "matmul");
        for (int64_t task = begin; task < end; ++task) {
          const int64_t chunk = task % chunks, first_unit = chunk * units / chunks;
          const int64_t taken = (chunk + 1) * units / chunks - first_unit, blocks = ceil_div(taken * unit, block_rows);
          const int64_t part = task / chunks % parts;
          const int64_t first = task / chunks / parts * group, last = std::min(first + group, all.count);
          const int64_t first_depth = part * depths / parts, last_depth = (part + 1) * depths / parts;
          for (int64_t d = first_depth; d < last_depth; ++d) {
            const int64_t start = d * depth;
            const Run run{0, std::min(depth, k - start)};
            const detail::PackedTiles<T> tiles{across, run.length};
            if (own) detail::pack_panels(b.from(start, 0), run.length, all, first, last, own_b.get());
            const auto panel_of = [&](int64_t p) -> Matrix<T> {
              if constexpr (std::is_same_v<S, T>)
                if (in_place) return b.from(start, all.first(p));
              const T* at = own ? own_b.get() + all.first(p - first) * run.length
                                : packed_b + start * all.padded + all.first(p) * run.length;
              return {at, all.width(p), 1};
            };
            for (int64_t block = 0; block < blocks; ++block) {
              const int64_t row = (first_unit + block * taken / blocks) * unit;
              const int64_t height = std::min((first_unit + (block + 1) * taken / blocks) * unit, m) - row;
              if (packed) tiles.pack(a.from(row, start), height, m - row, rows.get());
              for (int64_t p = first; p < last; ++p) {
                const Matrix<T> panel = panel_of(p);
                int64_t tile = 0;
                cover_rows(height, [&](int64_t r, int count) {
                  Matrix<T> from = tiles.at(rows.get(), tile++);
                  if constexpr (std::is_same_v<S, T>)
                    if (!packed) {
                      from = a.from(row + r, start);
                      if (p == first && a.col_step == 1 && block + 1 < blocks)  // the next block comes meanwhile
                        for (int64_t i = row + height + r; i < row + height + r + count; ++i)
                          fetch_far(reinterpret_cast<const char*>(&a.at(i, start)), run.length * sizeof(S));
                    }
                  const auto product = [&](auto* to, int64_t ld) {
                    emit(tile_of<T>(count, all.vectors(p)), count, all.width(p), all.used(p), from.data, from.row_step,
                         from.col_step, {&run, 1}, panel.data, panel.row_step, to + (row + r) * ld + all.first(p), ld,
                         d > first_depth);
                  };
                  if (direct)
                    product(c, ldc);
                  else
                    product(sums.get() + part * m * n, n);
                });
              }
              if (epilogue && direct && d + 1 == last_depth) {
                const int64_t column = all.first(first), columns = std::min(all.first(last), n) - column;
                epilogue->rows(c + row * ldc + column, height, columns, ldc);
              }
            }
          }
        }
      },
      m * n * k >= detail::kTaskWork);
  if (direct) return;
  parallel_for(m, ceil_div(kAddWork, n * parts), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      T* const sum = sums.get() + i * n;
      for (int64_t part = 1; part < parts; ++part)
        for (int64_t j = 0; j < n; ++j) sum[j] += sums[(part * m + i) * n + j];
      for (int64_t j = 0; j < n; ++j) c[i * ldc + j] = static_cast<S>(sum[j]);
    }
    if (epilogue) epilogue->rows(c + begin * ldc, end - begin, n, ldc);
  });
}

}  // namespace addax::cpu::ADDAX_ISA
