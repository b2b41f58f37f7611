// Attributes of the optimizer family.
#pragma once

#include "ops/attrs.h"

namespace addax {

struct MomentumAttrs {
  double momentum = 0;
  bool nesterov = false;
  template <class F>
  void fields(F&& f) {
    f("momentum", momentum);
    f("nesterov", nesterov);
  }
};

/// weight_decay: the share, times the learning rate, taken off the parameter before the step (AdamW).
struct AdamAttrs {
  double beta_1 = 0.9, beta_2 = 0.999, epsilon = 1e-7, weight_decay = 0;
  template <class F>
  void fields(F&& f) {
    f("beta_1", beta_1);
    f("beta_2", beta_2);
    f("epsilon", epsilon);
    f("weight_decay", weight_decay);
  }
};

struct RmspropAttrs {
  double rho = 0.9, epsilon = 1e-7;
  template <class F>
  void fields(F&& f) {
    f("rho", rho);
    f("epsilon", epsilon);
  }
};

struct RmspropFullAttrs {
  double rho = 0.9, momentum = 0, epsilon = 1e-7;
  bool centered = false;
  template <class F>
  void fields(F&& f) {
    f("rho", rho);
    f("momentum", momentum);
    f("epsilon", epsilon);
    f("centered", centered);
  }
};

}  // namespace addax
