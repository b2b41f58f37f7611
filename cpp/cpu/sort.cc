// CPU kernels of the sort family. A row becomes pairs (key, position) in one unsigned integer: the key, an unsigned
// integer in the order of the values, above 32 bits of position. No two pairs are equal, so any sort of them is stable.
#include "ops/sort.h"

#include <algorithm>

#include "cpu/kernels.h"
#include "cpu/packed.h"
#include "ops/sort_key.h"

namespace addax::cpu::ADDAX_ISA {
namespace {

__extension__ typedef unsigned __int128 Pair128;

constexpr int64_t kRanked = 40, kRadix = 160;  // up to and from which a row is sorted so; in between std::sort

// The `count` smallest of n pairs to the front, in order: a heap of those so far, which few later pairs enter.
template <class P>
void select(P* pairs, int64_t n, int64_t count) {
  std::make_heap(pairs, pairs + count);
  constexpr int64_t kStep = 16;
  for (int64_t i = count; i < n;) {
    const int64_t stop = std::min(n, i + kStep);
    bool any = false;
    for (int64_t j = i; j < stop; ++j) any |= pairs[j] < pairs[0];
    for (; any && i < stop; ++i)
      if (pairs[i] < pairs[0]) {
        std::pop_heap(pairs, pairs + count);
        pairs[count - 1] = pairs[i];
        std::push_heap(pairs, pairs + count);
      }
    i = stop;
  }
  std::sort_heap(pairs, pairs + count);
}

// The first `count` of n pairs in ascending order; returns where they lie. `spare` has room for n.
template <class P>
P* order(P* pairs, P* spare, int64_t n, int64_t count, int key_bytes) {
  if (count == 0) return pairs;
  if (count * 16 <= n) {
    select(pairs, n, count);
    return pairs;
  }
  if (n <= kRanked) {  // place = number of smaller ones: no branches
    for (int64_t i = 0; i < n; ++i) {
      int64_t place = 0;
      for (int64_t j = 0; j < n; ++j) place += pairs[j] < pairs[i];
      spare[place] = pairs[i];
    }
    return spare;
  }
  if (n < kRadix) {
    std::sort(pairs, pairs + n);
    return pairs;
  }
  // Radix sort by bytes of the key, the lowest first. Positions are in order from the start.
  uint32_t counts[8][256] = {};
  for (int64_t i = 0; i < n; ++i)
    for (int b = 0; b < key_bytes; ++b) ++counts[b][static_cast<uint8_t>(pairs[i] >> (32 + 8 * b))];
  for (int b = 0; b < key_bytes; ++b) {
    const int shift = 32 + 8 * b;
    if (counts[b][static_cast<uint8_t>(pairs[0] >> shift)] == n) continue;  // all alike
    uint32_t next = 0;
    for (uint32_t& c : counts[b]) next += std::exchange(c, next);
    for (int64_t i = 0; i < n; ++i) spare[counts[b][static_cast<uint8_t>(pairs[i] >> shift)]++] = pairs[i];
    std::swap(pairs, spare);
  }
  return pairs;
}

// Sorts one row by key_of(i) and hands the sorted positions to emit.
template <class P, class Key, class Emit>
void order_row(Key&& key_of, int64_t n, int64_t count, int key_bytes, const char* what, Emit&& emit) {
  const Scratch<P> pairs(n, what), spare(n, what);
  for (int64_t i = 0; i < n; ++i) pairs[i] = static_cast<P>(key_of(i)) << 32 | static_cast<P>(i);
  const P* sorted = order(pairs.get(), spare.get(), n, count, key_bytes);
  emit([sorted](int64_t i) { return static_cast<uint32_t>(sorted[i]); });
}

// Sorts each of the rows of n values and hands the first `count` positions to emit(row, position of i).
template <class T, class Emit>
void order_rows(const T* rows, int64_t num_rows, int64_t n, int64_t count, bool descending, const char* what,
                Emit&& emit) {
  using Key = SortKey<T>;
  const Key invert = descending ? static_cast<Key>(~Key(0)) : Key(0);
  parallel_for(num_rows, std::max<int64_t>(1, 4096 / n), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const T* row = rows + r * n;
      auto key = [=](int64_t i) { return static_cast<Key>(sort_key(row[i]) ^ invert); };
      auto emit_row = [&](auto position) { emit(r, position); };
      if constexpr (sizeof(T) < 8) {
        order_row<uint64_t>(key, n, count, sizeof(T), what, emit_row);
      } else {
        Key low = ~Key(0), high = 0;
        for (int64_t i = 0; i < n; ++i) {
          low = std::min(low, key(i));
          high = std::max(high, key(i));
        }
        if (high - low <= 0xffffffffu)  // as labels and ids are
          order_row<uint64_t>([=](int64_t i) { return key(i) - low; }, n, count, 4, what, emit_row);
        else
          order_row<Pair128>(key, n, count, 8, what, emit_row);
      }
    }
  });
}

