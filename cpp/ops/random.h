// random: attributes, as the shape rule and the kernel share them.
#pragma once

#include <cmath>

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

/// Dropout keeps an element whose random word w has w >> 9 below this: just where its 23 bits as a float below 1 are
/// less than float(1 - rate).
inline int32_t kept_below(double rate) {
  return static_cast<int32_t>(std::ceil(static_cast<double>(static_cast<float>(1 - rate)) * 0x1p23));
}

}  // namespace addax
