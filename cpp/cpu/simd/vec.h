// The native vector of a column, and folds over contiguous runs whose order of operations is the same in every column.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>

#include "cpu/kernels.h"

namespace addax::cpu::ADDAX_ISA {

#if defined(__AVX512F__)
inline constexpr int kVecBytes = 64;
#elif defined(__AVX__)
inline constexpr int kVecBytes = 32;
#else
inline constexpr int kVecBytes = 16;
#endif

template <class T>
struct VecOf {
  typedef T type __attribute__((vector_size(kVecBytes)));
};
template <class T>
using Vec = typename VecOf<T>::type;

template <class T>
inline Vec<T> vec_load(const T* p) {
  Vec<T> v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}

// Binary operations that hold for a scalar and for a vector of it, with their neutral elements. kRounds: a float fold
// gains from a wider total.
struct Add {
  static constexpr bool kRounds = true;
  template <class V>
  static V apply(const V& a, const V& b) {
    return a + b;
  }
  template <class T>
  static T neutral() {
    return T(0);
  }
};

struct Multiply {
  static constexpr bool kRounds = true;
  template <class V>
  static V apply(const V& a, const V& b) {
    return a * b;
  }
  template <class T>
  static T neutral() {
    return T(1);
  }
};

// The larger; NaN wins.
struct Larger {
  static constexpr bool kRounds = false;
  template <class V>
  static V apply(const V& a, const V& b) {
    return (b > a) | (b != b) ? b : a;
  }
  template <class T>
  static T neutral() {
    using Limits = std::numeric_limits<T>;
    return Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
  }
};

// The smaller; NaN wins.
struct Smaller {
  static constexpr bool kRounds = false;
  template <class V>
  static V apply(const V& a, const V& b) {
    return (b < a) | (b != b) ? b : a;
  }
  template <class T>
  static T neutral() {
    using Limits = std::numeric_limits<T>;
    return Limits::has_infinity ? Limits::infinity() : Limits::max();
  }
};

// Of integers 0 and 1.
struct Either {
  static constexpr bool kRounds = false;
  template <class V>
  static V apply(const V& a, const V& b) {
    return a | b;
  }
  template <class T>
  static T neutral() {
    return T(0);
  }
};

struct Both {
  static constexpr bool kRounds = false;
  template <class V>
  static V apply(const V& a, const V& b) {
    return a & b;
  }
  template <class T>
  static T neutral() {
    return T(1);
  }
};

/// Lanes of a fold: 64 floats, 32 doubles, whatever the native vector.
template <class T>
inline constexpr int kFoldLanes = 256 / static_cast<int>(sizeof(T));

template <class F, int kCount, class T>
inline T fold_tree(T* lanes) {
  if constexpr (kCount == 1) {
    return lanes[0];
  } else {
    for (int i = 0; i < kCount / 2; ++i) lanes[i] = F::apply(lanes[i], lanes[i + kCount / 2]);
    return fold_tree<F, kCount / 2>(lanes);
  }
}

template <class T>
struct VecAt {
  int64_t i;
  Vec<T> operator()(const T* p) const { return vec_load(p + i); }
};

template <class T>
struct ScalarAt {
  int64_t i;
  T operator()(const T* p) const { return p[i]; }
};

/// Folds n terms: lane l takes terms l, l + lanes, ...; then the lanes combine as a binary tree. A term is written once
/// for a scalar and for a vector: `[&](auto at) { return at(a) * at(b); }` is a[i] * b[i].
template <class F, class T, class Term>
inline T fold_terms(int64_t begin, int64_t end, const Term& term) {
  constexpr int kLanes = kFoldLanes<T>, kWidth = kVecBytes / static_cast<int>(sizeof(T)), kVecs = kLanes / kWidth;
  alignas(64) T lanes[kLanes];
  int64_t i = begin;
  if (end - i >= kLanes) {
    Vec<T> acc[kVecs];
    for (int v = 0; v < kVecs; ++v) acc[v] = term(VecAt<T>{i + v * kWidth});
    for (i += kLanes; i + kLanes <= end; i += kLanes)
      for (int v = 0; v < kVecs; ++v) acc[v] = F::apply(acc[v], term(VecAt<T>{i + v * kWidth}));
    std::memcpy(lanes, acc, sizeof(lanes));
  } else {
    for (T& lane : lanes) lane = F::template neutral<T>();
  }
  for (int64_t j = 0; i + j < end; ++j) lanes[j] = F::apply(lanes[j], term(ScalarAt<T>{i + j}));
  return fold_tree<F, kLanes>(lanes);
}

/// Folds n contiguous elements.
template <class F, class T>
inline T fold(const T* x, int64_t n) {
  return fold_terms<F, T>(0, n, [&](auto at) { return at(x); });
}

/// Sums n terms, however many: blocks of 4096 combine in double.
template <class T, class Term>
inline double sum_terms(int64_t n, const Term& term) {
  constexpr int64_t kBlock = 4096;
  double total = 0;
  for (int64_t i = 0; i < n; i += kBlock) total += fold_terms<Add, T>(i, i + kBlock < n ? i + kBlock : n, term);
  return total;
}

}  // namespace addax::cpu::ADDAX_ISA
