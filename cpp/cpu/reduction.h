// One reduction of one strided tensor: the driver that folds run on. It works in one of two ways: by rows, where what
// is reduced comes last, or by columns, many results side by side, where results come last.
//
// Everything that decides the order of operations is taken from the shape, as if the input were contiguous; strides
// only say where elements lie. So the bits depend neither on the layout nor on the number of threads: blocks of
// kSegment elements or kRows rows are folded in the compute type, blocks combine in `Total`, chunks of kChunk elements
// run in parallel and combine in order.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "cpu/kernels.h"
#include "cpu/packed.h"
#include "cpu/simd/convert.h"

namespace addax::cpu::ADDAX_ISA {

inline constexpr int64_t kSegment = 4096;    // elements of a run folded at once
inline constexpr int64_t kRows = 8;          // rows folded at once
inline constexpr int64_t kColumns = 1024;    // results side by side
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
  __attribute__((noinline)) Walk(const Axes& axes, int64_t position) : axes_(axes) {
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

/// How a tensor is walked by a reduction over some axes: the same for all that is folded.
class ReductionWalk {
 public:
  __attribute__((noinline)) ReductionWalk(const View& x, const Dims& axes, bool ordered) {
    bool reduces[kMaxRank] = {}, reduced_last = false;
    for (int64_t a : axes) reduces[a] = true;
    Axes kept_tail, reduced_tail;
    for (int d = 0; d < x.rank(); ++d) {
      if (x.shape[d] == 1) continue;
      Axes& tail = reduces[d] ? reduced_tail : kept_tail;
      if (reduces[d] != reduced_last) {
        (reduces[d] ? reduced_ : kept_).push(tail);
        tail = {};
      }
      tail.push(Axis{x.shape[d], x.strides[d]});
      reduced_last = reduces[d];
    }
    outputs_ = kept_.numel() * kept_tail.numel();
    range_ = reduced_.numel() * reduced_tail.numel();
    by_columns_ = kept_tail.count && (!reduced_last || (range_ < kRows && kept_tail.numel() >= 64));

    Axes& run = by_columns_ ? kept_tail : reduced_tail;
    length_ = run.numel();
    // Short rows that follow each other are taken together, as one wide row.
    if (by_columns_ && !ordered && !reduced_last && !reduced_.count && length_ <= kColumns / 8) {
      groups_ = kColumns / std::max<int64_t>(length_, 1);
      Axes wide = reduced_tail;
      wide.push(run);
      run = wide;
    }
    readable_ = run.count <= 1;
    if (run.count) stride_ = run.list[run.count - 1].stride;
    readable_ = readable_ && std::abs(stride_) <= 16;
    if (by_columns_) {
      picks_ = reduced_last && reduced_tail.count == 1 && reduced_tail.list[0].stride == 1 &&
               stride_ == reduced_tail.list[0].size;
      reduced_.push(reduced_tail);
      follow_ = length_ <= kColumns && reduced_.count == 1 && reduced_.list[0].stride == length_ * stride_;
    } else {
      kept_.push(kept_tail);
      follow_ = stride_ == 1 && !reduced_.count && kept_.count == 1 && kept_.list[0].stride == length_;
    }
  }

  /// Every run is one strided walk that uses most of what it touches. Otherwise pack the input first.
  bool readable() const { return readable_; }

 protected:
  // The last dimensions of one kind are the run: reduced ones of a row, kept ones of columns. The others are walked.
  Axes kept_, reduced_;
  int64_t length_, stride_ = 1;
  int64_t groups_ = 1;   // rows side by side in one wide row
  bool follow_ = false;  // whole rows lie one behind the other
  bool picks_ = false;   // each column has its elements side by side, and the next column follows
  bool by_columns_, readable_;
  int64_t outputs_, range_;
};

/// The walk of a reduction over x, or over a packed copy of it.
struct ReductionInput {
  ReductionWalk walk;
  std::optional<Packed> packed;

  __attribute__((noinline)) ReductionInput(const View& x, const Dims& axes, bool ordered, const char* name)
      : walk(x, axes, ordered) {
    if (walk.readable()) return;
    packed.emplace(x, name);
    walk = ReductionWalk({nullptr, x.dtype, x.shape, contiguous_strides(x.shape)}, axes, ordered);
  }
};

/// Op: `Compute` and `Total` types; start(), a total of nothing; merge(total, later total); run(x, n, first, total)
/// folds n contiguous elements. Op::Columns keeps up to kColumns totals: start(width); add(x, count, width, first)
/// folds rows; total(j). `first` is the position of the first element (row) along the reduced range; only an op that is
/// kOrdered looks at it.
template <class Op>
class Reduction : ReductionWalk {
 public:
  using C = typename Op::Compute;
  using Total = typename Op::Total;
  using Store = void (*)(const Total* totals, int64_t n, void* out, int64_t at);

  Reduction(const ReductionWalk& walk, const Source<C>& source, void* out, Store store, const char* name)
      : ReductionWalk(walk), source_(source), out_(out), store_(store), name_(name) {}

  void run() {
    if (range_ == 0) {
      const Total start = Op::start();
      for (int64_t i = 0; i < outputs_; ++i) store_(&start, 1, out_, i);
    } else if (by_columns_) {
      columns();
    } else {
      rows();
    }
  }

 private:
  void rows() {
    const int64_t unit = std::min(length_, kSegment), segments = (length_ + unit - 1) / unit;
    const int64_t units = reduced_.numel() * segments;
    int64_t per_chunk = units;
    if (outputs_ < kEnoughTasks) per_chunk = std::min(units, std::max<int64_t>(1, kChunk / unit));
    const int64_t chunks = (units + per_chunk - 1) / per_chunk;
    const Scratch<Total> partial(chunks > 1 ? outputs_ * chunks : 0, name_);

    parallel_for(outputs_ * chunks, std::max<int64_t>(1, kChunk / (per_chunk * unit)), [&](int64_t begin, int64_t end) {
      alignas(64) C tile[kSegment];
      Walk output(kept_, begin / chunks);
      const C* values = nullptr;
      int64_t read = 0;  // short rows are read several at once; so many are there
      for (int64_t t = begin; t < end; ++t) {
        const int64_t first = t % chunks * per_chunk, last = std::min(units, first + per_chunk);
        Total total = Op::start();
        Walk walk(reduced_, first / segments);
        for (int64_t u = first; u < last; ++u) {
          const int64_t at = u % segments * unit, n = std::min(unit, length_ - at);
          if (read == 0) {
            read = follow_ && units == 1 ? std::min(kSegment / n, end - t) : 1;
            values = source_.read(output.offset + walk.offset + at * stride_, stride_, read * n, tile);
          }
          Op::run(values, n, at, total);
          values += n;
          --read;
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
      for (int64_t c = 1; c < chunks; ++c) merge(&partial[o * chunks], &partial[o * chunks + c], 1);
      store_(&partial[o * chunks], 1, out_, o);
    }
  }

  void columns() {
    const int64_t outer = kept_.numel();
    const int64_t width = std::min(length_, kColumns), tiles = (length_ + width - 1) / width;
    int64_t per_chunk = range_;
    if (outer * tiles < kEnoughTasks)
      per_chunk = std::min(range_, std::max(kRows * groups_, kChunk / width / kRows * kRows));
    const int64_t chunks = (range_ + per_chunk - 1) / per_chunk;
    const Scratch<Total> partial(chunks > 1 ? outputs_ * chunks : 0, name_);

    const int64_t grain = std::max<int64_t>(1, kChunk / (per_chunk * width));
    parallel_for(outer * tiles * chunks, grain, [&](int64_t begin, int64_t end) {
      alignas(64) C tile[kRows * kColumns], whole[kRows * kColumns];
      const C* values = nullptr;
      typename Op::Columns columns;
      Total totals[kColumns], rest[kColumns / 8];
      const C* rows[kRows];
      for (int64_t t = begin; t < end; ++t) {
        // Tiles beside each other follow each other, so that memory is read nearly in order.
        const int64_t column = t % tiles * width, chunk = t / tiles % chunks, o = t / tiles / chunks;
        const int64_t n = std::min(width, length_ - column);
        const int64_t offset = Walk(kept_, o).offset + column * stride_;
        const int64_t last = std::min(range_, (chunk + 1) * per_chunk);
        int64_t at = chunk * per_chunk;
        columns.start(n * groups_);
        while (groups_ > 1 && last - at >= groups_) {
          int64_t count = 0;
          for (; count < kRows && last - at >= groups_; at += groups_, ++count)
            rows[count] = source_.read(offset + at * n * stride_, stride_, groups_ * n, tile + count * kColumns);
          columns.add(rows, count, groups_ * n, at);
        }
        if (groups_ > 1) {
          read(columns, groups_ * n, totals);
          for (int64_t j = n; j < groups_ * n; j += n) merge(totals, totals + j, n);
          columns.start(n);
        }
        Walk walk(reduced_, at);
        while (at < last) {
          const int64_t count = std::min(kRows, last - at);
          if (follow_) values = source_.read(offset + at * n * stride_, stride_, count * n, tile);
          for (int64_t i = 0; i < count; ++i, walk.next()) {
            if (follow_) {
              rows[i] = values + i * n;
            } else if (picks_) {
              const int64_t within = (at + i) % stride_;
              if (within == 0) values = source_.read(offset + walk.offset, 1, n * stride_, whole);
              load_run(values + within, stride_, n, tile + i * kColumns);
              rows[i] = tile + i * kColumns;
            } else {
              rows[i] = source_.read(offset + walk.offset, stride_, n, tile + i * kColumns);
            }
          }
          at += count;
          if (source_.direct && stride_ == 1 && at < last) fetch(rows, count, n);
          columns.add(rows, count, n, at - count);
        }
        read(columns, n, groups_ > 1 ? rest : totals);
        if (groups_ > 1) merge(totals, rest, n);
        if (chunks == 1)
          store_(totals, n, out_, o * length_ + column);
        else
          std::copy_n(totals, n, &partial[(o * chunks + chunk) * length_ + column]);
      }
    });
    if (chunks == 1) return;
    parallel_for(outer * tiles, 1, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        const int64_t o = t / tiles, column = t % tiles * width, n = std::min(width, length_ - column);
        Total* totals = &partial[o * chunks * length_ + column];
        for (int64_t c = 1; c < chunks; ++c) merge(totals, totals + c * length_, n);
        store_(totals, n, out_, o * length_ + column);
      }
    });
  }

  /// Fetches as many rows as far behind the given ones, which probably come next.
  static void fetch(const C* const* rows, int64_t count, int64_t n) {
    const int64_t ahead = count > 1 ? count * (rows[1] - rows[0]) : 0;
    for (int64_t i = 0; i < count; ++i)
      for (int64_t j = 0; j < n; j += 64 / static_cast<int64_t>(sizeof(C))) __builtin_prefetch(rows[i] + ahead + j);
  }

  /// Totals of n results, to which later ones are merged.
  __attribute__((noinline)) static void merge(Total* totals, const Total* later, int64_t n) {
    for (int64_t j = 0; j < n; ++j) Op::merge(totals[j], later[j]);
  }
  __attribute__((noinline)) static void read(const typename Op::Columns& columns, int64_t n, Total* totals) {
    for (int64_t j = 0; j < n; ++j) totals[j] = columns.total(j);
  }

  const Source<C> source_;
  void* out_;
  Store store_;
  const char* name_;
};

/// Reduces over `axes` into `out`.
template <class Op>
void reduce(const View& x, const Dims& axes, Source<typename Op::Compute> source, void* out,
            typename Reduction<Op>::Store store, const char* name) {
  const ReductionInput input(x, axes, Op::kOrdered, name);
  if (input.packed) source.data = input.packed->as<void>();
  Reduction<Op>(input.walk, source, out, store, name).run();
}

}  // namespace addax::cpu::ADDAX_ISA
