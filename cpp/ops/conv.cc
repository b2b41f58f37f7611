// conv, with a program behind it, and its two gradients: shape rules and gradients.
#include "ops/conv.h"

#include "addax/ops/conv.h"
#include "ops/count.h"
#include "ops/families.h"
#include "ops/fused.h"
#include "ops/op.h"
#include "ops/vjp.h"

namespace addax {
namespace {

Dims spatial_of(const Shape& shape) { return Dims(shape.begin() + 1, shape.end() - 1); }

// Checks the inputs' dtype and rank and every attribute; returns the number of spatial dims.
int check(const InferContext& c, const ConvAttrs& attrs, const char* first, const char* second) {
  const char* op = c.op.name;
  const Tensor &a = c.in[0], &b = c.in[1];
  if (a.dtype() != b.dtype() || !is_float(a.dtype()))
    fail<DtypeError>(op, ": ", first, " is ", a.dtype(), " and ", second, " is ", b.dtype(),
                     ", expected the same floating dtype; cast with addax.ops.cast");
  const int rank = a.rank() - 2;
  if (rank < 1 || rank > 3 || b.rank() != a.rank())
    fail<ShapeError>(op, ": expected inputs of one rank from 3 to 5 (1 to 3 spatial dims), got ", first, " ", a.shape(),
                     " and ", second, " ", b.shape());
  const auto per_dim = [&](const char* name, const Dims& values, int64_t least) {
    bool good = values.rank() == rank;
    for (int64_t v : values) good &= v >= least && v <= kAddressable;
    if (!good)
      fail<ValueError>(op, ": ", name, " needs one value >= ", least, " per spatial dim (", rank, "), got ", values);
  };
  per_dim("strides", attrs.strides, 1);
  per_dim("low", attrs.low, 0);
  per_dim("high", attrs.high, 0);
  per_dim("dilation", attrs.dilation, 1);
  if (attrs.groups < 1) fail<ValueError>(op, ": groups must be >= 1, got ", attrs.groups);
  return rank;
}

void check_sizes(const char* op, const char* name, const Dims& values, int rank) {
  bool good = values.rank() == rank;
  for (int64_t v : values) good &= v >= 0 && v <= kAddressable;
  if (!good) fail<ValueError>(op, ": ", name, " needs one size per spatial dim (", rank, "), got ", values);
}

void check_groups(const char* op, int64_t groups, int64_t channels, int64_t per_group, int64_t outputs) {
  const int64_t expected = product_of({per_group, groups});
  if (channels != expected)
    fail<ShapeError>(op, ": the input has ", channels, " channels, but filters for ", per_group,
                     " channels per group and groups=", groups, " expect ", expected);
  if (outputs % groups) fail<ShapeError>(op, ": groups=", groups, " must divide the ", outputs, " output channels");
}

Dims output_spatial(const char* op, const Dims& input, const Dims& filter, const ConvAttrs& attrs) {
  Dims out;
  for (int i = 0; i < input.rank(); ++i) {
    const int64_t padded = input[i] + attrs.low[i] + attrs.high[i];
    const int64_t span = filter[i] == 0 ? 0 : product_of({filter[i] - 1, attrs.dilation[i]}) + 1;
    if (span == 0) fail<ShapeError>(op, ": the filter's spatial dims must be >= 1, got ", filter);
    if (span > padded)
      fail<ShapeError>(op, ": in spatial dim ", i, " the filter spans ", span, " (size ", filter[i], ", dilation ",
                       attrs.dilation[i], "), which is more than the padded input's ", padded, " (", attrs.low[i],
                       " + ", input[i], " + ", attrs.high[i], "); pad more or use a smaller filter");
    out.push_back((padded - span) / attrs.strides[i] + 1);
  }
  return out;
}

Shape with_spatial(int64_t first, const Dims& spatial, int64_t last) {
  Shape shape{first};
  for (int64_t v : spatial) shape.push_back(v);
  shape.push_back(last);
  return shape;
}

void check_gradient(const char* op, const Tensor& g, const Dims& input, const Dims& filter, const ConvAttrs& attrs) {
  const Dims expected = output_spatial(op, input, filter, attrs);
  if (spatial_of(g.shape()) != expected)
    fail<ShapeError>(op, ": g ", g.shape(), " must have the spatial dims ", expected,
                     " of the convolution's output (input ", input, ", filter ", filter, ")");
}

void infer_product(InferContext& c, const ConvAttrs& attrs) {
  check(c, attrs, "x", "filters");
  const Shape &x = c.in[0].shape(), &w = c.in[1].shape();
  const int rank = w.rank();
  check_groups(c.op.name, attrs.groups, x.back(), w[rank - 2], w.back());
  c.out(with_spatial(x[0], output_spatial(c.op.name, spatial_of(x), Dims(w.begin(), w.end() - 2), attrs), w.back()),
        c.in[0].dtype());
}

using ConvFusedAttrs = EpilogueAttrs<ConvAttrs>;

void infer_conv(InferContext& c) { infer_product(c, c.attrs.as<ConvAttrs>()); }
void infer_fused(InferContext& c) {
  const auto& a = c.attrs.as<ConvFusedAttrs>();
  infer_product(c, a.product);
  infer_epilogue(c, a.epilogue);
}

void infer_input_grad(InferContext& c) {
  const auto& attrs = c.attrs.as<ConvInputGradAttrs>();
  const int rank = check(c, attrs, "g", "filters");
  const Shape &g = c.in[0].shape(), &w = c.in[1].shape();
  check_sizes("conv_input_grad", "input_spatial", attrs.input_spatial, rank);
  if (g.back() != w.back())
    fail<ShapeError>("conv_input_grad: g ", g, " has ", g.back(), " channels, filters ", w, " make ", w.back());
  const int64_t channels = product_of({w[rank], attrs.groups});
  check_groups("conv_input_grad", attrs.groups, channels, w[rank], w.back());
  check_gradient("conv_input_grad", c.in[0], attrs.input_spatial, Dims(w.begin(), w.end() - 2), attrs);
  c.out(with_spatial(g[0], attrs.input_spatial, channels), c.in[0].dtype());
}

void infer_filter_grad(InferContext& c) {
  const auto& attrs = c.attrs.as<ConvFilterGradAttrs>();
  const int rank = check(c, attrs, "x", "g");
  const Shape &x = c.in[0].shape(), &g = c.in[1].shape();
  check_sizes("conv_filter_grad", "filter_spatial", attrs.filter_spatial, rank);
  if (x[0] != g[0]) fail<ShapeError>("conv_filter_grad: x ", x, " and g ", g, " must have the same batch size");
  if (x.back() % attrs.groups)
    fail<ShapeError>("conv_filter_grad: groups=", attrs.groups, " must divide the ", x.back(), " input channels");
  check_groups("conv_filter_grad", attrs.groups, x.back(), x.back() / attrs.groups, g.back());
  check_gradient("conv_filter_grad", c.in[1], spatial_of(x), attrs.filter_spatial, attrs);
  Shape out = attrs.filter_spatial;
  out.push_back(x.back() / attrs.groups);
  out.push_back(g.back());
  c.out(out, c.in[0].dtype());
}

// The three ops share one trilinear form <g, conv(x, w)>; each gradient is the op that leaves out the input wanted.

Tensor conv_of(const Tensor& x, const Tensor& w, const ConvAttrs& a) {
  return conv(x, w, a.strides, a.low, a.high, a.dilation, a.groups);
}
Tensor input_grad_of(const Tensor& g, const Tensor& w, const ConvAttrs& a, const Dims& input) {
  return conv_input_grad(g, w, a.strides, a.low, a.high, a.dilation, a.groups, input);
}
Tensor filter_grad_of(const Tensor& x, const Tensor& g, const ConvAttrs& a, const Dims& filter) {
  return conv_filter_grad(x, g, a.strides, a.low, a.high, a.dilation, a.groups, filter);
}
Dims filter_spatial_of(const Tensor& w) { return Dims(w.shape().begin(), w.shape().end() - 2); }

Tensors compose_fused(Span<const Tensor> in, const Attrs& attrs) {
  const auto& a = attrs.as<ConvFusedAttrs>();
  return compose_epilogue(conv_of(in[0], in[1], a.product), in, a.epilogue);
}

Tensors vjp_conv(const VjpContext& c) {
  const auto& a = c.attrs.as<ConvAttrs>();
  const Tensor &x = c.in[0], &w = c.in[1], &g = c.grads[0];
  Tensors grads(2);
  if (c.need(0)) grads[0] = input_grad_of(g, w, a, spatial_of(x.shape()));
  if (c.need(1)) grads[1] = filter_grad_of(x, g, a, filter_spatial_of(w));
  return grads;
}

Tensors vjp_input_grad(const VjpContext& c) {
  const auto& a = c.attrs.as<ConvInputGradAttrs>();
  const Tensor &g = c.in[0], &w = c.in[1], &dx = c.grads[0];
  Tensors grads(2);
  if (c.need(0)) grads[0] = conv_of(dx, w, a);
  if (c.need(1)) grads[1] = filter_grad_of(dx, g, a, filter_spatial_of(w));
  return grads;
}

Tensors vjp_filter_grad(const VjpContext& c) {
  const auto& a = c.attrs.as<ConvFilterGradAttrs>();
  const Tensor &x = c.in[0], &g = c.in[1], &dw = c.grads[0];
  Tensors grads(2);
  if (c.need(0)) grads[0] = input_grad_of(g, dw, a, spatial_of(x.shape()));
  if (c.need(1)) grads[1] = conv_of(x, dw, a);
  return grads;
}

// Every filter value meets every position of the forward result once, in all three ops.
int64_t flops_of(const Spec& result, const Spec& filters) {
  return product_of({2, numel(result.shape), numel(filters.shape) / std::max<int64_t>(filters.shape.back(), 1)});
}
int64_t flops_conv(Span<const Spec> in, Span<const Spec> out, const Attrs&) { return flops_of(out[0], in[1]); }
int64_t flops_fused(Span<const Spec> in, Span<const Spec> out, const Attrs& attrs) {
  return flops_of(out[0], in[1]) + program_flops(out[0], attrs.as<ConvFusedAttrs>().epilogue);
}
int64_t flops_input_grad(Span<const Spec> in, Span<const Spec>, const Attrs&) { return flops_of(in[0], in[1]); }
int64_t flops_filter_grad(Span<const Spec> in, Span<const Spec> out, const Attrs&) { return flops_of(in[1], out[0]); }

}  // namespace

Tensor conv(const Tensor& x, const Tensor& filters, const Dims& strides, const Dims& low, const Dims& high,
            const Dims& dilation, int64_t groups) {
  return apply1(ADDAX_OP(conv), {x, filters}, Attrs::of(ConvAttrs{strides, low, high, dilation, groups}));
}
Tensor conv_input_grad(const Tensor& g, const Tensor& filters, const Dims& strides, const Dims& low, const Dims& high,
                       const Dims& dilation, int64_t groups, const Dims& input_spatial) {
  return apply1(ADDAX_OP(conv_input_grad), {g, filters},
                Attrs::of(ConvInputGradAttrs{{strides, low, high, dilation, groups}, input_spatial}));
}
Tensor conv_filter_grad(const Tensor& x, const Tensor& g, const Dims& strides, const Dims& low, const Dims& high,
                        const Dims& dilation, int64_t groups, const Dims& filter_spatial) {
  return apply1(ADDAX_OP(conv_filter_grad), {x, g},
                Attrs::of(ConvFilterGradAttrs{{strides, low, high, dilation, groups}, filter_spatial}));
}

void register_conv(OpTable& table) {
  const auto add = [&](const char* name, Infer infer, Vjp vjp, Flops flops) -> OpDef& {
    OpDef& op = table.add("conv", name);
    op.min_inputs = op.max_inputs = 2;
    op.infer = infer;
    op.vjp = vjp;
    op.flops = flops;
    return op;
  };
  add("conv", infer_conv, vjp_conv, flops_conv).attrs<ConvAttrs>();
  OpDef& fused = add("conv_fused", infer_fused, vjp_of_compose, flops_fused).attrs<ConvFusedAttrs>();
  fused.max_inputs = -1;
  fused.compose = compose_fused;
  add("conv_input_grad", infer_input_grad, vjp_input_grad, flops_input_grad).attrs<ConvInputGradAttrs>();
  add("conv_filter_grad", infer_filter_grad, vjp_filter_grad, flops_filter_grad).attrs<ConvFilterGradAttrs>();
}

}  // namespace addax
