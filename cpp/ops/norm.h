// Attributes of the norm family.
#pragma once

#include "ops/attrs.h"

namespace addax {

struct SoftmaxAttrs {
  int64_t axis = -1;
  template <class F>
  void fields(F&& f) {
    f("axis", axis);
  }
};

/// Of layer_norm and rms_norm: the last axes of x, in any order; empty means all.
struct LayerNormAttrs {
  Dims axes{-1};
  double epsilon = 1e-3;
  template <class F>
  void fields(F&& f) {
    f("axes", axes);
    f("epsilon", epsilon);
  }
};

struct LayerNormGradAttrs {
  Dims axes{-1};
  template <class F>
  void fields(F&& f) {
    f("axes", axes);
  }
};

/// `axis` holds the channels.
struct BatchNormAttrs {
  int64_t axis = -1;
  double epsilon = 1e-3;
  template <class F>
  void fields(F&& f) {
    f("axis", axis);
    f("epsilon", epsilon);
  }
};

}  // namespace addax
