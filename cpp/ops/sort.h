// sort: attributes, as the shape rules, the gradients and the kernels share them.
#pragma once

#include "ops/attrs.h"

namespace addax {

/// sort and argsort.
struct SortAttrs {
  int64_t axis = -1;
  bool descending = false;
  template <class F>
  void fields(F&& f) {
    f("axis", axis);
    f("descending", descending);
  }
};

struct TopKAttrs {
  int64_t k = 1;
  template <class F>
  void fields(F&& f) {
    f("k", k);
  }
};

}  // namespace addax
