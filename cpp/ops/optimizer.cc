// optimizer: one row per fused update of a parameter and its state. The state comes first, outputs are the new state in
// the same places, written in place where the caller gives the old one up. No gradients.
#include "ops/optimizer.h"

#include "ops/families.h"
#include "ops/op.h"

namespace addax {
namespace {

/// `States` tensors and the gradient of one shape and dtype, then the learning rate and, for `Step`, the step.
template <int States, bool Step>
void update_infer(InferContext& c) {
  const Tensor& param = c.in[0];
  if (!is_float(param.dtype())) fail<DtypeError>(c.op.name, ": expected a floating parameter, got ", param.dtype());
  for (size_t i = 1; i <= States; ++i) {
    const Tensor& t = c.in[i];
    const char* what = i == States ? "the gradient" : "each state";
    if (t.shape() != param.shape())
      fail<ShapeError>(c.op.name, ": ", what, " must have the parameter's shape ", param.shape(), ", got ", t.shape(),
                       " as input ", i);
    if (t.dtype() != param.dtype())
      fail<DtypeError>(c.op.name, ": ", what, " must have the parameter's dtype ", param.dtype(), ", got ", t.dtype(),
                       " as input ", i, "; cast with addax.ops.cast");
  }
  const Tensor& rate = c.in[States + 1];
  if (rate.rank() != 0 || !is_float(rate.dtype()))
    fail<ValueError>(c.op.name, ": the learning rate must be a floating tensor of shape (), got ", rate.dtype(), " ",
                     rate.shape());
  if constexpr (Step) {
    const Tensor& step = c.in[States + 2];
    if (step.rank() != 0 || !is_int(step.dtype()))
      fail<ValueError>(c.op.name, ": the step must be an integer tensor of shape (), got ", step.dtype(), " ",
                       step.shape());
  }
  for (int i = 0; i < States; ++i) c.out(param.shape(), param.dtype());
}

template <int States, bool Step>
OpDef& row(OpTable& table, const char* name) {
  OpDef& op = table.add("optimizer", name);
  op.min_inputs = op.max_inputs = States + 2 + Step;
  op.infer = update_infer<States, Step>;
  op.differentiable = false;
  op.donates = (1u << States) - 1;
  return op;
}

}  // namespace

void register_optimizer(OpTable& table) {
  row<1, false>(table, "sgd_update");
  row<2, false>(table, "sgd_momentum_update").attrs<MomentumAttrs>();
  row<3, true>(table, "adam_update").attrs<AdamAttrs>();
  row<4, true>(table, "adam_amsgrad_update").attrs<AdamAttrs>();
  row<2, false>(table, "rmsprop_update").attrs<RmspropAttrs>();
  row<4, false>(table, "rmsprop_full_update").attrs<RmspropFullAttrs>();
}

}  // namespace addax
