// random: attributes, as the shape rule and the kernel share them.
#pragma once

#include "ops/attrs.h"

namespace addax {

struct RandomBitsAttrs {
  Dims shape;
  Dtype dtype = Dtype::UInt32;
  template <class F>
  void fields(F&& f) {
    f("shape", shape);
    f("dtype", dtype);
  }
};

struct DropoutAttrs {
  double rate = 0.5;
  template <class F>
  void fields(F&& f) {
    f("rate", rate);
  }
};

}  // namespace addax
