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

/// Inputs: which body, an int32 that is taken as the closest index there is, then what all bodies take. Outputs: the
/// results of that body alone.
struct BranchAttrs {
  Bodies bodies;
  template <class F>
  void fields(F&& f) {
    f("bodies", bodies);
  }
};

/// Inputs: the carries, then what is the same in all steps; the body takes both and gives the next carries. The first
/// carry is a bool: whether there is another step. Outputs: the last carries.
struct WhileAttrs {
  BodyRef body;
  int64_t maximum = -1;  // steps; -1: any number
  template <class F>
  void fields(F&& f) {
    f("body", body);
    f("maximum", maximum);
  }
};

/// The kernels of any device: the host calls the bodies. On a device `cond` and `while_loop` wait for the value that
/// says what comes next, unless they are captured (core/runtime.h).
void run_scan(const KernelArgs& k);
void run_cond(const KernelArgs& k);
void run_while(const KernelArgs& k);

/// Two scans: the forward one again, with what its gradient reads stacked as well (the pass `loops` makes one of the
/// two), and one in the other direction over that.
Tensors scan_vjp(const VjpContext& c);
/// The bodies' states are updated in place.
bool cond_in_place(const Attrs& attrs, int output, int input);
/// A `cond` over the bodies' gradients, each of which computes its body again. Bodies save different values, and each
/// would have to write zeros for those of all others.
Tensors cond_vjp(const VjpContext& c);
/// A scan of `maximum` steps, each of which is a `cond`. Throws ValueError without a maximum.
Tensors while_compose(Span<const Tensor> in, const Attrs& attrs);

}  // namespace addax
