// norm: shape rules and gradients of softmax and normalisation.
#include "ops/norm.h"

#include "addax/ops/elementwise.h"
#include "addax/ops/movement.h"
#include "addax/ops/norm.h"
#include "addax/ops/reduce.h"
#include "ops/check.h"
#include "ops/families.h"
#include "ops/vjp.h"

namespace addax {
namespace {

/// float32 for the 16-bit floats: what statistics are kept in.
Dtype wide_dtype(Dtype dtype) { return dtype == Dtype::Float64 ? dtype : Dtype::Float32; }
Tensor wide(const Tensor& x) { return cast(x, wide_dtype(x.dtype())); }

void require_float(const InferContext& c) {
  if (!is_float(c.in[0].dtype()))
    fail<DtypeError>(c.op.name, ": expected a floating dtype, got ", c.in[0].dtype(), "; cast with addax.ops.cast");
}

void require_same_shape(const InferContext& c, const char* what, int i) {
  if (c.in[static_cast<size_t>(i)].shape() != c.in[0].shape())
    fail<ShapeError>(c.op.name, ": ", what, " must have the shape of input 0, ", c.in[0].shape(), ", got ",
                     c.in[static_cast<size_t>(i)].shape());
}

/// A parameter or statistic of x.
void require_parameter(const InferContext& c, const char* what, int i, const Shape& shape) {
  const Tensor& p = c.in[static_cast<size_t>(i)];
  const Dtype x = c.in[0].dtype();
  if (p.shape() != shape)
    fail<ShapeError>(c.op.name, ": ", what, " must have shape ", shape, " for x of shape ", c.in[0].shape(), ", got ",
                     p.shape());
  if (p.dtype() != x && p.dtype() != wide_dtype(x))
    fail<DtypeError>(c.op.name, ": ", what, " must be ", x, wide_dtype(x) != x ? " or float32" : "", " as x is ", x,
                     ", got ", p.dtype(), "; cast with addax.ops.cast");
}

// ---- softmax

void softmax_infer(InferContext& c) {
  require_float(c);
  normalize_axis(c.attrs.as<SoftmaxAttrs>().axis, c.in[0].rank(), c.op.name);
  c.out(c.in[0].shape(), c.in[0].dtype());
}

void softmax_grad_infer(InferContext& c) {
  require_one_dtype(c, {0, 1});
  require_same_shape(c, "g", 1);
  softmax_infer(c);
}

Tensors softmax_vjp(const VjpContext& c) {
  return {softmax_grad(c.out[0], c.grads[0], c.attrs.as<SoftmaxAttrs>().axis)};
}
Tensors log_softmax_vjp(const VjpContext& c) {
  return {log_softmax_grad(c.out[0], c.grads[0], c.attrs.as<SoftmaxAttrs>().axis)};
}

/// x less its largest element. The shift changes nothing, so it has no gradient.
Tensor from_largest(const Tensor& x, const Dims& axis) { return x - stop_gradient(max(x, axis, true)); }

Tensors softmax_compose(Span<const Tensor> in, const Attrs& attrs) {
  if (in[0].numel() == 0) return {exp(in[0])};
  const Dims axis{attrs.as<SoftmaxAttrs>().axis};
  const Tensor e = exp(from_largest(wide(in[0]), axis));
  return {cast(e / sum(e, axis, true), in[0].dtype())};
}

Tensors log_softmax_compose(Span<const Tensor> in, const Attrs& attrs) {
  if (in[0].numel() == 0) return {exp(in[0])};
  const Dims axis{attrs.as<SoftmaxAttrs>().axis};
  const Tensor x = from_largest(wide(in[0]), axis);
  return {cast(x - log(sum(exp(x), axis, true)), in[0].dtype())};
}

Tensors softmax_grad_compose(Span<const Tensor> in, const Attrs& attrs) {
  const Dims axis{attrs.as<SoftmaxAttrs>().axis};
  const Tensor y = wide(in[0]), g = wide(in[1]);
  return {cast(y * (g - sum(y * g, axis, true)), in[0].dtype())};
}

Tensors log_softmax_grad_compose(Span<const Tensor> in, const Attrs& attrs) {
  const Dims axis{attrs.as<SoftmaxAttrs>().axis};
  const Tensor y = wide(in[0]), g = wide(in[1]);
  return {cast(g - exp(y) * sum(g, axis, true), in[0].dtype())};
}

// ---- layer_norm

struct Split {
  Shape outer, inner;  // of x before and in the normalised axes
};

Split split(const Shape& shape, const Dims& given, const char* op) {
  const int rank = shape.rank();
  const Dims axes = normalize_axes(given, rank, op);
  const int first = rank - axes.rank();
  for (int i = 0; i < axes.rank(); ++i)
    if (axes[i] != first + i)
      fail<ValueError>(op, ": axes must be the last ones of x ", shape, ", got ", given,
                       "; move them there with addax.ops.transpose");
  return {Shape(shape.begin(), shape.begin() + first), Shape(shape.begin() + first, shape.end())};
}

void layer_norm_infer(InferContext& c) {
  require_float(c);
  const Dtype dtype = c.in[0].dtype();
  const Split s = split(c.in[0].shape(), c.attrs.as<LayerNormAttrs>().axes, c.op.name);
  require_parameter(c, "gamma", 1, s.inner);
  require_parameter(c, "beta", 2, s.inner);
  c.out(c.in[0].shape(), dtype);
  c.out(s.outer, wide_dtype(dtype));
  c.out(s.outer, wide_dtype(dtype));
}

void layer_norm_grad_infer(InferContext& c) {
  require_float(c);
  require_one_dtype(c, {0, 4});
  require_same_shape(c, "g", 4);
  const Split s = split(c.in[0].shape(), c.attrs.as<LayerNormGradAttrs>().axes, c.op.name);
  require_parameter(c, "gamma", 1, s.inner);
  require_parameter(c, "mean", 2, s.outer);
  require_parameter(c, "rstd", 3, s.outer);
  c.out(c.in[0].shape(), c.in[0].dtype());
  c.out(s.inner, c.in[1].dtype());
  c.out(s.inner, c.in[1].dtype());
}

Tensors layer_norm_vjp(const VjpContext& c) {
  if (c.grads[1] || c.grads[2]) return vjp_of_compose(c);
  Tensors grads = layer_norm_grad(c.in[0], c.in[1], c.out[1], c.out[2], c.grads[0], c.attrs.as<LayerNormAttrs>().axes);
  grads[2] = cast(grads[2], c.in[2].dtype());
  return grads;
}

/// A tensor of the outer axes, with ones for the others.
Tensor beside(const Tensor& t, const Shape& x) {
  Shape shape = t.shape();
  while (shape.rank() < x.rank()) shape.push_back(1);
  return reshape(wide(t), shape);
}

/// The sum over the outer axes.
Tensor over_outer(const Tensor& t, const Split& s, Dtype dtype) {
  Dims outer;
  for (int i = 0; i < s.outer.rank(); ++i) outer.push_back(i);
  return cast(outer.empty() ? t : sum(t, outer), dtype);
}

Tensors layer_norm_compose(Span<const Tensor> in, const Attrs& attrs) {
  const auto& a = attrs.as<LayerNormAttrs>();
  const Split s = split(in[0].shape(), a.axes, "layer_norm");
  const Tensor x = wide(in[0]), average = mean(x, a.axes, true), from = x - average;
  const Tensor rstd = rsqrt(mean(square(from), a.axes, true) + a.epsilon);
  return {cast(from * rstd * wide(in[1]) + wide(in[2]), in[0].dtype()), reshape(average, s.outer),
          reshape(rstd, s.outer)};
}

Tensors layer_norm_grad_compose(Span<const Tensor> in, const Attrs& attrs) {
  const Dims& axes = attrs.as<LayerNormGradAttrs>().axes;
  const Shape& shape = in[0].shape();
  const Split s = split(shape, axes, "layer_norm_grad");
  const Tensor rstd = beside(in[3], shape), normal = (wide(in[0]) - beside(in[2], shape)) * rstd;
  const Tensor g = wide(in[4]), scaled = g * wide(in[1]);
  const Tensor dx = rstd * (scaled - mean(scaled, axes, true) - normal * mean(scaled * normal, axes, true));
  const Dtype dtype = in[1].dtype();
  return {cast(dx, in[0].dtype()), over_outer(g * normal, s, dtype), over_outer(g, s, dtype)};
}

// ---- rms_norm

void rms_norm_infer(InferContext& c) {
  require_float(c);
  const Split s = split(c.in[0].shape(), c.attrs.as<LayerNormAttrs>().axes, c.op.name);
  require_parameter(c, "gamma", 1, s.inner);
  c.out(c.in[0].shape(), c.in[0].dtype());
  c.out(s.outer, wide_dtype(c.in[0].dtype()));
}

void rms_norm_grad_infer(InferContext& c) {
  require_float(c);
  require_one_dtype(c, {0, 3});
  require_same_shape(c, "g", 3);
  const Split s = split(c.in[0].shape(), c.attrs.as<LayerNormGradAttrs>().axes, c.op.name);
  require_parameter(c, "gamma", 1, s.inner);
  require_parameter(c, "rrms", 2, s.outer);
  c.out(c.in[0].shape(), c.in[0].dtype());
  c.out(s.inner, c.in[1].dtype());
}

Tensors rms_norm_vjp(const VjpContext& c) {
  if (c.grads[1]) return vjp_of_compose(c);
  return rms_norm_grad(c.in[0], c.in[1], c.out[1], c.grads[0], c.attrs.as<LayerNormAttrs>().axes);
}

Tensors rms_norm_compose(Span<const Tensor> in, const Attrs& attrs) {
  const auto& a = attrs.as<LayerNormAttrs>();
  const Tensor x = wide(in[0]), rrms = rsqrt(mean(square(x), a.axes, true) + a.epsilon);
  return {cast(x * rrms * wide(in[1]), in[0].dtype()), reshape(rrms, split(x.shape(), a.axes, "rms_norm").outer)};
}

Tensors rms_norm_grad_compose(Span<const Tensor> in, const Attrs& attrs) {
  const Dims& axes = attrs.as<LayerNormGradAttrs>().axes;
  const Shape& shape = in[0].shape();
  const Tensor rrms = beside(in[2], shape), normal = wide(in[0]) * rrms, g = wide(in[3]), scaled = g * wide(in[1]);
  const Tensor dx = rrms * (scaled - normal * mean(scaled * normal, axes, true));
  return {cast(dx, in[0].dtype()), over_outer(g * normal, split(shape, axes, "rms_norm_grad"), in[1].dtype())};
}

// ---- batch_norm

int64_t channels(const InferContext& c, int64_t axis) {
  return c.in[0].shape()[normalize_axis(axis, c.in[0].rank(), c.op.name)];
}

void batch_norm_infer(InferContext& c) {
  require_float(c);
  const Dtype dtype = c.in[0].dtype();
  const Shape shape{channels(c, c.attrs.as<BatchNormAttrs>().axis)};
  require_parameter(c, "gamma", 1, shape);
  require_parameter(c, "beta", 2, shape);
  c.out(c.in[0].shape(), dtype);
  c.out(shape, wide_dtype(dtype));
  c.out(shape, wide_dtype(dtype));
}

void batch_norm_grad_infer(InferContext& c) {
  require_float(c);
  require_one_dtype(c, {0, 4});
  require_same_shape(c, "g", 4);
  const Shape shape{channels(c, c.attrs.as<BatchNormAttrs>().axis)};
  require_parameter(c, "gamma", 1, shape);
  require_parameter(c, "mean", 2, shape);
  require_parameter(c, "variance", 3, shape);
  c.out(c.in[0].shape(), c.in[0].dtype());
  c.out(shape, c.in[1].dtype());
  c.out(shape, c.in[1].dtype());
}

void batch_norm_inference_infer(InferContext& c) {
  require_float(c);
  const Shape shape{channels(c, c.attrs.as<BatchNormAttrs>().axis)};
  require_parameter(c, "mean", 1, shape);
  require_parameter(c, "variance", 2, shape);
  require_parameter(c, "gamma", 3, shape);
  require_parameter(c, "beta", 4, shape);
  c.out(c.in[0].shape(), c.in[0].dtype());
}

/// The channels among the axes of x, and what is summed over.
struct Channels {
  Channels(const Shape& x, int64_t given, const char* op) {
    const int axis = normalize_axis(given, x.rank(), op);
    shape = Dims::filled(x.rank(), 1);
    shape[axis] = x[axis];
    for (int d = 0; d < x.rank(); ++d)
      if (d != axis) others.push_back(d);
  }
  Tensor spread(const Tensor& t) const { return reshape(wide(t), shape); }
  Tensor average(const Tensor& t) const { return others.empty() ? t : mean(t, others, true); }
  Tensor total(const Tensor& t) const { return reshape(others.empty() ? t : sum(t, others), {numel(shape)}); }

