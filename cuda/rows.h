// The elementwise rows in device code: a number for each, and what it computes in a type. Made from elementwise.def.
#pragma once

#include <map>
#include <string_view>

#include "cuda/convert.h"
#include "ops/elementwise.h"

namespace addax::cuda {

using elementwise::Rule;
using elementwise::TypeRule;

inline constexpr int kMaxIn = 3;

#define ADDAX_ROW(kinds, dtype_rule, count)                             \
  static constexpr TypeRule rule{Rule::dtype_rule, elementwise::kinds}; \
  static constexpr int inputs = count;
#define ADDAX_UNARY(name, kinds, rule, keeps, expression, gradient) \
  struct name##_row {                                               \
    ADDAX_ROW(kinds, rule, 1)                                       \
    template <class T>                                              \
    ADDAX_HD auto value(T x, T, T) {                                \
      using namespace scalar;                                       \
      return expression;                                            \
    }                                                               \
  };
#define ADDAX_BINARY(name, kinds, rule, keeps, expression, gradient_a, gradient_b) \
  struct name##_row {                                                              \
    ADDAX_ROW(kinds, rule, 2)                                                      \
    template <class T>                                                             \
    ADDAX_HD auto value(T a, T b, T) {                                             \
      using namespace scalar;                                                      \
      return expression;                                                           \
    }                                                                              \
  };
#include "addax/ops/elementwise.def"
#undef ADDAX_UNARY
#undef ADDAX_BINARY

struct clip_row {
  ADDAX_ROW(Real, Number, 3)
  template <class T>
  ADDAX_HD auto value(T x, T low, T high) {
    return scalar::clip(x, low, high);
  }
};
#undef ADDAX_ROW

#define ADDAX_UNARY(name, ...) name,
#define ADDAX_BINARY(name, ...) name,
enum class Row : uint8_t {
#include "addax/ops/elementwise.def"
  clip
};
#undef ADDAX_UNARY
#undef ADDAX_BINARY

template <class C>
constexpr uint8_t kind_bit() {
  return std::is_same_v<C, bool> ? elementwise::kBool : std::is_integral_v<C> ? elementwise::kInt : elementwise::kFloat;
}

// V results of a row; those of tests go to `truth`. A row without this type computes nothing.
template <class R, class C, int V>
__device__ inline void apply_one(const C (&in)[kMaxIn][V], C (&out)[V], bool (&truth)[V]) {
  if constexpr ((R::rule.kinds & kind_bit<C>()) != 0 && (std::is_same_v<C, bool> || R::rule.rule != Rule::Logical)) {
#pragma unroll
    for (int j = 0; j < V; ++j) {
      if constexpr (R::rule.gives_bool())
        truth[j] = R::template value<C>(in[0][j], in[1][j], in[2][j]);
      else
        out[j] = R::template value<C>(in[0][j], in[1][j], in[2][j]);
    }
  }
}

template <class C, int V>
__device__ inline void apply_row(Row row, const C (&in)[kMaxIn][V], C (&out)[V], bool (&truth)[V]) {
  switch (row) {
#define ADDAX_CASE(name)                         \
  case Row::name:                                \
    apply_one<name##_row, C, V>(in, out, truth); \
    break;
#define ADDAX_UNARY(name, ...) ADDAX_CASE(name)
#define ADDAX_BINARY(name, ...) ADDAX_CASE(name)
#include "addax/ops/elementwise.def"
    ADDAX_CASE(clip)
#undef ADDAX_UNARY
#undef ADDAX_BINARY
#undef ADDAX_CASE
  }
}

inline Row row_of(std::string_view name) {
  static const auto* rows = new std::map<std::string_view, Row>{
#define ADDAX_UNARY(name, ...) {#name, Row::name},
#define ADDAX_BINARY(name, ...) {#name, Row::name},
#include "addax/ops/elementwise.def"
#undef ADDAX_UNARY
#undef ADDAX_BINARY
      {"clip", Row::clip},
  };
  return rows->at(name);
}

}  // namespace addax::cuda
