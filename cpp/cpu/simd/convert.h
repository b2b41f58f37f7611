// Runs of elements between storage and compute types, and their erased form: kernels over a compute type reach every
// dtype through two function pointers.
#pragma once

#include <cstdint>
#include <type_traits>

#include "core/dispatch.h"
#include "core/scratch.h"
#include "core/stream.h"
#include "cpu/simd/half.h"

namespace addax::cpu::ADDAX_ISA {

template <class T>
inline constexpr bool kHalf = std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>;

template <class To, class From>
inline To convert(From v) {
  if constexpr (std::is_same_v<To, From>)
    return v;
  else if constexpr (kHalf<From>)
    return static_cast<To>(static_cast<float>(v));
  else if constexpr (kHalf<To>)
    return To(static_cast<float>(v));
  else
    return static_cast<To>(v);
}

/// to[i] = from[i * stride], i < n.
template <class To, class From>
inline void load_run(const From* from, int64_t stride, int64_t n, To* __restrict to) {
  if (stride != 1) {
    for (int64_t i = 0; i < n; ++i) to[i] = convert<To>(from[i * stride]);
    return;
  }
  if constexpr (kHalf<From> && std::is_same_v<To, float>)
    to_float(from, to, n);
  else
    for (int64_t i = 0; i < n; ++i) to[i] = convert<To>(from[i]);
}

/// to[i] = from[i], i < n.
template <class To, class From>
inline void store_run(const From* __restrict from, int64_t n, To* to) {
  if constexpr (kHalf<To> && std::is_same_v<From, float>)
    from_float(from, to, n);
  else
    for (int64_t i = 0; i < n; ++i) to[i] = convert<To>(from[i]);
}

/// An array of any dtype as a source of C's.
template <class C>
struct Source {
  /// Gives n elements, as a rule in `to`.
  using Load = const C* (*)(const void* x, int64_t offset, int64_t stride, int64_t n, C* to);

  const void* data;
  Load load;
  bool direct;  // the elements are C's: a run of stride 1 may be read where it lies

  /// Elements offset, offset + stride, ...: where they lie or, if they must be gathered or converted, in `tile`.
  const C* read(int64_t offset, int64_t stride, int64_t n, C* tile) const {
    if (direct && (stride == 1 || n == 1)) return static_cast<const C*>(data) + offset;
    return load(data, offset, stride, n, tile);
  }
};

template <class T, class C>
Source<C> source(const void* data) {
  // Integers of one size are the same bits modulo 2^n, so that signed ones stand for both.
  constexpr bool kDirect = std::is_same_v<T, C> || (std::is_integral_v<T> && std::is_integral_v<C> &&
                                                    sizeof(T) == sizeof(C) && !std::is_same_v<T, bool>);
  return {data,
          [](const void* x, int64_t offset, int64_t stride, int64_t n, C* to) -> const C* {
            load_run(static_cast<const T*>(x) + offset, stride, n, to);
            return to;
          },
          kDirect};
}

/// A contiguous array of any dtype as a place for C's.
template <class C>
struct Target {
  using Store = void (*)(const C* from, int64_t n, void* to, int64_t offset);

  void* data;
  Store store;
  bool direct;

  /// Where to write the elements at `offset`: in place, or in `tile` until `commit` converts them.
  C* open(int64_t offset, C* tile) const { return direct ? static_cast<C*>(data) + offset : tile; }
  void commit(int64_t offset, int64_t n, const C* tile) const {
    if (!direct) store(tile, n, data, offset);
  }
};

template <class T, class C>
Target<C> target(void* data) {
  return {data,
          [](const C* from, int64_t n, void* to, int64_t offset) { store_run(from, n, static_cast<T*>(to) + offset); },
          std::is_same_v<T, C>};
}

/// Calls f(C()) with the type that arithmetic over a floating dtype is done in: float or double.
template <class F>
void with_compute(Dtype dtype, F&& f) {
  if (dtype == Dtype::Float64)
    f(double());
  else
    f(float());
}

/// Floating arrays, their dtypes found at run time: double for double, the others for float.
template <class C>
Source<C> float_source(const View& v) {
  if constexpr (std::is_same_v<C, double>) return source<double, C>(v.data);
  if (v.dtype == Dtype::Float16) return source<Float16, C>(v.data);
  if (v.dtype == Dtype::BFloat16) return source<BFloat16, C>(v.data);
  return source<C, C>(v.data);
}

template <class C>
Target<C> float_target(const View& v) {
  if constexpr (std::is_same_v<C, double>) return target<double, C>(v.data);
  if (v.dtype == Dtype::Float16) return target<Float16, C>(v.data);
  if (v.dtype == Dtype::BFloat16) return target<BFloat16, C>(v.data);
  return target<C, C>(v.data);
}

/// The same for an output that is written once, up to `run` elements at a time: past the caches where it is large and a
/// run small.
template <class C>
Target<C> output_target(const View& v, int64_t run) {
  constexpr int64_t kBytes = sizeof(C);
  Target<C> to = float_target<C>(v);
  if (to.direct && streams(v.numel() * kBytes) && run * kBytes <= 128 * 1024) {
    to.direct = false;
    to.store = [](const C* from, int64_t n, void* y, int64_t offset) {
      stream(static_cast<C*>(y) + offset, from, n * kBytes);
    };
  }
  return to;
}

/// A whole array in the compute type.
template <class C>
class Values {
 public:
  Values(const View& v, const char* name) : Values(float_source<C>(v), v.numel(), name) {}
  const C& operator[](int64_t i) const { return data_[i]; }
  const C* get() const { return data_; }

 private:
  Values(const Source<C>& source, int64_t n, const char* name)
      : buffer_(source.direct ? 0 : n, name), data_(source.read(0, 1, n, buffer_.get())) {}

  Scratch<C> buffer_;
  const C* data_;
};

}  // namespace addax::cpu::ADDAX_ISA
