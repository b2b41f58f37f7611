// Dims: a small fixed-capacity vector of int64 for shapes, strides and axes; no heap.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <string>

#include "addax/api.h"
#include "addax/error.h"

namespace addax {

inline constexpr int kMaxRank = 8;

class Dims {
 public:
  Dims() = default;
  Dims(std::initializer_list<int64_t> values) : Dims(values.begin(), values.end()) {}
  template <class It>
  Dims(It first, It last) {
    for (; first != last; ++first) push_back(static_cast<int64_t>(*first));
  }
  static Dims filled(int rank, int64_t value) {
    Dims d;
    for (int i = 0; i < rank; ++i) d.push_back(value);
    return d;
  }

  int rank() const { return rank_; }
  bool empty() const { return rank_ == 0; }
  size_t size() const { return static_cast<size_t>(rank_); }
  int64_t& operator[](int i) { return values_[i]; }
  int64_t operator[](int i) const { return values_[i]; }
  int64_t back() const { return values_[rank_ - 1]; }
  int64_t& back() { return values_[rank_ - 1]; }
  const int64_t* data() const { return values_; }
  const int64_t* begin() const { return values_; }
  const int64_t* end() const { return values_ + rank_; }
  int64_t* begin() { return values_; }
  int64_t* end() { return values_ + rank_; }

  void push_back(int64_t value) {
    if (rank_ == kMaxRank) fail<ShapeError>("rank exceeds the limit of ", kMaxRank, " dimensions");
    values_[rank_++] = value;
  }
  void insert(int at, int64_t value) {
    push_back(0);
    for (int i = rank_ - 1; i > at; --i) values_[i] = values_[i - 1];
    values_[at] = value;
  }
  void erase(int at) {
    for (int i = at; i + 1 < rank_; ++i) values_[i] = values_[i + 1];
    --rank_;
  }
  void pop_back() { --rank_; }

  friend bool operator==(const Dims& a, const Dims& b) {
    return a.rank_ == b.rank_ && std::equal(a.begin(), a.end(), b.begin());
  }
  friend bool operator!=(const Dims& a, const Dims& b) { return !(a == b); }

 private:
  int rank_ = 0;
  int64_t values_[kMaxRank];
};

using Shape = Dims;
using Strides = Dims;

/// Product of the dimensions; throws ShapeError where it overflows int64.
ADDAX_API int64_t numel(const Shape& shape);
/// Row-major strides, in elements.
ADDAX_API Strides contiguous_strides(const Shape& shape);
/// NumPy broadcasting of two shapes; throws ShapeError naming `op`.
ADDAX_API Shape broadcast(const Shape& a, const Shape& b, const char* op);
/// Axis in [0, rank); accepts negative; throws IndexError naming `op`.
ADDAX_API int normalize_axis(int64_t axis, int rank, const char* op);
/// Sorted unique non-negative axes; an empty list means all axes.
ADDAX_API Dims normalize_axes(const Dims& axes, int rank, const char* op);
/// "(2, 3)", "(4,)", "()".
ADDAX_API std::ostream& operator<<(std::ostream& out, const Dims& dims);

}  // namespace addax
