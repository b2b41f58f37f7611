// What a kernel is made of whose text cuda/generate.h writes: a thread has kV values at a time of each operand of a
// program, in registers. Each function does what a line of the program says, with the bits of the interpreter.
#pragma once

#include "cuda/row_values.h"
#include "cuda/walk.h"

namespace addax::cuda {

/// How an array lies at the places that a thread has: one value for all; in order, or in order along the innermost axis
/// of a walk, to be read as one vector; or anyhow.
enum class Access : uint8_t { Single, Dense, Line, Strided };

struct GeneratedArray {
  void* data;
  Walk<1> walk;
};
template <int kArrays>
struct GeneratedArgs {
  int64_t count;
  uint64_t zero;  // which the compiler must not know
  GeneratedArray array[kArrays];
};

template <class T, int kV>
struct Values {
  T of[kV];
};

/// Calls body(i, n) for the vectors of this thread: the first of n places, n = kV but at the end.
template <int kV, class Index, class F>
__device__ inline void for_vectors(int64_t count, const F& body) {
  for (int64_t i = thread_index() * kV; i < count; i += thread_count() * kV)
    body(static_cast<Index>(i), count - i < kV ? static_cast<int>(count - i) : kV);
}

/// Of an array with so many axes. Index holds all places.
template <class S, Access how, int kAxes, int kV, class Index>
__device__ inline Values<compute_t<S>, kV> read(const GeneratedArray& from, Index i, int n) {
  using C = compute_t<S>;
  const S* x = static_cast<const S*>(from.data);
  const auto at = [&](Index place) {
    int64_t offset[1];
    from.walk.at(place, kAxes, offset);
    return offset[0];
  };
  Values<C, kV> held = {};
  if constexpr (how == Access::Single) {
    const C value = convert<C>(x[0]);
#pragma unroll
    for (int j = 0; j < kV; ++j) held.of[j] = value;
  } else if (how == Access::Line || (how == Access::Dense && n == kV)) {  // a line holds whole vectors
    const auto block = *reinterpret_cast<const Bytes<kV * sizeof(S)>*>(x + (how == Access::Dense ? i : at(i)));
    S values[kV];
    __builtin_memcpy(values, &block, sizeof block);
#pragma unroll
    for (int j = 0; j < kV; ++j) held.of[j] = convert<C>(values[j]);
  } else {
#pragma unroll
    for (int j = 0; j < kV; ++j)
      if (j < n) held.of[j] = convert<C>(x[how == Access::Dense ? i + j : at(i + j)]);
  }
  return held;
}

template <class S, Access how, int kV, class Index>
__device__ inline void write(const GeneratedArray& to, const Values<compute_t<S>, kV>& held, Index i, int n) {
  S* y = static_cast<S*>(to.data) + i;
  S values[kV];
#pragma unroll
  for (int j = 0; j < kV; ++j) values[j] = convert<S>(held.of[j]);
  if (how == Access::Dense && n == kV) {
    Bytes<kV * sizeof(S)> block;
    __builtin_memcpy(&block, values, sizeof block);
    *reinterpret_cast<Bytes<kV * sizeof(S)>*>(y) = block;
  } else {
#pragma unroll
    for (int j = 0; j < kV; ++j)
      if (j < n) y[j] = values[j];
  }
}

template <class To, class From, int kV>
__device__ inline Values<compute_t<To>, kV> cast(const Values<From, kV>& x) {
  Values<compute_t<To>, kV> result;
#pragma unroll
  for (int j = 0; j < kV; ++j) result.of[j] = convert<compute_t<To>>(convert<To>(x.of[j]));
  return result;
}

template <class T, int kV>
__device__ inline Values<T, kV> choose(const Values<bool, kV>& condition, const Values<T, kV>& a,
                                       const Values<T, kV>& b) {
  Values<T, kV> result;
#pragma unroll
  for (int j = 0; j < kV; ++j) result.of[j] = condition.of[j] ? a.of[j] : b.of[j];
  return result;
}

/// The same value, of which the compiler does not know that two rows read it: it would share what is common to them,
/// and contract multiply and add otherwise than in one row alone.
template <class T>
__device__ inline T unknown(T x) {
#ifdef __CUDACC__
  if constexpr (std::is_same_v<T, float>) asm volatile("" : "+f"(x));
  if constexpr (std::is_same_v<T, double>) asm volatile("" : "+d"(x));
#endif
  return x;
}
/// The same value, rounded: a multiplication that ends a row and an addition that begins the next are not contracted.
/// The assembler would do that too, so it takes an operation on bits that it cannot leave out.
template <class T>
__device__ inline T rounded(T x, uint64_t zero) {
  using Bits = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
  if constexpr (std::is_floating_point_v<T>) {
    Bits bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    bits ^= static_cast<Bits>(zero);
    __builtin_memcpy(&x, &bits, sizeof bits);
  }
  return x;
}

/// R: of cuda/row_values.h. To: the dtype of the result.
template <class R, class To, class C, int kV>
__device__ inline auto row(uint64_t zero, const Values<C, kV>& a, const Values<C, kV>& b, const Values<C, kV>& c) {
  using Result = std::conditional_t<std::is_same_v<To, bool>, bool, C>;
  Values<Result, kV> result;
#pragma unroll
  for (int j = 0; j < kV; ++j) {
    const Result value = R::template value<C>(unknown(a.of[j]), unknown(b.of[j]), unknown(c.of[j]));
    if constexpr (is_half<To>)
      result.of[j] = static_cast<float>(To(value));
    else
      result.of[j] = rounded(value, zero);
  }
  return result;
}
/// The same where the other operands are the first.
template <class R, class To, class C, int kV>
__device__ inline auto row(uint64_t zero, const Values<C, kV>& a, const Values<C, kV>& b) {
  return row<R, To>(zero, a, b, a);
}
template <class R, class To, class C, int kV>
__device__ inline auto row(uint64_t zero, const Values<C, kV>& a) {
  return row<R, To>(zero, a, a, a);
}

}  // namespace addax::cuda

#ifdef ADDAX_EMULATED
#define ADDAX_GENERATED(Args) extern "C" __attribute__((visibility("default"))) void addax_generated(const Args& args)
#else
#define ADDAX_GENERATED(Args) \
  extern "C" __global__ void __launch_bounds__(addax::cuda::kThreads) addax_generated(const __grid_constant__ Args args)
#endif
