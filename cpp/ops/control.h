// control: attributes of the rows that run bodies, and their gradients, which cpp/graph derives from the bodies.
#pragma once

#include "ops/op.h"

namespace addax {

/// Inputs: `sequences` of `length` slices each, `carries`, then what is the same in all steps. A step calls the body
/// with a slice of each sequence, the carries and the rest; the body's results are a slice of each stacked output,
/// then the next carries. Outputs: the stacked ones, then the last carries.
struct LoopAttrs {
  BodyRef body;
  int64_t length = 1, sequences = 0, carries = 0;
  bool reverse = false;  // from the last slice to the first
  template <class F>
  void fields(F&& f) {
    f("body", body);
    f("length", length);
    f("sequences", sequences);
    f("carries", carries);
    f("reverse", reverse);
  }
};

/// Two scans: the forward one again, with what its gradient reads stacked as well (the pass `loops` makes one of the
/// two), and one in the other direction over that.
Tensors scan_vjp(const VjpContext& c);

}  // namespace addax
