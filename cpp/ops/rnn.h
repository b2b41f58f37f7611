// Attributes of the rnn family.
#pragma once

#include "ops/attrs.h"

namespace addax {

struct RnnAttrs {
  bool go_backwards = false;
  template <class F>
  void fields(F&& f) {
    f("go_backwards", go_backwards);
  }
};

struct GruAttrs {
  bool go_backwards = false;
  bool reset_after = true;
  template <class F>
  void fields(F&& f) {
    f("go_backwards", go_backwards);
    f("reset_after", reset_after);
  }
};

}  // namespace addax
