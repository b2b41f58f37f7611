// Cumulative folds along one axis of a contiguous array. Floats are carried as doubles: what is carried far must not
// gather the rounding of every step.
#pragma once

#include <algorithm>

#include "cpu/kernels.h"
#include "cpu/simd/convert.h"
#include "cpu/simd/vec.h"

namespace addax::cpu::ADDAX_ISA {

/// One scan of an array seen as (outer, n, inner). `store` takes runs of C to the output.
template <class F, class C>
class Scan {
 public:
  using Store = void (*)(const C* values, int64_t n, void* out, int64_t at);

  Scan(const View& x, int axis, bool reverse, const Source<C>& source, void* out, Store store, const char* name)
      : source_(source), out_(out), store_(store), reverse_(reverse), name_(name), n_(x.shape[axis]) {
    for (int d = 0; d < axis; ++d) outer_ *= x.shape[d];
    for (int d = axis + 1; d < x.rank(); ++d) inner_ *= x.shape[d];
  }

  void run() { inner_ == 1 ? rows() : columns(); }

 private:
  static constexpr int64_t kTile = 1024;
  static constexpr int64_t kChunk = 1 << 16;

  /// The last axis: each row is one run; few long rows are cut into chunks that first fold, then start from the fold
  /// of those before. Chunks and tiles are counted in the order of the scan.
  void rows() {
    const int64_t chunk = outer_ < 16 ? std::min(n_, kChunk) : n_;
    const int64_t chunks = (n_ + chunk - 1) / chunk;
    Scratch<C> carries(outer_ * chunks, name_);
    std::fill_n(carries.get(), outer_ * chunks, F::template neutral<C>());
    if (chunks > 1) {
      parallel_for(outer_ * chunks, 1, [&](int64_t begin, int64_t end) {
        for (int64_t t = begin; t < end; ++t)
          tiles(t, chunk, [&](C* tile, int64_t, int64_t m) { carries[t] = F::apply(carries[t], fold<F>(tile, m)); });
      });
      for (int64_t r = 0; r < outer_; ++r) {
        C before = F::template neutral<C>();
        for (int64_t c = 0; c < chunks; ++c) {
          const C total = carries[r * chunks + c];
          carries[r * chunks + c] = before;
          before = F::apply(before, total);
        }
      }
    }
    parallel_for(outer_ * chunks, std::max<int64_t>(1, kChunk / chunk), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        C carry = carries[t];
        tiles(t, chunk, [&](C* tile, int64_t at, int64_t m) {
          if (reverse_)
            for (int64_t i = m - 1; i >= 0; --i) tile[i] = carry = F::apply(carry, tile[i]);
          else
            for (int64_t i = 0; i < m; ++i) tile[i] = carry = F::apply(carry, tile[i]);
          store_(tile, m, out_, at);
        });
      }
    });
  }

  /// Calls body(elements, position, count) for the tiles of task t: chunk t % chunks of row t / chunks.
  template <class Body>
  void tiles(int64_t t, int64_t chunk, Body&& body) {
    alignas(64) C tile[kTile];
    const int64_t chunks = (n_ + chunk - 1) / chunk, row = t / chunks * n_;
    const int64_t first = t % chunks * chunk, last = std::min(n_, first + chunk);
    for (int64_t i = first; i < last; i += kTile) {
      const int64_t m = std::min(kTile, last - i), at = row + (reverse_ ? n_ - i - m : i);
      source_.load(source_.data, at, 1, m, tile);
      body(tile, at, m);
    }
  }

  /// Another axis: whole rows of `inner` elements accumulate side by side.
  void columns() {
    const int64_t width = std::min(inner_, kTile), tiles = (inner_ + width - 1) / width;
    parallel_for(outer_ * tiles, std::max<int64_t>(1, kChunk / (n_ * width)), [&](int64_t begin, int64_t end) {
      alignas(64) C carry[kTile], tile[kTile];
      for (int64_t t = begin; t < end; ++t) {
        const int64_t column = t % tiles * width, m = std::min(width, inner_ - column);
        std::fill_n(carry, m, F::template neutral<C>());
        for (int64_t i = 0; i < n_; ++i) {
          const int64_t at = (t / tiles * n_ + (reverse_ ? n_ - 1 - i : i)) * inner_ + column;
          const C* row = source_.read(at, 1, m, tile);
          for (int64_t j = 0; j < m; ++j) carry[j] = F::apply(carry[j], row[j]);
          store_(carry, m, out_, at);
        }
      }
    });
  }

  const Source<C> source_;
  void* out_;
  Store store_;
  bool reverse_;
  const char* name_;
  int64_t outer_ = 1, n_, inner_ = 1;
};

}  // namespace addax::cpu::ADDAX_ISA