// The same array with `axis` last.
View axis_last(const View& view, int axis) {
  View out = view;
  out.shape.erase(axis);
  out.strides.erase(axis);
  out.shape.push_back(view.shape[axis]);
  out.strides.push_back(view.strides[axis]);
  return out;
}

// Rows of a result, written in place where the axis is the last one, else copied to their places at the end.
class Rows {
 public:
  Rows(const View& out, int axis, const char* what) : view_(axis_last(out, axis)), data_(out.data) {
    if (Layout{view_.shape, view_.strides, 0}.is_contiguous()) return;
    copy_.emplace(view_.numel() * size_of(view_.dtype), what);
    data_ = copy_->get();
  }
  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }
  void finish() const {
    if (copy_)
      copy_strided(view_.data, view_.strides, data_, contiguous_strides(view_.shape), view_.shape,
                   size_of(view_.dtype));
  }

 private:
  View view_;
  void* data_;
  std::optional<Scratch<char>> copy_;
};

void sort_kernel(const KernelArgs& args) {
  const SortAttrs& attrs = args.attrs.as<SortAttrs>();
  const View &x = args.in[0], &out = args.out[0];
  const int axis = normalize_axis(attrs.axis, x.rank(), "sort");
  const int64_t n = x.shape[axis];
  const Packed values(axis_last(x, axis), "sort");
  const Rows sorted(out, axis, "sort");
  with_any(x.dtype, [&](auto tag) {
    using T = decltype(tag);
    const T* from = values.as<T>();
    T* to = sorted.as<T>();
    order_rows(from, x.numel() / n, n, n, attrs.descending, "sort", [&](int64_t row, auto position) {
      for (int64_t i = 0; i < n; ++i) to[row * n + i] = from[row * n + position(i)];
    });
  });
  sorted.finish();
}

void argsort_kernel(const KernelArgs& args) {
  const SortAttrs& attrs = args.attrs.as<SortAttrs>();
  const View &x = args.in[0], &out = args.out[0];
  const int axis = normalize_axis(attrs.axis, x.rank(), "argsort");
  const int64_t n = x.shape[axis];
  const Packed values(axis_last(x, axis), "argsort");
  const Rows sorted(out, axis, "argsort");
  with_any(x.dtype, [&](auto tag) {
    using T = decltype(tag);
    int32_t* to = sorted.as<int32_t>();
    order_rows(values.as<T>(), x.numel() / n, n, n, attrs.descending, "argsort", [&](int64_t row, auto position) {
      for (int64_t i = 0; i < n; ++i) to[row * n + i] = static_cast<int32_t>(position(i));
    });
  });
  sorted.finish();
}

void top_k_kernel(const KernelArgs& args) {
  const View& x = args.in[0];
  const int64_t k = args.attrs.as<TopKAttrs>().k, n = x.shape.back();
  const Packed values(x, "top_k");
  int32_t* positions = args.out[1].as<int32_t>();
  with_any(x.dtype, [&](auto tag) {
    using T = decltype(tag);
    const T* from = values.as<T>();
    T* to = args.out[0].as<T>();
    order_rows(from, x.numel() / n, n, k, true, "top_k", [&](int64_t row, auto position) {
      for (int64_t i = 0; i < k; ++i) {
        positions[row * k + i] = static_cast<int32_t>(position(i));
        to[row * k + i] = from[row * n + position(i)];
      }
    });
  });
}

}  // namespace

void register_sort(KernelSink& sink) {
  sink.set("sort", sort_kernel);
  sink.set("argsort", argsort_kernel);
  sink.set("top_k", top_k_kernel);
}

}  // namespace addax::cpu::ADDAX_ISA
