// The matrix product of large operands: blocks packed into cache, register tiles over them. One code for float, double
// and the 16-bit floats, which become float while they are packed. Small products are in cpu/matmul.cc.
#pragma once

#include <algorithm>
#include <utility>

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

// to[p * width + j] = from(p, j), with zeros for j in [cols, width).
template <class S, class T>
void pack_panel(Matrix<S> from, int64_t k, int64_t cols, int64_t width, T* to) {
  constexpr int64_t kL = kLanes<T>;
  if (from.col_step == 1 || from.row_step != 1) {
    for (int64_t p = 0; p < k; ++p, to += width) {
      const S* row = from.data + p * from.row_step;
      if (from.col_step == 1 && cols == 2 * kL)
        for (int64_t j = 0; j < 2 * kL; ++j) to[j] = static_cast<T>(row[j]);
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

// Copies a block to where its long steps are short, and says how it lies there.
template <class S, class T>
Matrix<T> pack_block(Matrix<S> from, int64_t rows, int64_t cols, T* to) {
  const bool by_rows = from.col_step == 1 || from.row_step != 1;
  if (!by_rows) {
    std::swap(rows, cols);
    from = from.transposed();
  }
  for (int64_t i = 0; i < rows; ++i) {
    const S* row = from.data + i * from.row_step;
    if (from.col_step == 1)
      for (int64_t j = 0; j < cols; ++j) to[i * cols + j] = static_cast<T>(row[j]);
    else
      for (int64_t j = 0; j < cols; ++j) to[i * cols + j] = static_cast<T>(row[j * from.col_step]);
  }
  const Matrix<T> packed{to, cols, 1};
  return by_rows ? packed : packed.transposed();
}

}  // namespace detail

/// c = a b, for c (m, n) of unit column step and k >= 1. The work is cut by sizes alone. The epilogue, if there is one,
/// runs over each block of c as soon as that is complete.
template <class S>
void gemm(int64_t m, int64_t n, int64_t k, Matrix<S> a, Matrix<S> b, S* c, int64_t ldc,
          const Epilogue* epilogue = nullptr) {
  using T = compute_t<S>;
  constexpr int64_t kDepth = 320;               // of a block: a panel of b this deep stays in the first cache
  constexpr int64_t kRows = 8 * kTileRows;      // of a block: a block of a stays in the second cache
  constexpr int64_t kPackedElements = 1 << 22;  // of b at a time
  constexpr int64_t kTaskWork = 1 << 22, kPackWork = 1 << 16;
  constexpr int64_t kMaxParts = 16;

  const ColumnPanels<T> all(n);
  const int64_t row_blocks = ceil_div(m, kRows), block_rows = ceil_div(m, row_blocks);
  const int64_t depths = ceil_div(k, kDepth), depth = ceil_div(k, depths);
  const int64_t group = std::clamp<int64_t>(kTaskWork / (block_rows * k * ColumnPanels<T>::kWidth), 4, 16);  // panels
  const int64_t groups = ceil_div(all.count, group);
  // Where m and n give few tasks, k is dealt out to partial sums that are added up in order.
  const int64_t parts =
      std::clamp<int64_t>(m * n * k / kTaskWork / (row_blocks * groups), 1, std::min(kMaxParts, depths));
  const int64_t at_once = std::max<int64_t>(group, kPackedElements / (k * ColumnPanels<T>::kWidth) / group * group);
  Scratch<T> packed(std::min(at_once * ColumnPanels<T>::kWidth, all.padded) * k, "matmul");
  const bool direct = parts == 1 && (std::is_same_v<S, T> || depths == 1);
  Scratch<T> sums(direct ? 0 : parts * m * n, "matmul");

  for (int64_t first = 0; first < all.count; first += at_once) {
    const int64_t last = std::min(first + at_once, all.count);
    parallel_for(last - first, ceil_div(kPackWork, k * ColumnPanels<T>::kWidth), [&](int64_t begin, int64_t end) {
      for (int64_t p = first + begin; p < first + end; ++p)
        detail::pack_panel(b.from(0, all.first(p)), k, all.used(p), all.width(p),
                           packed.get() + all.first(p - first) * k);
    });
    const int64_t tasks = ceil_div(last - first, group) * row_blocks * parts;
    parallel_for(
        tasks, ceil_div(kTaskWork / 4, block_rows * group * ColumnPanels<T>::kWidth * ceil_div(k, parts)),
        [&](int64_t begin, int64_t end) {
          Scratch<T> memory(block_rows * depth, "matmul");
          for (int64_t task = begin; task < end; ++task) {
            const int64_t row = task % row_blocks * block_rows, rows = std::min(block_rows, m - row);
            const int64_t part = task / row_blocks % parts;
            const int64_t first_panel = first + task / row_blocks / parts * group;
            const int64_t last_panel = std::min(first_panel + group, last);
            const int64_t first_depth = part * depths / parts, last_depth = (part + 1) * depths / parts;
            for (int64_t d = first_depth; d < last_depth; ++d) {
              const int64_t start = d * depth;
              const Run run{0, std::min(depth, k - start)};
              Matrix<T> block;
              if constexpr (std::is_same_v<S, T>) block = a.from(row, start);
              if (!std::is_same_v<S, T> || last_panel - first_panel > 2)  // otherwise not read often enough to pay
                block = detail::pack_block(a.from(row, start), rows, run.length, memory.get());
              const bool accumulate = d > first_depth;
              for (int64_t p = first_panel; p < last_panel; ++p) {
                const int64_t column = all.first(p), width = all.width(p), used = all.used(p);
                const T* const panel = packed.get() + all.first(p - first) * k + start * width;
                cover_rows(rows, [&](int64_t r, int height) {
                  const auto product = [&](auto* to, int64_t ld) {
                    emit(tile_of<T>(height, all.vectors(p)), height, width, used, block.data + r * block.row_step,
                         block.row_step, block.col_step, {&run, 1}, panel, to, ld, accumulate);
                  };
                  if (direct)
                    product(c + (row + r) * ldc + column, ldc);
                  else
                    product(sums.get() + (part * m + row + r) * n + column, n);
                });
              }
            }
            if (epilogue && direct) {
              const int64_t column = all.first(first_panel), columns = std::min(all.first(last_panel), n) - column;
              epilogue->rows(c + row * ldc + column, rows, columns, ldc);
            }
          }
        });
  }
  if (direct) return;
  parallel_for(m, ceil_div(kPackWork, n * parts), [&](int64_t begin, int64_t end) {
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
