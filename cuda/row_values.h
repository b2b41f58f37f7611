// The elementwise rows in device code: what each computes in a type. Made from elementwise.def.
#pragma once

#include "cuda/values.h"

namespace addax::cuda {

inline constexpr int kMaxIn = 3;

#define ADDAX_UNARY(name, kinds, rule, keeps, expression, gradient) \
  struct name##_value {                                             \
    template <class T>                                              \
    ADDAX_HD auto value(T x, T, T) {                                \
      using namespace scalar;                                       \
      return expression;                                            \
    }                                                               \
  };
#define ADDAX_BINARY(name, kinds, rule, keeps, expression, gradient_a, gradient_b) \
  struct name##_value {                                                            \
    template <class T>                                                             \
    ADDAX_HD auto value(T a, T b, T) {                                             \
      using namespace scalar;                                                      \
      return expression;                                                           \
    }                                                                              \
  };
#include "addax/ops/elementwise.def"
#undef ADDAX_UNARY
#undef ADDAX_BINARY

struct clip_value {
  template <class T>
  ADDAX_HD auto value(T x, T low, T high) {
    return scalar::clip(x, low, high);
  }
};

}  // namespace addax::cuda
