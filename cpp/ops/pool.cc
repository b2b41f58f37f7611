// Max and average pooling with their gradients: shape rules and gradients.
#include "ops/pool.h"

#include "addax/ops/pool.h"
#include "ops/families.h"
#include "ops/op.h"
#include "ops/vjp.h"

namespace addax {
namespace {

Dims spatial_of(const Shape& shape) { return Dims(shape.begin() + 1, shape.end() - 1); }

Shape with_spatial(const Shape& like, const Dims& spatial) {
  Shape shape{like[0]};
  for (int64_t v : spatial) shape.push_back(v);
  shape.push_back(like.back());
  return shape;
}

// Checks dtype, rank and attributes, and gives the output's spatial dims for an input of spatial size `input`.
Dims output_spatial(const char* op, const Tensor& x, const Dims& input, const PoolAttrs& attrs) {
  if (!is_float(x.dtype()))
    fail<DtypeError>(op, ": expected a floating dtype, got ", x.dtype(), "; cast with addax.ops.cast");
  const int rank = x.rank() - 2;
  if (rank < 1 || rank > 3)
    fail<ShapeError>(op, ": expected rank 3 to 5 (batch, 1 to 3 spatial dims, channels), got shape ", x.shape());
  const auto per_dim = [&](const char* name, const Dims& values, int64_t least) {
    bool good = values.rank() == rank;
    for (int64_t v : values) good &= v >= least && v <= kAddressable;
    if (!good)
      fail<ValueError>(op, ": ", name, " needs one value >= ", least, " per spatial dim (", rank, "), got ", values);
  };
  per_dim("window", attrs.window, 1);
  per_dim("strides", attrs.strides, 1);
  per_dim("low", attrs.low, 0);
  per_dim("high", attrs.high, 0);
  per_dim("input_spatial", input, 0);
  Dims out;
  for (int i = 0; i < rank; ++i) {
    const int64_t low = attrs.low[i], high = attrs.high[i], window = attrs.window[i];
    if (low >= window || high >= window)
      fail<ValueError>(op, ": padding must be less than the window, got low ", attrs.low, " and high ", attrs.high,
                       " for window ", attrs.window);
    if (window > input[i] + low + high)
      fail<ShapeError>(op, ": in spatial dim ", i, " the window ", window, " is more than the padded input's ",
                       input[i] + low + high, " (", low, " + ", input[i], " + ", high,
                       "); pad more or use a smaller window");
    out.push_back((input[i] + low + high - window) / attrs.strides[i] + 1);
  }
  return out;
}

void check_dtypes(const InferContext& c, const char* second) {
  if (c.in[0].dtype() != c.in[1].dtype())
    fail<DtypeError>(c.op.name, ": x is ", c.in[0].dtype(), " and ", second, " is ", c.in[1].dtype(),
                     ", expected the same floating dtype; cast with addax.ops.cast");
}

void infer_max(InferContext& c) {
  const Tensor& x = c.in[0];
  c.out(with_spatial(x.shape(), output_spatial(c.op.name, x, spatial_of(x.shape()), c.attrs.as<PoolAttrs>())),
        x.dtype());
}

void infer_max_grad(InferContext& c) {
  const Tensor &x = c.in[0], &g = c.in[1];
  check_dtypes(c, "g");
  const Shape expected =
      with_spatial(x.shape(), output_spatial(c.op.name, x, spatial_of(x.shape()), c.attrs.as<PoolAttrs>()));
  if (g.shape() != expected)
    fail<ShapeError>("max_pool_grad: g ", g.shape(), " must have the shape ", expected, " of the pooled x ", x.shape());
  c.out(x.shape(), x.dtype());
}

void infer_max_select(InferContext& c) {
  check_dtypes(c, "v");
  if (c.in[1].shape() != c.in[0].shape())
    fail<ShapeError>("max_pool_select: v ", c.in[1].shape(), " must have the shape of x ", c.in[0].shape());
  infer_max(c);
}

void infer_avg(InferContext& c) {
  const Tensor& x = c.in[0];
  c.out(with_spatial(x.shape(), output_spatial(c.op.name, x, spatial_of(x.shape()), c.attrs.as<AvgPoolAttrs>())),
        x.dtype());
}

void infer_avg_grad(InferContext& c) {
  const Tensor& g = c.in[0];
  const auto& attrs = c.attrs.as<AvgPoolGradAttrs>();
  const Dims expected = output_spatial(c.op.name, g, attrs.input_spatial, attrs);
  if (spatial_of(g.shape()) != expected)
    fail<ShapeError>("avg_pool_grad: g ", g.shape(), " must have the spatial dims ", expected,
                     " of an input of spatial size ", attrs.input_spatial, " pooled");
  c.out(with_spatial(g.shape(), attrs.input_spatial), g.dtype());
}

// For a fixed x, max_pool_grad and max_pool_select are linear in their second input and adjoint to each other; in x
// they are constant between ties.

Tensors vjp_max(const VjpContext& c) {
  const auto& a = c.attrs.as<PoolAttrs>();
  return {max_pool_grad(c.in[0], c.grads[0], a.window, a.strides, a.low, a.high)};
}

Tensors vjp_max_grad(const VjpContext& c) {
  const auto& a = c.attrs.as<PoolAttrs>();
  Tensors grads(2);
  if (c.need(0)) grads[0] = zeros_like(c.in[0]);
  if (c.need(1)) grads[1] = max_pool_select(c.in[0], c.grads[0], a.window, a.strides, a.low, a.high);
  return grads;
}

Tensors vjp_max_select(const VjpContext& c) {
  const auto& a = c.attrs.as<PoolAttrs>();
  Tensors grads(2);
  if (c.need(0)) grads[0] = zeros_like(c.in[0]);
  if (c.need(1)) grads[1] = max_pool_grad(c.in[0], c.grads[0], a.window, a.strides, a.low, a.high);
  return grads;
}

Tensors vjp_avg(const VjpContext& c) {
  const auto& a = c.attrs.as<AvgPoolAttrs>();
  return {avg_pool_grad(c.grads[0], a.window, a.strides, a.low, a.high, a.count_padding, spatial_of(c.in[0].shape()))};
}

Tensors vjp_avg_grad(const VjpContext& c) {
  const auto& a = c.attrs.as<AvgPoolGradAttrs>();
  return {avg_pool(c.grads[0], a.window, a.strides, a.low, a.high, a.count_padding)};
}

}  // namespace

Tensor max_pool(const Tensor& x, const Dims& window, const Dims& strides, const Dims& low, const Dims& high) {
  return apply1(ADDAX_OP(max_pool), {x}, Attrs::of(PoolAttrs{window, strides, low, high}));
}
Tensor max_pool_grad(const Tensor& x, const Tensor& g, const Dims& window, const Dims& strides, const Dims& low,
                     const Dims& high) {
  return apply1(ADDAX_OP(max_pool_grad), {x, g}, Attrs::of(PoolAttrs{window, strides, low, high}));
}
Tensor max_pool_select(const Tensor& x, const Tensor& v, const Dims& window, const Dims& strides, const Dims& low,
                       const Dims& high) {
  return apply1(ADDAX_OP(max_pool_select), {x, v}, Attrs::of(PoolAttrs{window, strides, low, high}));
}
Tensor avg_pool(const Tensor& x, const Dims& window, const Dims& strides, const Dims& low, const Dims& high,
                bool count_padding) {
  return apply1(ADDAX_OP(avg_pool), {x}, Attrs::of(AvgPoolAttrs{{window, strides, low, high}, count_padding}));
}
Tensor avg_pool_grad(const Tensor& g, const Dims& window, const Dims& strides, const Dims& low, const Dims& high,
                     bool count_padding, const Dims& input_spatial) {
  return apply1(ADDAX_OP(avg_pool_grad), {g},
                Attrs::of(AvgPoolGradAttrs{{{window, strides, low, high}, count_padding}, input_spatial}));
}

void register_pool(OpTable& table) {
  const auto add = [&](const char* name, int inputs, Infer infer, Vjp vjp, uint32_t save_inputs) -> OpDef& {
    OpDef& op = table.add("pool", name);
    op.min_inputs = op.max_inputs = inputs;
    op.infer = infer;
    op.vjp = vjp;
    op.save_inputs = save_inputs;
    return op;
  };
  add("max_pool", 1, infer_max, vjp_max, 1).attrs<PoolAttrs>();
  add("max_pool_grad", 2, infer_max_grad, vjp_max_grad, 1).attrs<PoolAttrs>();
  add("max_pool_select", 2, infer_max_select, vjp_max_select, 1).attrs<PoolAttrs>();
  add("avg_pool", 1, infer_avg, vjp_avg, kSaveNone).attrs<AvgPoolAttrs>();
  add("avg_pool_grad", 1, infer_avg_grad, vjp_avg_grad, kSaveNone).attrs<AvgPoolGradAttrs>();
}

}  // namespace addax
