// A walk over the elements of several strided arrays of one shape: from an element's number to its offsets.
#pragma once

#include "cuda/device.h"
#ifndef __CUDACC_RTC__
#include "cuda/launch.h"
#endif

namespace addax::cuda {

/// Axes, the innermost first; those that continue each other in all arrays are one.
template <int N>
struct Walk {
  int rank = 0;
  int64_t n = 1;
  int64_t size[kMaxRank];
  int64_t step[N][kMaxRank];

  Walk() = default;
#ifndef __CUDACC_RTC__  // made on the host
  Walk(const Shape& shape, const Strides (&strides)[N]) {
    for (int d = shape.rank() - 1; d >= 0; --d) {
      n *= shape[d];
      if (shape[d] == 1) continue;
      bool continues = rank > 0;
      for (int k = 0; k < N && continues; ++k) continues = strides[k][d] == step[k][rank - 1] * size[rank - 1];
      if (continues) {
        size[rank - 1] *= shape[d];
        continue;
      }
      size[rank] = shape[d];
      for (int k = 0; k < N; ++k) step[k][rank] = strides[k][d];
      ++rank;
    }
  }
  /// Whether array k is read in order and without gaps, or has one value.
  bool is_dense(int k) const { return rank == 0 || (rank == 1 && step[k][0] == 1); }
  bool is_single(int k) const {
    for (int d = 0; d < rank; ++d)
      if (step[k][d] != 0) return false;
    return true;
  }
#endif

  /// Offsets of element i, of an array with so many axes, in the arithmetic of a type that holds n.
  template <class I>
  __device__ void at(I i, int axes, int64_t (&offset)[N]) const {
    for (int k = 0; k < N; ++k) offset[k] = 0;
    for (int d = 0; d < axes; ++d) {
      const I next = d + 1 < axes ? i / static_cast<I>(size[d]) : I(0), here = i - next * static_cast<I>(size[d]);
      for (int k = 0; k < N; ++k) offset[k] += static_cast<int64_t>(here) * step[k][d];
      i = next;
    }
  }
  __device__ void at(int64_t i, int64_t (&offset)[N]) const {
    if (n < int64_t{1} << 31)
      at(static_cast<uint32_t>(i), rank, offset);
    else
      at(i, rank, offset);
  }
  __device__ int64_t at(int64_t i) const {
    int64_t offset[N];
    at(i, offset);
    return offset[0];
  }
};

#ifndef __CUDACC_RTC__
/// The strides of an array that is broadcast to a shape.
inline Strides broadcast_strides(const View& x, const Shape& shape) {
  Strides strides = Dims::filled(shape.rank(), 0);
  const int added = shape.rank() - x.rank();
  for (int d = 0; d < x.rank(); ++d)
    if (x.shape[d] != 1) strides[d + added] = x.strides[d];
  return strides;
}

inline int64_t product(const Shape& shape, int first, int last) {
  int64_t n = 1;
  for (int d = first; d < last; ++d) n *= shape[d];
  return n;
}

#endif

}  // namespace addax::cuda
