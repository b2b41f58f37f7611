// optimizer: one row per fused update of parameters and their states. The inputs are the states of each variable, its
// parameter first, then a gradient for each variable, then the scalars. Outputs are the new states in the same places,
// written in place where the caller gives the old ones up. No gradients.
//
// The rows `..._rows` update one variable, whose gradient stands as the indices and updates of a scatter_add to zeros.
#include "ops/optimizer.h"

#include "addax/ops/index.h"
#include "ops/count.h"
#include "ops/families.h"
#include "ops/vjp.h"

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
    for (const Spec& s : out) values = sum_of(values, numel(s.shape));
    return values;
  };
  return op;
}

// A gradient that is scatter_add(zeros, indices, updates), of one variable.
template <int States, bool Step>
void update_rows_infer(InferContext& c) {
  const Tensors scattered = {c.in[0], c.in[States], c.in[States + 1]};
  InferContext gradient{c.op, Attrs(), scattered, {}};
  ADDAX_OP(scatter_add).infer(gradient);
  Tensors in(c.in.begin(), c.in.end());
  in.erase(in.begin() + States);
  in[States] = Tensor::placeholder(c.in[0].shape(), c.in[0].dtype());
  InferContext dense{c.op, c.attrs, in, {}};
  update_infer<States, Step>(dense);
  c.outputs = std::move(dense.outputs);
}

template <int States>
Tensors compose_rows(const OpDef& dense, Span<const Tensor> in, const Attrs& attrs) {
  Tensors args(in.begin(), in.end());
  args.erase(args.begin() + States);
  args[States] = scatter_add(zeros_like(in[0]), in[States], in[States + 1]);
  return apply(dense, args, attrs);
}

/// The row of dense gradients and that of scattered ones.
template <const char* Name, int States, bool Step, class RuleAttrs = void>
void rule(OpTable& table, const char* name_of_rows) {
  OpDef& dense = row<States, Step>(table, Name);
  OpDef& rows = row<States, Step>(table, name_of_rows);
  rows.max_inputs = ++rows.min_inputs;
  rows.infer = update_rows_infer<States, Step>;
  rows.compose = [](Span<const Tensor> in, const Attrs& attrs) {
    return compose_rows<States>(find_op(Name), in, attrs);
  };
  if constexpr (!std::is_void_v<RuleAttrs>) {
    dense.attrs<RuleAttrs>();
    rows.attrs<RuleAttrs>();
  }
}

constexpr char kSgd[] = "sgd_update", kMomentum[] = "sgd_momentum_update", kAdam[] = "adam_update",
               kAmsgrad[] = "adam_amsgrad_update", kRmsprop[] = "rmsprop_update",
               kRmspropFull[] = "rmsprop_full_update";

}  // namespace

void register_optimizer(OpTable& table) {
  rule<kSgd, 1, false>(table, "sgd_update_rows");
  rule<kMomentum, 2, false, MomentumAttrs>(table, "sgd_momentum_update_rows");
  rule<kAdam, 3, true, AdamAttrs>(table, "adam_update_rows");
  rule<kAmsgrad, 4, true, AdamAttrs>(table, "adam_amsgrad_update_rows");
  rule<kRmsprop, 2, false, RmspropAttrs>(table, "rmsprop_update_rows");
  rule<kRmspropFull, 4, false, RmspropFullAttrs>(table, "rmsprop_full_update_rows");
}

}  // namespace addax
