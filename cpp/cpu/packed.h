// The elements of a view in row-major order: in place where they lie so, else copied.
#pragma once

#include <optional>

#include "core/copy.h"
#include "cpu/kernels.h"

namespace addax::cpu::ADDAX_ISA {

class Packed {
 public:
  Packed(const View& view, const char* what) : data_(view.data) {
    if (Layout{view.shape, view.strides, 0}.is_contiguous()) return;
    const int64_t item = size_of(view.dtype);
    copy_.emplace(view.numel() * item, what);
    data_ = copy_->get();
    copy_strided(data_, contiguous_strides(view.shape), view.data, view.strides, view.shape, item);
  }
  template <class T>
  const T* as() const {
    return static_cast<const T*>(data_);
  }

 private:
  void* data_;
  std::optional<Scratch<char>> copy_;
};

}  // namespace addax::cpu::ADDAX_ISA
