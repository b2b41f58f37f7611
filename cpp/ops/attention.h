// Attributes of the attention family.
#pragma once

#include "ops/attrs.h"

namespace addax {

/// The inputs behind query, key and value: a bias if `bias`, then a mask if `mask`.
struct AttentionAttrs {
  double scale = 1;
  bool causal = false;
  bool bias = false;
  bool mask = false;
  template <class F>
  void fields(F&& f) {
    f("scale", scale);
    f("causal", causal);
    f("bias", bias);
    f("mask", mask);
  }
};

/// What a masked score becomes: small enough to vanish beside any other, while a row of nothing else weighs all keys
/// alike.
inline constexpr double kMaskedScore = -0x1.6p127;

}  // namespace addax
