// Attributes of the pool family, as infer and the kernels read them.
#pragma once

#include "ops/attrs.h"

namespace addax {

/// One entry per spatial dim; low and high count the positions added before and after, less than a window.
struct PoolAttrs {
  Dims window, strides, low, high;

  template <class F>
  void fields(F&& f) {
    f("window", window);
    f("strides", strides);
    f("low", low);
    f("high", high);
  }
};

struct AvgPoolAttrs : PoolAttrs {
  bool count_padding = false;  // divide by the window's size, not by the elements of it that lie inside the input

  template <class F>
  void fields(F&& f) {
    PoolAttrs::fields(f);
    f("count_padding", count_padding);
  }
};

struct AvgPoolGradAttrs : AvgPoolAttrs {
  Dims input_spatial;

  template <class F>
  void fields(F&& f) {
    AvgPoolAttrs::fields(f);
    f("input_spatial", input_spatial);
  }
};

}  // namespace addax
