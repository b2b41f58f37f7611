// index: attributes, as the shape rules, the gradients and the kernels share them.
#pragma once

#include "ops/op.h"

namespace addax {

/// take, take_along_axis, scatter_add_along_axis.
struct AlongAxisAttrs {
  int64_t axis = 0;
  template <class F>
  void fields(F&& f) {
    f("axis", axis);
  }
};

struct OneHotAttrs {
  int64_t depth = 0;
  Dtype dtype = Dtype::Float32;
  template <class F>
  void fields(F&& f) {
    f("depth", depth);
    f("dtype", dtype);
  }
};

/// The gradient of take(x, indices, axis): g added, where the indices tell, to zeros like x (whose value is not read).
Tensor take_adjoint(const Tensor& g, const Tensor& x, const Tensor& indices, int axis);

}  // namespace addax
