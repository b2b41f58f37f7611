// Helpers that gradient rules share. vjp_of_compose is in cpp/autograd/tape.cc.
#include "ops/vjp.h"

#include "addax/ops/elementwise.h"
#include "addax/ops/movement.h"
#include "addax/ops/reduce.h"

namespace addax {

Tensor fit_to(const Tensor& grad, const Tensor& input) {
  Tensor fitted = grad;
  if (grad.shape() != input.shape()) {
    const int added = grad.rank() - input.rank();
    Dims axes;
    for (int i = 0; i < grad.rank(); ++i)
      if (i < added || (input.shape()[i - added] == 1 && grad.shape()[i] != 1)) axes.push_back(i);
    if (!axes.empty()) fitted = sum(fitted, axes, true);
    if (added > 0) fitted = reshape(fitted, input.shape());
  }
  return cast(fitted, input.dtype());
}

Tensor zeros_like(const Tensor& like) { return broadcast_to(Tensor::scalar(0, like.dtype()), like.shape()); }

}  // namespace addax
