// Helpers that gradient rules share.
#pragma once

#include "ops/op.h"

namespace addax {

/// Sums a gradient over the axes that broadcasting added or stretched, and casts it to the input's dtype.
Tensor fit_to(const Tensor& grad, const Tensor& input);
/// Zeros with the shape and dtype of `like`, as a broadcast scalar.
Tensor zeros_like(const Tensor& like);
/// The gradient of a composition: runs `compose` on the inputs under a private tape and differentiates it. For ops
/// whose own gradient is a fused op: gives the higher derivatives. Needs all inputs saved.
Tensors vjp_of_compose(const VjpContext& c);

}  // namespace addax
