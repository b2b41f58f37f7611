// The elementwise rows by number, and the types that each has. Made from elementwise.def.
#pragma once

#include <map>
#include <string_view>

#include "cuda/convert.h"
#include "cuda/row_values.h"
#include "ops/elementwise.h"

namespace addax::cuda {

using elementwise::Rule;
using elementwise::TypeRule;

#define ADDAX_ROW(name, kinds, dtype_rule)                                \
  struct name##_row : name##_value {                                      \
    static constexpr TypeRule rule{Rule::dtype_rule, elementwise::kinds}; \
  };
#define ADDAX_UNARY(name, kinds, rule, ...) ADDAX_ROW(name, kinds, rule)
#define ADDAX_BINARY(name, kinds, rule, ...) ADDAX_ROW(name, kinds, rule)
#include "addax/ops/elementwise.def"
ADDAX_ROW(clip, Real, Number)
#undef ADDAX_UNARY
#undef ADDAX_BINARY
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

#define ADDAX_UNARY(name, ...) #name,
#define ADDAX_BINARY(name, ...) #name,
inline constexpr const char* kRowNames[] = {
#include "addax/ops/elementwise.def"
    "clip"};
#undef ADDAX_UNARY
#undef ADDAX_BINARY

inline const char* name_of(Row row) { return kRowNames[static_cast<size_t>(row)]; }
inline Row row_of(std::string_view name) {
  static const auto* rows = [] {
    auto* by_name = new std::map<std::string_view, Row>;
    for (const char* n : kRowNames) by_name->emplace(n, static_cast<Row>(by_name->size()));
    return by_name;
  }();
  return rows->at(name);
}

}  // namespace addax::cuda
