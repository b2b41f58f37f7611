// Indices as positions: checked, widened to int64, several axes made one.
#pragma once

#include <atomic>
#include <limits>

#include "cpu/packed.h"

namespace addax::cpu::ADDAX_ISA {

inline constexpr int64_t kGrain = 64 * 1024;  // bytes of one piece of work

inline int64_t product(const Shape& shape, int first, int last) {
  int64_t n = 1;
  for (int i = first; i < last; ++i) n *= shape[i];
  return n;
}

// Reads n indices into an axis of `size`, `step` apart, as positions; with `more`, as the next digit of what `to`
// holds. False if one is out of range.
using Reader = bool (*)(const void* indices, int64_t step, int64_t n, int64_t size, bool more, int64_t* to);

template <class T>
bool read_indices(const void* indices, int64_t step, int64_t n, int64_t size, bool more, int64_t* __restrict to) {
  const T* __restrict from = static_cast<const T*>(indices);
  int64_t outside = 0;  // negative once an index is out of range
  auto position = [&](int64_t i) {
    int64_t index;
    if constexpr (std::is_same_v<T, uint64_t>)
      index = static_cast<int64_t>(std::min<uint64_t>(from[i], std::numeric_limits<int64_t>::max()));
    else
      index = static_cast<int64_t>(from[i]);
    const int64_t place = index + (index < 0 ? size : 0);
    outside |= place | (size - 1 - place);
    return place;
  };
  if (more)
    for (int64_t i = 0; i < n; ++i) to[i] = to[i] * size + position(i * step);
  else if (step == 1)
    for (int64_t i = 0; i < n; ++i) to[i] = position(i);
  else
    for (int64_t i = 0; i < n; ++i) to[i] = position(i * step);
  return outside >= 0;
}

inline Reader reader_of(Dtype dtype) {
  return with_any(dtype, [](auto tag) -> Reader {
    using T = decltype(tag);
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>)
      return read_indices<T>;
    else
      return nullptr;  // refused by infer
  });
}

// Rows of k indices, which address axes `first_axis`, ... of x. A row is one row-major position among them.
class Indices {
 public:
  Indices(const char* name, const View& x, const View& indices, int first_axis, int k)
      : name_(name),
        dtype_(indices.dtype),
        packed_(indices, name),
        reader_(reader_of(dtype_)),
        first_axis_(first_axis),
        sizes_(x.shape.begin() + first_axis, x.shape.begin() + first_axis + k),
        count_(indices.numel() / k) {}

  int64_t size() const { return count_; }
  /// Positions [begin, begin + n); false if an index is out of range.
  bool read(int64_t begin, int64_t n, int64_t* to) const {
    const int k = sizes_.rank();
    bool inside = true;
    for (int d = 0; d < k; ++d)
      inside &= reader_(packed_.as<char>() + (begin * k + d) * size_of(dtype_), k, n, sizes_[d], d > 0, to);
    return inside;
  }
  /// Reads all on the pool and throws IndexError for the first index out of range; keeps the positions in `to` unless
  /// null.
  void read_all(int64_t* to) const {
    std::atomic<bool> bad{false};
    parallel_for(count_, kGrain / 8, [&](int64_t begin, int64_t end) {
      int64_t buffer[kChunk];
      for (int64_t i = begin; i < end; i += kChunk)
        if (!read(i, std::min(kChunk, end - i), to ? to + i : buffer)) bad = true;
    });
    if (bad) report();
  }
  [[noreturn]] void report() const {
    for (int64_t i = 0;; ++i)
      for (int d = 0; d < sizes_.rank(); ++d) {
        const void* at = packed_.as<char>() + (i * sizes_.rank() + d) * size_of(dtype_);
        int64_t position;
        if (reader_(at, 1, 1, sizes_[d], false, &position)) continue;
        const int64_t n = sizes_[d], index = position < 0 ? position - n : position;
        if (n == 0) fail<IndexError>(name_, ": index ", index, " into axis ", first_axis_ + d, ", which is empty");
        fail<IndexError>(name_, ": index ", index, " is out of range for axis ", first_axis_ + d, " of size ", n,
                         "; expected ", -n, " to ", n - 1);
      }
  }

  static constexpr int64_t kChunk = 512;

 private:
  const char* name_;
  Dtype dtype_;
  Packed packed_;
  Reader reader_;
  int first_axis_;
  Shape sizes_;
  int64_t count_;
};

// The positions of all rows, checked.
class Positions {
 public:
  explicit Positions(const Indices& indices) : count_(indices.size()), positions_(count_, "indices") {
    indices.read_all(positions_.get());
  }
  int64_t size() const { return count_; }
  const int64_t* data() const { return positions_.get(); }

 private:
  int64_t count_;
  Scratch<int64_t> positions_;
};

}  // namespace addax::cpu::ADDAX_ISA
