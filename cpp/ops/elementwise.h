// The dtype rules of elementwise rows, shared by infer and the kernels. The rows are in addax/ops/elementwise.def.
#pragma once

#include "addax/dtype.h"

namespace addax::elementwise {

enum class Rule : uint8_t { Same, Number, ToFloat, Test, Logical };

/// Which compute types a row has: a set of bits.
enum Kinds : uint8_t { kBool = 1, kInt = 2, kFloat = 4 };
inline constexpr uint8_t Float = kFloat, Real = kFloat | kInt, All = kFloat | kInt | kBool, Bits = kInt | kBool,
                         Int = kInt;

/// What OpDef.rule holds for this family.
struct TypeRule {
  Rule rule;
  uint8_t kinds;

  constexpr int packed() const { return static_cast<int>(rule) | kinds << 8; }
  static TypeRule of(int packed) { return {static_cast<Rule>(packed & 0xff), static_cast<uint8_t>(packed >> 8)}; }

  /// The dtype a row computes in, from the promoted dtype of its inputs.
  Dtype compute(Dtype promoted) const {
    switch (rule) {
      case Rule::Number:
        return promoted == Dtype::Bool ? Dtype::Int32 : promoted;
      case Rule::ToFloat:
        return to_float(promoted);
      case Rule::Test:
        return kinds == kFloat ? to_float(promoted) : promoted;
      case Rule::Logical:
        return promoted == Dtype::Complex64 ? promoted : Dtype::Bool;
      default:
        return promoted;
    }
  }
  constexpr bool gives_bool() const { return rule == Rule::Test || rule == Rule::Logical; }
  bool accepts(Dtype compute) const {
    const Kind kind = kind_of(compute);
    return kinds & (kind == Kind::Bool ? kBool : kind == Kind::Float ? kFloat : kind == Kind::Complex ? 0 : kInt);
  }
};

}  // namespace addax::elementwise
