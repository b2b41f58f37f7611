// Attributes of the attention family.
#pragma once

#include "ops/attrs.h"

namespace addax {

/// The inputs behind query, key and value: a bias if `bias`, then a mask if `mask`, then the random key of dropout, if
/// that is not 0.
struct AttentionAttrs {
  double scale = 1;
  bool causal = false;
  bool bias = false;
  bool mask = false;
  double dropout = 0;
  size_t mask_at() const { return 3u + bias; }
  size_t random_key_at() const { return 3u + bias + mask; }
  size_t inputs() const { return random_key_at() + (dropout != 0); }
  template <class F>
  void fields(F&& f) {
    f("scale", scale);
    f("causal", causal);
    f("bias", bias);
    f("mask", mask);
    f("dropout", dropout);
  }
};

/// What a masked score becomes: small enough to vanish beside any other, while a row of nothing else weighs all keys
/// alike.
inline constexpr double kMaskedScore = -0x1.6p127;

}  // namespace addax
