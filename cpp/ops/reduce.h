// Attributes of the reduce family.
#pragma once

#include "ops/attrs.h"

namespace addax {

/// Empty axes mean all.
struct ReduceAttrs {
  Dims axes;
  bool keepdims = false;
  template <class F>
  void fields(F&& f) {
    f("axes", axes);
    f("keepdims", keepdims);
  }
};

struct ArgReduceAttrs {
  int64_t axis = -1;
  bool keepdims = false;
  template <class F>
  void fields(F&& f) {
    f("axis", axis);
    f("keepdims", keepdims);
  }
};

struct ScanAttrs {
  int64_t axis = -1;
  bool reverse = false;
  template <class F>
  void fields(F&& f) {
    f("axis", axis);
    f("reverse", reverse);
  }
};

}  // namespace addax
