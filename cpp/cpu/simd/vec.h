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

/// Folds n contiguous elements: lane l takes elements l, l + lanes, ...; then the lanes combine as a binary tree.
template <class F, class T>
T fold(const T* x, int64_t n) {
  constexpr int kLanes = kFoldLanes<T>, kWidth = kVecBytes / static_cast<int>(sizeof(T)), kVecs = kLanes / kWidth;
  alignas(64) T lanes[kLanes];
  int64_t i = 0;
  if (n >= kLanes) {
    Vec<T> acc[kVecs];
    for (int v = 0; v < kVecs; ++v) acc[v] = vec_load(x + v * kWidth);
    for (i = kLanes; i + kLanes <= n; i += kLanes)
      for (int v = 0; v < kVecs; ++v) acc[v] = F::apply(acc[v], vec_load(x + i + v * kWidth));
    std::memcpy(lanes, acc, sizeof(lanes));
  } else {
    for (T& lane : lanes) lane = F::template neutral<T>();
  }
  for (int64_t j = 0; i + j < n; ++j) lanes[j] = F::apply(lanes[j], x[i + j]);
  return fold_tree<F, kLanes>(lanes);
}

}  // namespace addax::cpu::ADDAX_ISA