  Shape shape;
  Dims others;
};

Tensors batch_norm_vjp(const VjpContext& c) {
  if (c.grads[1] || c.grads[2]) return vjp_of_compose(c);
  const auto& a = c.attrs.as<BatchNormAttrs>();
  Tensors grads = batch_norm_grad(c.in[0], c.in[1], c.out[1], c.out[2], c.grads[0], a.axis, a.epsilon);
  grads[2] = cast(grads[2], c.in[2].dtype());
  return grads;
}

Tensors batch_norm_compose(Span<const Tensor> in, const Attrs& attrs) {
  const auto& a = attrs.as<BatchNormAttrs>();
  const Channels ch(in[0].shape(), a.axis, "batch_norm");
  const Tensor x = wide(in[0]), average = ch.average(x), from = x - average, variance = ch.average(square(from));
  const Tensor y = from * (rsqrt(variance + a.epsilon) * ch.spread(in[1])) + ch.spread(in[2]);
  const Shape flat{numel(ch.shape)};
  return {cast(y, in[0].dtype()), reshape(average, flat), reshape(variance, flat)};
}

Tensors batch_norm_grad_compose(Span<const Tensor> in, const Attrs& attrs) {
  const auto& a = attrs.as<BatchNormAttrs>();
  const Channels ch(in[0].shape(), a.axis, "batch_norm_grad");
  const Tensor rstd = rsqrt(ch.spread(in[3]) + a.epsilon), normal = (wide(in[0]) - ch.spread(in[2])) * rstd;
  const Tensor g = wide(in[4]), product = g * normal;
  const Tensor dx = rstd * ch.spread(in[1]) * (g - ch.average(g) - normal * ch.average(product));
  return {cast(dx, in[0].dtype()), cast(ch.total(product), in[1].dtype()), cast(ch.total(g), in[1].dtype())};
}

Tensors batch_norm_inference_compose(Span<const Tensor> in, const Attrs& attrs) {
  const auto& a = attrs.as<BatchNormAttrs>();
  const Channels ch(in[0].shape(), a.axis, "batch_norm_inference");
  const Tensor scale = rsqrt(ch.spread(in[2]) + a.epsilon) * ch.spread(in[3]);
  return {cast((wide(in[0]) - ch.spread(in[1])) * scale + ch.spread(in[4]), in[0].dtype())};
}

Tensors batch_norm_inference_vjp(const VjpContext& c) {
  const auto& a = c.attrs.as<BatchNormAttrs>();
  const Channels ch(c.in[0].shape(), a.axis, c.op.name);
  const Tensor rstd = rsqrt(ch.spread(c.in[2]) + a.epsilon), gamma = ch.spread(c.in[3]), g = wide(c.grads[0]);
  const auto fit = [&](const Tensor& t, int i) { return cast(t, c.in[static_cast<size_t>(i)].dtype()); };
  Tensors grads(5);
  if (c.need(0)) grads[0] = fit(g * (rstd * gamma), 0);
  if (c.need(1)) grads[1] = fit(ch.total(-(g * (rstd * gamma))), 1);
  if (c.need(2) || c.need(3)) {
    const Tensor product = ch.total(g * (wide(c.in[0]) - ch.spread(c.in[1])));
    const Tensor r = reshape(rstd, product.shape());
    if (c.need(2)) grads[2] = fit(product * (wide(c.in[3]) * (r * r * r) * -0.5), 2);
    if (c.need(3)) grads[3] = fit(product * r, 3);
  }
  if (c.need(4)) grads[4] = fit(ch.total(g), 4);
  return grads;
}

}  // namespace

Tensor softmax(const Tensor& x, int64_t axis) { return apply1(ADDAX_OP(softmax), {x}, Attrs::of(SoftmaxAttrs{axis})); }
Tensor log_softmax(const Tensor& x, int64_t axis) {
  return apply1(ADDAX_OP(log_softmax), {x}, Attrs::of(SoftmaxAttrs{axis}));
}
Tensor softmax_grad(const Tensor& y, const Tensor& g, int64_t axis) {
  return apply1(ADDAX_OP(softmax_grad), {y, g}, Attrs::of(SoftmaxAttrs{axis}));
}
Tensor log_softmax_grad(const Tensor& y, const Tensor& g, int64_t axis) {
  return apply1(ADDAX_OP(log_softmax_grad), {y, g}, Attrs::of(SoftmaxAttrs{axis}));
}
Tensors layer_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Dims& axes, double epsilon) {
  return apply(ADDAX_OP(layer_norm), {x, gamma, beta}, Attrs::of(LayerNormAttrs{axes, epsilon}));
}
Tensors layer_norm_grad(const Tensor& x, const Tensor& gamma, const Tensor& mean, const Tensor& rstd, const Tensor& g,
                        const Dims& axes) {
  return apply(ADDAX_OP(layer_norm_grad), {x, gamma, mean, rstd, g}, Attrs::of(LayerNormGradAttrs{axes}));
}
Tensors rms_norm(const Tensor& x, const Tensor& gamma, const Dims& axes, double epsilon) {
  return apply(ADDAX_OP(rms_norm), {x, gamma}, Attrs::of(LayerNormAttrs{axes, epsilon}));
}
Tensors rms_norm_grad(const Tensor& x, const Tensor& gamma, const Tensor& rrms, const Tensor& g, const Dims& axes) {
  return apply(ADDAX_OP(rms_norm_grad), {x, gamma, rrms, g}, Attrs::of(LayerNormGradAttrs{axes}));
}
Tensors batch_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, int64_t axis, double epsilon) {
  return apply(ADDAX_OP(batch_norm), {x, gamma, beta}, Attrs::of(BatchNormAttrs{axis, epsilon}));
}
Tensors batch_norm_grad(const Tensor& x, const Tensor& gamma, const Tensor& mean, const Tensor& variance,
                        const Tensor& g, int64_t axis, double epsilon) {
  return apply(ADDAX_OP(batch_norm_grad), {x, gamma, mean, variance, g}, Attrs::of(BatchNormAttrs{axis, epsilon}));
}
Tensor batch_norm_inference(const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& gamma,
                            const Tensor& beta, int64_t axis, double epsilon) {
  return apply1(ADDAX_OP(batch_norm_inference), {x, mean, variance, gamma, beta},
                Attrs::of(BatchNormAttrs{axis, epsilon}));
}

