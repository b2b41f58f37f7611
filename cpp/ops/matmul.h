// Attributes of the matmul family, as infer and the kernels read them.
#pragma once

#include "ops/attrs.h"

namespace addax {

struct MatmulAttrs {
  bool transpose_a = false, transpose_b = false;  // swap the last two dims first

  template <class F>
  void fields(F&& f) {
    f("transpose_a", transpose_a);
    f("transpose_b", transpose_b);
  }
};

}  // namespace addax
