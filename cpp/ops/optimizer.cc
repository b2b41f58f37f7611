// optimizer: one row per fused update of parameters and their states. The inputs are the states of each variable, its
// parameter first, then a gradient for each variable, then the scalars. Outputs are the new states in the same places,
// written in place where the caller gives the old ones up. No gradients.
#include "ops/optimizer.h"

#include "ops/families.h"
#include "ops/op.h"

namespace addax {
namespace {

/// Variables of `States` tensors each, all of one dtype, then the learning rate and, for `Step`, the step.
template <int States, bool Step>
void update_infer(InferContext& c) {
  const size_t scalars = 1 + Step, variables = (c.in.size() - scalars) / (States + 1);
  if (c.in.size() != variables * (States + 1) + scalars)
    fail<ValueError>(c.op.name, ": expected ", States, " states and a gradient for each variable, and ", scalars,
                     Step ? " scalars" : " scalar", " behind them; got ", c.in.size(), " inputs");
  const Dtype dtype = c.in[0].dtype();
  if (!is_float(dtype)) fail<DtypeError>(c.op.name, ": expected a floating parameter, got ", dtype);
  for (size_t i = 0; i < variables * (States + 1); ++i) {
    const bool gradient = i >= variables * States;
    const Tensor &param = c.in[gradient ? (i - variables * States) * States : i / States * States], &t = c.in[i];
    const char* what = gradient ? "the gradient" : "each state";
    if (t.shape() != param.shape())
      fail<ShapeError>(c.op.name, ": ", what, " must have the parameter's shape ", param.shape(), ", got ", t.shape(),
                       " as input ", i);
    if (t.dtype() != dtype)
      fail<DtypeError>(c.op.name, ": ", what, " must have the parameter's dtype ", dtype, ", got ", t.dtype(),
                       " as input ", i, "; cast with addax.ops.cast");
  }
  const Tensor& rate = c.in[c.in.size() - scalars];
  if (rate.rank() != 0 || !is_float(rate.dtype()))
    fail<ValueError>(c.op.name, ": the learning rate must be a floating tensor of shape (), got ", rate.dtype(), " ",
                     rate.shape());
  if constexpr (Step) {
    const Tensor& step = c.in[c.in.size() - 1];
    if (step.rank() != 0 || !is_int(step.dtype()))
      fail<ValueError>(c.op.name, ": the step must be an integer tensor of shape (), got ", step.dtype(), " ",
                       step.shape());
  }
  for (size_t i = 0; i < variables * States; ++i) c.out(c.in[i].shape(), dtype);
}

template <int States, bool Step>
OpDef& row(OpTable& table, const char* name) {
  OpDef& op = table.add("optimizer", name);
  op.min_inputs = States + 2 + Step;
  op.max_inputs = -1;
  op.infer = update_infer<States, Step>;
  op.differentiable = false;
  op.donates = kAllOutputs;
  op.flops = [](Span<const Spec>, Span<const Spec> out, const Attrs&) {
    int64_t values = 0;
    for (const Spec& s : out) values += numel(s.shape);
    return values;
  };
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
