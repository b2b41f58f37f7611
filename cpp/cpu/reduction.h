// One reduction of one strided tensor: the driver that folds run on. It works in one of two ways: by rows, where what
// is reduced comes last, or by columns, many results side by side, where results come last.
//
// Everything that decides the order of operations is taken from the shape, as if the input were contiguous; strides
// only say where elements lie. So the bits depend neither on the layout nor on the number of threads: blocks of
// kSegment elements or kRows rows are folded in the compute type, blocks combine in `Total`, chunks of kChunk elements
// run in parallel and combine in order.
#pragma once

#include <algorithm>

#include "cpu/kernels.h"
#include "cpu/simd/convert.h"

namespace addax::cpu::ADDAX_ISA {

inline constexpr int64_t kSegment = 4096;    // elements of a run folded at once
inline constexpr int64_t kRows = 16;         // rows folded at once
inline constexpr int64_t kColumns = 512;     // results side by side
inline constexpr int64_t kChunk = 1 << 16;   // elements worth a task of their own
inline constexpr int64_t kEnoughTasks = 64;  // with so many results there is no need to split a reduction

struct Axis {
  int64_t size, stride;
};

/// Some dimensions of a tensor, outermost first.
struct Axes {
  int count = 0;
  Axis list[kMaxRank];

  void push(Axis axis) {
    if (count && list[count - 1].stride == axis.stride * axis.size)  // they walk as one
      list[count - 1] = {list[count - 1].size * axis.size, axis.stride};
    else
      list[count++] = axis;
  }
  void push(const Axes& axes) {
    for (int i = 0; i < axes.count; ++i) push(axes.list[i]);
  }
  int64_t numel() const {
    int64_t n = 1;
    for (int i = 0; i < count; ++i) n *= list[i].size;
    return n;
  }
};

/// Offsets of consecutive positions in row-major order over some axes.
class Walk {
 public:
  Walk(const Axes& axes, int64_t position) : axes_(axes) {
    for (int d = axes_.count - 1; d >= 0; --d) {
      index_[d] = position % axes_.list[d].size;
      position /= axes_.list[d].size;
      offset += index_[d] * axes_.list[d].stride;
    }
  }
  void next() {
    for (int d = axes_.count - 1; d >= 0; --d) {
      const Axis& axis = axes_.list[d];
      offset += axis.stride;
      if (++index_[d] < axis.size) return;
      offset -= axis.stride * axis.size;
      index_[d] = 0;
    }
  }

  int64_t offset = 0;

 private:
  const Axes& axes_;
  int64_t index_[kMaxRank];
};

/// Consecutive positions over some axes as one array.
template <class C>
class Run {
 public:
  Run(const Source<C>& source, const Axes& axes) : source_(source), outer_(axes) {
    if (outer_.count) inner_ = outer_.list[--outer_.count];
  }
  int64_t size() const { return outer_.numel() * inner_.size; }

  /// Elements [at, at + n) behind `offset`, where they lie or in `tile`.
  const C* read(int64_t offset, int64_t at, int64_t n, C* tile) const {
    if (!outer_.count) return source_.read(offset + at * inner_.stride, inner_.stride, n, tile);
    Walk walk(outer_, at / inner_.size);
    int64_t i = at % inner_.size;
    for (int64_t done = 0; done < n; walk.next(), i = 0) {
      const int64_t m = std::min(inner_.size - i, n - done);
      source_.load(source_.data, offset + walk.offset + i * inner_.stride, inner_.stride, m, tile + done);
      done += m;
    }
    return tile;
  }

 private:
  const Source<C>& source_;
  Axes outer_;
  Axis inner_{1, 1};
};

/// Op: `Compute` and `Total` types; start(), a total of nothing; merge(total, later total); run(x, n, first, total)
/// folds n contiguous elements; rows(x, count, width, first, totals) folds `count` rows into `width` totals. `first` is
/// the position of the first element (row) along the reduced range; only an op that is kOrdered looks at it.
template <class Op>
class Reduction {
 public:
  using C = typename Op::Compute;
  using Total = typename Op::Total;
  using Store = void (*)(const Total* totals, int64_t n, void* out, int64_t at);

  Reduction(const View& x, const Dims& axes, const Source<C>& source, void* out, Store store, const char* name)
      : source_(source), out_(out), store_(store), name_(name) {
    bool reduces[kMaxRank] = {};
    for (int64_t a : axes) reduces[a] = true;
    for (int d = 0; d < x.rank(); ++d) {
      if (x.shape[d] == 1) continue;
      if (reduces[d] != reduced_last_) {
        Axes& tail = reduces[d] ? reduced_tail_ : kept_tail_;
        (reduces[d] ? reduced_ : kept_).push(tail);
        tail = {};
      }
      (reduces[d] ? reduced_tail_ : kept_tail_).push(Axis{x.shape[d], x.strides[d]});
      reduced_last_ = reduces[d];
    }
    outputs_ = kept_.numel() * kept_tail_.numel();
    range_ = reduced_.numel() * reduced_tail_.numel();
  }

  void run() {
    if (range_ == 0) {
      const Total start = Op::start();
      for (int64_t i = 0; i < outputs_; ++i) store_(&start, 1, out_, i);
    } else if (kept_tail_.count && (!reduced_last_ || (range_ < kRows && kept_tail_.numel() >= 64))) {
      columns();
    } else {
      rows();
    }
  }

