// The native vector of a column, and folds over contiguous runs whose order of operations is the same in every column.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "cpu/kernels.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif

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

/// v, loaded by an instruction of its own: a masked load, into which the compiler would fold it, is slow where memory
/// is not yet in the cache.
template <class V>
inline V in_register(V v) {
#if defined(__x86_64__)
  asm("" : "+v"(v));
#elif defined(__aarch64__)
  asm("" : "+w"(v));
#endif
  return v;
}

/// The whole numbers as wide as T.
template <class T>
using LaneIndex = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;

/// True (all bits) in the first n lanes.
template <class T>
inline Vec<LaneIndex<T>> first_lanes(int64_t n) {
  Vec<LaneIndex<T>> lane;
  for (int j = 0; j < kVecBytes / static_cast<int>(sizeof(T)); ++j) lane[j] = j;
  return lane < static_cast<LaneIndex<T>>(n);
}

/// The n elements at p, fewer than a vector, with zeros behind them.
template <class T>
inline Vec<T> load_first(const T* p, int64_t n) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    return reinterpret_cast<Vec<T>>(_mm512_maskz_loadu_epi32(static_cast<__mmask16>((1u << n) - 1), p));
  else
    return reinterpret_cast<Vec<T>>(_mm512_maskz_loadu_epi64(static_cast<__mmask8>((1u << n) - 1), p));
#elif defined(__AVX2__)
  const __m256i mask = reinterpret_cast<__m256i>(first_lanes<T>(n));
  if constexpr (sizeof(T) == 4)
    return reinterpret_cast<Vec<T>>(_mm256_maskload_epi32(reinterpret_cast<const int*>(p), mask));
  else
    return reinterpret_cast<Vec<T>>(_mm256_maskload_epi64(reinterpret_cast<const long long*>(p), mask));
#else
  Vec<T> v{};
  for (int64_t j = 0; j < n; ++j) v[j] = p[j];
  return v;
#endif
}

template <class T>
inline void store_first(T* p, const Vec<T>& v, int64_t n) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    _mm512_mask_storeu_epi32(p, static_cast<__mmask16>((1u << n) - 1), reinterpret_cast<__m512i>(v));
  else
    _mm512_mask_storeu_epi64(p, static_cast<__mmask8>((1u << n) - 1), reinterpret_cast<__m512i>(v));
#elif defined(__AVX2__)
  const __m256i mask = reinterpret_cast<__m256i>(first_lanes<T>(n));
  if constexpr (sizeof(T) == 4)
    _mm256_maskstore_epi32(reinterpret_cast<int*>(p), mask, reinterpret_cast<__m256i>(v));
  else
    _mm256_maskstore_epi64(reinterpret_cast<long long*>(p), mask, reinterpret_cast<__m256i>(v));
#else
  for (int64_t j = 0; j < n; ++j) p[j] = v[j];
#endif
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

// The larger, one instruction where NaN may be passed over.
struct LargerNumber : Larger {
  template <class V>
  static V apply(const V& a, const V& b) {
    return b > a ? b : a;
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

// A place in arrays: `at(p)` are the elements of p there, one vector; `at.store(p, v)` puts them.
template <class T>
struct VecAt {
  int64_t i;
  template <class U>
  Vec<U> operator()(const U* p) const {
    static_assert(sizeof(U) == sizeof(T));
    return vec_load(p + i);
  }
  template <class U>
  void store(U* p, const Vec<U>& v) const {
    std::memcpy(p + i, &v, sizeof(v));
  }
};

// The same for the last elements, fewer than a vector; behind them are zeros.
template <class T>
struct RestAt {
  int64_t i, n;
  template <class U>
  Vec<U> operator()(const U* p) const {
    static_assert(sizeof(U) == sizeof(T));
    return load_first(p + i, n);
  }
  template <class U>
  void store(U* p, const Vec<U>& v) const {
    store_first(p + i, v, n);
  }
};

/// Calls body(at) for n places of arrays of T's: `at.store(y, at(a) + at(b))` is y[i] = a[i] + b[i].
template <class T, class Body>
inline void each_lane(int64_t n, const Body& body) {
  constexpr int64_t kWidth = kVecBytes / static_cast<int64_t>(sizeof(T));
  int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) body(VecAt<T>{i});
  if (i < n) body(RestAt<T>{i, n - i});
}

/// Lanes of a fold: 64 floats, 32 doubles, whatever the native vector.
template <class T>
inline constexpr int kFoldLanes = 256 / static_cast<int>(sizeof(T));

/// The lanes of v, each `kBy` places further to the front, around the end.
template <int kBy, class T, size_t... I>
inline Vec<T> rotate(const Vec<T>& v, std::index_sequence<I...>) {
  return __builtin_shufflevector(v, v, static_cast<int>((I + kBy) % sizeof...(I))...);
}

/// Folds the lanes of a vector as a binary tree: the halves, their halves, ...
template <class F, class T, int kHalf = kVecBytes / static_cast<int>(sizeof(T)) / 2>
inline T fold_lanes(const Vec<T>& v) {
  if constexpr (kHalf == 0)
    return v[0];
  else
    return fold_lanes<F, T, kHalf / 2>(
        F::apply(v, rotate<kHalf, T>(v, std::make_index_sequence<kVecBytes / sizeof(T)>())));
}

/// Folds terms [begin, end): lane l takes terms l, l + lanes, ...; then the lanes combine as a binary tree.
/// `[&](auto at) { return at(a) * at(b); }` is the term a[i] * b[i], many at a time.
template <class F, class T, class Term>
inline T fold_terms(int64_t begin, int64_t end, const Term& term) {
  constexpr int kLanes = kFoldLanes<T>, kWidth = kVecBytes / static_cast<int>(sizeof(T)), kVecs = kLanes / kWidth;
  const Vec<T> neutral = Vec<T>{} + F::template neutral<T>();
  Vec<T> acc[kVecs];
#pragma GCC unroll 16
  for (int v = 0; v < kVecs; ++v) acc[v] = neutral;
  int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes)
#pragma GCC unroll 16
    for (int v = 0; v < kVecs; ++v) acc[v] = F::apply(acc[v], term(VecAt<T>{i + v * kWidth}));
#pragma GCC unroll 16
  for (int v = 0; v < kVecs; ++v, i += kWidth) {
    if (i + kWidth > end) {
      if (i < end) acc[v] = F::apply(acc[v], first_lanes<T>(end - i) ? term(RestAt<T>{i, end - i}) : neutral);
      break;
    }
    acc[v] = F::apply(acc[v], term(VecAt<T>{i}));
  }
#pragma GCC unroll 8
  for (int half = kVecs / 2; half > 0; half /= 2)
#pragma GCC unroll 16
    for (int v = 0; v < half; ++v) acc[v] = F::apply(acc[v], acc[v + half]);
  return fold_lanes<F, T>(acc[0]);
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