void register_norm(OpTable& table) {
  const auto row = [&](const char* name, int inputs, Infer infer, Vjp vjp, Compose compose) -> OpDef& {
    OpDef& op = table.add("norm", name);
    op.min_inputs = op.max_inputs = inputs;
    op.infer = infer;
    op.vjp = vjp;
    op.compose = compose;
    return op;
  };
  for (OpDef* op :
       {&row("softmax", 1, softmax_infer, softmax_vjp, softmax_compose).attrs<SoftmaxAttrs>(),
        &row("log_softmax", 1, softmax_infer, log_softmax_vjp, log_softmax_compose).attrs<SoftmaxAttrs>()}) {
    op->save_inputs = kSaveNone;
    op->save_outputs = kSaveAll;
  }
  row("softmax_grad", 2, softmax_grad_infer, vjp_of_compose, softmax_grad_compose).attrs<SoftmaxAttrs>();
  row("log_softmax_grad", 2, softmax_grad_infer, vjp_of_compose, log_softmax_grad_compose).attrs<SoftmaxAttrs>();

  constexpr uint32_t kStatistics = 0b110;
  row("layer_norm", 3, layer_norm_infer, layer_norm_vjp, layer_norm_compose).attrs<LayerNormAttrs>().save_outputs =
      kStatistics;
  row("layer_norm_grad", 5, layer_norm_grad_infer, vjp_of_compose, layer_norm_grad_compose).attrs<LayerNormGradAttrs>();
  row("rms_norm", 2, rms_norm_infer, rms_norm_vjp, rms_norm_compose).attrs<LayerNormAttrs>().save_outputs = 0b10;
  row("rms_norm_grad", 4, rms_norm_grad_infer, vjp_of_compose, rms_norm_grad_compose).attrs<LayerNormGradAttrs>();
  row("batch_norm", 3, batch_norm_infer, batch_norm_vjp, batch_norm_compose).attrs<BatchNormAttrs>().save_outputs =
      kStatistics;
  row("batch_norm_grad", 5, batch_norm_grad_infer, vjp_of_compose, batch_norm_grad_compose).attrs<BatchNormAttrs>();
  row("batch_norm_inference", 5, batch_norm_inference_infer, batch_norm_inference_vjp, batch_norm_inference_compose)
      .attrs<BatchNormAttrs>();
}

}  // namespace addax