 private:
  void rows() {
    Axes kept = kept_;
    kept.push(kept_tail_);
    const Run<C> inner(source_, reduced_tail_);
    const int64_t length = inner.size();
    const int64_t unit = std::min(length, kSegment), segments = (length + unit - 1) / unit;
    const int64_t units = reduced_.numel() * segments;
    int64_t per_chunk = units;
    if (outputs_ < kEnoughTasks) per_chunk = std::min(units, std::max<int64_t>(1, kChunk / unit));
    const int64_t chunks = (units + per_chunk - 1) / per_chunk;
    Scratch<Total> partial(chunks > 1 ? outputs_ * chunks : 0, name_);

    parallel_for(outputs_ * chunks, std::max<int64_t>(1, kChunk / (per_chunk * unit)), [&](int64_t begin, int64_t end) {
      alignas(64) C tile[kSegment];
      Walk output(kept, begin / chunks);
      for (int64_t t = begin; t < end; ++t) {
        const int64_t first = t % chunks * per_chunk, last = std::min(units, first + per_chunk);
        Total total = Op::start();
        Walk walk(reduced_, first / segments);
        for (int64_t u = first; u < last; ++u) {
          const int64_t at = u % segments * unit, n = std::min(unit, length - at);
          Op::run(inner.read(output.offset + walk.offset, at, n, tile), n, at, total);
          if ((u + 1) % segments == 0) walk.next();
        }
        if (chunks == 1)
          store_(&total, 1, out_, t);
        else
          partial[t] = total;
        if ((t + 1) % chunks == 0) output.next();
      }
    });
    if (chunks == 1) return;
    for (int64_t o = 0; o < outputs_; ++o) {
      for (int64_t c = 1; c < chunks; ++c) Op::merge(partial[o * chunks], partial[o * chunks + c]);
      store_(&partial[o * chunks], 1, out_, o);
    }
  }

  void columns() {
    Axes reduced = reduced_;
    reduced.push(reduced_tail_);
    const Run<C> inner(source_, kept_tail_);
    const int64_t length = inner.size(), outer = kept_.numel();
    const int64_t width = std::min(length, kColumns), tiles = (length + width - 1) / width;

    // Short rows that follow each other are taken together, `groups` at a time, as one wide row.
    int64_t groups = 1;
    Axes together = reduced_tail_;
    together.push(kept_tail_);
    if (!Op::kOrdered && !reduced_last_ && !reduced_.count && length <= kColumns / 8) groups = kColumns / length;
    const Run<C> wide(source_, together);

    int64_t per_chunk = range_;
    if (outer * tiles < kEnoughTasks)
      per_chunk = std::min(range_, std::max(kRows * groups, kChunk / width / kRows * kRows));
    const int64_t chunks = (range_ + per_chunk - 1) / per_chunk;
    Scratch<Total> partial(chunks > 1 ? outputs_ * chunks : 0, name_);

    const int64_t grain = std::max<int64_t>(1, kChunk / (per_chunk * width));
    parallel_for(outer * tiles * chunks, grain, [&](int64_t begin, int64_t end) {
      alignas(64) C tile[kRows * kColumns];
      Total totals[kColumns];
      const C* rows[kRows];
      for (int64_t t = begin; t < end; ++t) {
        const int64_t chunk = t % chunks, o = t / chunks / tiles, column = t / chunks % tiles * width;
        const int64_t n = std::min(width, length - column), offset = Walk(kept_, o).offset;
        const int64_t last = std::min(range_, (chunk + 1) * per_chunk);
        int64_t at = chunk * per_chunk;
        std::fill_n(totals, n * groups, Op::start());
        if (groups > 1) {
          while (last - at >= groups) {
            int64_t count = 0;
            for (; count < kRows && last - at >= groups; at += groups, ++count)
              rows[count] = wide.read(offset, at * n, groups * n, tile + count * kColumns);
            Op::rows(rows, count, groups * n, at, totals);
          }
          for (int64_t g = 1; g < groups; ++g)
            for (int64_t j = 0; j < n; ++j) Op::merge(totals[j], totals[g * n + j]);
        }
        Walk walk(reduced, at);
        while (at < last) {
          const int64_t count = std::min(kRows, last - at);
          for (int64_t i = 0; i < count; ++i, walk.next())
            rows[i] = inner.read(offset + walk.offset, column, n, tile + i * kColumns);
          Op::rows(rows, count, n, at, totals);
          at += count;
        }
        if (chunks == 1)
          store_(totals, n, out_, o * length + column);
        else
          std::copy_n(totals, n, &partial[(o * chunks + chunk) * length + column]);
      }
    });
    if (chunks == 1) return;
    parallel_for(outer * tiles, 1, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        const int64_t o = t / tiles, column = t % tiles * width, n = std::min(width, length - column);
        Total* totals = &partial[o * chunks * length + column];
        for (int64_t c = 1; c < chunks; ++c)
          for (int64_t j = 0; j < n; ++j) Op::merge(totals[j], totals[c * length + j]);
        store_(totals, n, out_, o * length + column);
      }
    });
  }

  const Source<C> source_;
  void* out_;
  Store store_;
  const char* name_;
  Axes kept_, reduced_;            // without the last run of neighbours of each kind,
  Axes kept_tail_, reduced_tail_;  // which is here
  bool reduced_last_ = false;      // the last dimension (of more than one element) is reduced
  int64_t outputs_, range_;
};

}  // namespace addax::cpu::ADDAX_ISA
