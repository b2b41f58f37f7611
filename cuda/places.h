// Where indices point to: positions, checked, and updates in the order of their places.
#pragma once

#include "cuda/convert.h"
#include "cuda/kernels.h"
#include "cuda/order.h"

namespace addax::cuda {

/// A contiguous copy where the view is none.
class Packed {
 public:
  Packed(const View& v, const char* what)
      : dense_(Layout{v.shape, v.strides, 0}.is_contiguous()),
        copy_(dense_ ? 0 : v.numel() * size_of(v.dtype), what),
        data_(v.data) {
    if (dense_) return;
    cuda::copy_strided(copy_.get(), contiguous_strides(v.shape), v.data, v.strides, v.shape, size_of(v.dtype));
    data_ = copy_.get();
  }
  void* get() const { return data_; }

 private:
  bool dense_;
  Temporary<char> copy_;
  void* data_;
};

/// One position per row of k indices into args.in[0] from an axis on; -1 for those out of range, which are reported.
class Positions {
 public:
  Positions(const KernelArgs& args, const View& indices, int first_axis, int k);
  int64_t size() const { return count_; }
  const int64_t* get() const { return data_.get(); }

 private:
  Packed indices_;
  int64_t count_;
  Temporary<int64_t> data_;
};

/// Update j goes to place `of[j]` of `places`; those of a place are order[starts[place]], ... in their own order.
/// Updates without a place come last.
class ByPlace {
 public:
  ByPlace(const int64_t* places, int64_t updates, int64_t count, const char* what);
  const uint32_t* order() const { return order_.get(); }
  const int64_t* starts() const { return starts_.get(); }

 private:
  Order order_;
  Temporary<int64_t> starts_;
};

/// Where element i of `columns` to a place finds its updates.
struct Updates {
  const uint32_t* order;
  const int64_t* starts;
  int64_t columns, total;

  /// `start`, and behind it the updates of element i in their order.
  template <class A>
  __device__ A sum(A start, const void* updates, Dtype dtype, int64_t i) const {
    const int64_t place = i / columns, column = i % columns, last = starts[place + 1];
    for (int64_t j = starts[place]; j < last; ++j)
      start = start + load<A>(updates, dtype, int64_t(order[j]) * columns + column);
    return start;
  }
};

}  // namespace addax::cuda
