// Attributes of the conv family, as infer and the kernels read them.
#pragma once

#include "ops/attrs.h"

namespace addax {

/// One entry per spatial dim; low and high are the zeros before and after.
struct ConvAttrs {
  Dims strides, low, high, dilation;
  int64_t groups = 1;

  template <class F>
  void fields(F&& f) {
    f("strides", strides);
    f("low", low);
    f("high", high);
    f("dilation", dilation);
    f("groups", groups);
  }
};

/// A forward convolution, and the spatial sizes that its gradient cannot read off its inputs.
struct ConvInputGradAttrs : ConvAttrs {
  Dims input_spatial;

  template <class F>
  void fields(F&& f) {
    ConvAttrs::fields(f);
    f("input_spatial", input_spatial);
  }
};

struct ConvFilterGradAttrs : ConvAttrs {
  Dims filter_spatial;

  template <class F>
  void fields(F&& f) {
    ConvAttrs::fields(f);
    f("filter_spatial", filter_spatial);
  }
};

}  // namespace addax
