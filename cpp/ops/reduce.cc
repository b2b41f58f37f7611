// reduce: shape rules and gradients of reductions and cumulative ops.
#include "ops/reduce.h"

#include <cmath>

#include "addax/ops/elementwise.h"
#include "addax/ops/movement.h"
#include "addax/ops/reduce.h"
#include "ops/count.h"
#include "ops/families.h"
#include "ops/op.h"
#include "ops/vjp.h"

namespace addax {
namespace {

// ---- Shapes and dtypes

Shape without(const Shape& shape, const Dims& axes, bool keepdims) {
  Shape out;
  int next = 0;
  for (int d = 0; d < shape.rank(); ++d) {
    if (next < axes.rank() && axes[next] == d) {
      ++next;
      if (keepdims) out.push_back(1);
    } else {
      out.push_back(shape[d]);
    }
  }
  return out;
}

void require_real(const InferContext& c) {
  if (kind_of(c.in[0].dtype()) == Kind::Complex)
    fail<DtypeError>(c.op.name, ": expected a real dtype, got ", c.in[0].dtype());
}

void require_elements(const InferContext& c, const Dims& axes, const Shape& out) {
  for (int64_t a : axes)
    if (c.in[0].shape()[static_cast<int>(a)] == 0 && numel(out) != 0)
      fail<ValueError>(c.op.name, ": axis ", a, " of x ", c.in[0].shape(),
                       " is empty, and there is no such element of nothing; expected at least one element");
}

/// Sums of integers and bool are kept in at least 32 bits.
Dtype sum_dtype(Dtype dtype) {
  switch (kind_of(dtype)) {
    case Kind::Bool:
      return Dtype::Int32;
    case Kind::Signed:
      return promote(dtype, Dtype::Int32);
    case Kind::Unsigned:
      return promote(dtype, Dtype::UInt32);
    default:
      return dtype;
  }
}

struct Reduced {
  Dims axes;
  Shape out;
};

Reduced reduced(const InferContext& c) {
  require_real(c);
  const auto& a = c.attrs.as<ReduceAttrs>();
  const Dims axes = normalize_axes(a.axes, c.in[0].rank(), c.op.name);
  return {axes, without(c.in[0].shape(), axes, a.keepdims)};
}

void sum_infer(InferContext& c) { c.out(reduced(c).out, sum_dtype(c.in[0].dtype())); }

void extreme_infer(InferContext& c) {
  const Reduced r = reduced(c);
  require_elements(c, r.axes, r.out);
  c.out(r.out, c.in[0].dtype());
}

void truth_infer(InferContext& c) { c.out(reduced(c).out, Dtype::Bool); }

void logsumexp_infer(InferContext& c) {
  if (!is_float(c.in[0].dtype()))
    fail<DtypeError>(c.op.name, ": expected a floating dtype, got ", c.in[0].dtype(), "; cast with addax.ops.cast");
  c.out(reduced(c).out, c.in[0].dtype());
}

void arg_infer(InferContext& c) {
  require_real(c);
  const auto& a = c.attrs.as<ArgReduceAttrs>();
  const Dims axes{int64_t(normalize_axis(a.axis, c.in[0].rank(), c.op.name))};
  const Shape out = without(c.in[0].shape(), axes, a.keepdims);
  require_elements(c, axes, out);
  c.out(out, Dtype::Int32);
}

void scan_infer(InferContext& c) {
  require_real(c);
  normalize_axis(c.attrs.as<ScanAttrs>().axis, c.in[0].rank(), c.op.name);
  c.out(c.in[0].shape(), c.in[0].dtype() == Dtype::Bool ? Dtype::Int32 : c.in[0].dtype());
}

// ---- Gradients

Dims axes_of(const VjpContext& c) { return normalize_axes(c.attrs.as<ReduceAttrs>().axes, c.in[0].rank(), c.op.name); }

/// A reduced tensor with its reduced axes back as ones.
Tensor unreduce(const VjpContext& c, const Tensor& t) { return reshape(t, without(c.in[0].shape(), axes_of(c), true)); }

Tensors sum_vjp(const VjpContext& c) { return {broadcast_to(unreduce(c, c.grads[0]), c.in[0].shape())}; }

Tensors extreme_vjp(const VjpContext& c) {
  const Tensor& x = c.in[0];
  const Tensor chosen = cast(equal(x, unreduce(c, c.out[0])), x.dtype());
  return {chosen * (unreduce(c, c.grads[0]) / sum(chosen, axes_of(c), true))};  // ties share
}

Tensor finite_or_zero(const Tensor& x) { return where(isfinite(x), x, Tensor::scalar(0, x.dtype())); }

Tensors logsumexp_vjp(const VjpContext& c) {
  const Tensor y = unreduce(c, c.out[0]);
  const Tensor nothing = equal(y, Tensor::scalar(-INFINITY, y.dtype()));  // only -inf came in
  const Tensor shift = where(nothing, Tensor::scalar(0, y.dtype()), y);
  return {unreduce(c, c.grads[0]) * exp(c.in[0] - shift)};
}

Tensors logsumexp_compose(Span<const Tensor> in, const Attrs& attrs) {
  const auto& a = attrs.as<ReduceAttrs>();
  const Tensor& x = in[0];
  const Dims axes = normalize_axes(a.axes, x.rank(), "logsumexp");
  const Shape out = without(x.shape(), axes, a.keepdims);
  if (x.numel() == 0) return {log(sum(exp(x), axes, a.keepdims))};
  const Tensor shift = stop_gradient(finite_or_zero(max(x, axes, true)));
  return {reshape(log(sum(exp(x - shift), axes, true)) + shift, out)};
}

/// x moved by `by` along an axis: result[i] = x[i + by], `fill` beyond the end.
Tensor shifted(const Tensor& x, int axis, int64_t by, double fill) {
  const int64_t n = x.shape()[axis], keep = std::max<int64_t>(0, n - std::abs(by));
  Dims starts = Dims::filled(x.rank(), 0), stops = x.shape(), low = starts, high = starts;
  if (by > 0) {
    starts[axis] = n - keep;
    high[axis] = n - keep;
  } else {
    stops[axis] = keep;
    low[axis] = n - keep;
  }
  return pad(slice(x, starts, stops), low, high, "constant", fill);
}

/// Product of the others, by products from both sides: no division, so zeros do no harm.
Tensors prod_vjp(const VjpContext& c) {
  const Tensor& x = c.in[0];
  const Dims axes = axes_of(c);
  Dims order, inverse = Dims::filled(x.rank(), 0);
  int64_t kept = 1, n = 1;
  for (int d = 0, next = 0; d < x.rank(); ++d) {
    if (next < axes.rank() && axes[next] == d) {
      ++next;
    } else {
      order.push_back(d);
      kept *= x.shape()[d];
    }
  }
  for (int64_t a : axes) {
    order.push_back(a);
    n *= x.shape()[static_cast<int>(a)];
  }
  for (int i = 0; i < order.rank(); ++i) inverse[static_cast<int>(order[i])] = i;
  const Tensor moved = transpose(x, order);
  const Tensor rows = reshape(moved, {kept, n});
  const Tensor before = cumprod(shifted(rows, 1, -1, 1), 1), after = cumprod(shifted(rows, 1, 1, 1), 1, true);
  const Tensor grad = reshape(c.grads[0], {kept, 1}) * (before * after);
  return {transpose(reshape(grad, moved.shape()), inverse)};
}

Tensors cumsum_vjp(const VjpContext& c) {
  const auto& a = c.attrs.as<ScanAttrs>();
  return {cumsum(c.grads[0], a.axis, !a.reverse)};
}

/// dx[k] = (product before k) * s[k] with s[k] = g[k] + x[k + 1] s[k + 1]. The recurrence is solved by doubling: after
/// step d, s covers 2 d terms and the factor is the product of 2 d elements. No division, so zeros do no harm.
Tensors cumprod_vjp(const VjpContext& c) {
  const auto& a = c.attrs.as<ScanAttrs>();
  const Tensor& x = c.in[0];
  const int axis = normalize_axis(a.axis, x.rank(), c.op.name);
  const int64_t n = x.shape()[axis], ahead = a.reverse ? -1 : 1;
  const Tensor before = cumprod(shifted(x, axis, -ahead, 1), axis, a.reverse);
  Tensor s = c.grads[0], factor = shifted(x, axis, ahead, 0);
  for (int64_t d = 1; d < n; d *= 2) {
    s = s + factor * shifted(s, axis, d * ahead, 0);
    if (2 * d < n) factor = factor * shifted(factor, axis, d * ahead, 0);
  }
  return {before * s};
}

/// Over dims of size 1 there is nothing to reduce.
bool view_of_single(const Layout& in, const Shape& out_shape, const Attrs& attrs, Layout& out) {
  const int64_t count = numel(in.shape);
  if (count == 0 || count != numel(out_shape)) return false;
  out = {out_shape, {}, in.offset};
  const auto& a = attrs.as<ReduceAttrs>();
  const Dims axes = normalize_axes(a.axes, in.shape.rank(), "reduce");
  for (int d = 0, next = 0; d < in.shape.rank(); ++d) {
    const bool reduced = next < axes.rank() && axes[next] == d;
    next += reduced;
    if (!reduced || a.keepdims) out.strides.push_back(in.strides[d]);
  }
  return true;
}

// ---- Reductions of programs

const OpDef& reduction_of(const ReduceFusedAttrs& a) {
  const OpDef* op = op_table().find(a.reduction);
  if (!op || !is_reduction(*op)) fail<ValueError>("reduce_fused: '", a.reduction, "' is no reduction");
  return *op;
}

void fused_infer(InferContext& c) {
  const auto& a = c.attrs.as<ReduceFusedAttrs>();
  infer_program(c, c.in, a.program);
  const Attrs attrs = Attrs::of(a.attrs);
  const Tensors whole = {Tensor::placeholder(c.outputs[0].shape, c.outputs[0].dtype)};
  InferContext reduced{c.op, attrs, whole, {}};
  reduction_of(a).infer(reduced);
  c.outputs[0] = reduced.outputs[0];
}

Tensors fused_compose(Span<const Tensor> in, const Attrs& attrs) {
  const auto& a = attrs.as<ReduceFusedAttrs>();
  Tensors out = ADDAX_OP(fused).compose(in, Attrs::of(a.program));
  out[0] = apply1(reduction_of(a), {out[0]}, Attrs::of(a.attrs));
  return out;
}

int64_t fused_flops(Span<const Spec> in, Span<const Spec>, const Attrs& attrs) {
  const auto& a = attrs.as<ReduceFusedAttrs>();
  Spec whole = in[0];
  for (const Spec& s : in) whole.shape = broadcast(whole.shape, s.shape, "reduce_fused");
  return sum_of(program_flops(whole, a.program), numel(whole.shape));
}

// ---- Rows

Tensor call(const OpDef& op, const Tensor& x, const Dims& axes, bool keepdims) {
  return apply1(op, {x}, Attrs::of(ReduceAttrs{axes, keepdims}));
}

}  // namespace

Tensor sum(const Tensor& x, const Dims& axes, bool keepdims) { return call(ADDAX_OP(sum), x, axes, keepdims); }
Tensor prod(const Tensor& x, const Dims& axes, bool keepdims) { return call(ADDAX_OP(prod), x, axes, keepdims); }
Tensor max(const Tensor& x, const Dims& axes, bool keepdims) { return call(ADDAX_OP(max), x, axes, keepdims); }
Tensor min(const Tensor& x, const Dims& axes, bool keepdims) { return call(ADDAX_OP(min), x, axes, keepdims); }
Tensor any(const Tensor& x, const Dims& axes, bool keepdims) { return call(ADDAX_OP(any), x, axes, keepdims); }
Tensor all(const Tensor& x, const Dims& axes, bool keepdims) { return call(ADDAX_OP(all), x, axes, keepdims); }
Tensor logsumexp(const Tensor& x, const Dims& axes, bool keepdims) {
  return call(ADDAX_OP(logsumexp), x, axes, keepdims);
}

Tensor mean(const Tensor& x, const Dims& axes, bool keepdims) {
  int64_t count = 1;
  for (int64_t a : normalize_axes(axes, x.rank(), "mean")) count *= x.shape()[static_cast<int>(a)];
  // A sum in float16 overflows long before the mean does.
  const Tensor wide = x.dtype() == Dtype::Float64 ? x : cast(x, Dtype::Float32);
  return cast(sum(wide, axes, keepdims) / static_cast<double>(count), to_float(x.dtype()));
}

Tensor argmax(const Tensor& x, int64_t axis, bool keepdims) {
  return apply1(ADDAX_OP(argmax), {x}, Attrs::of(ArgReduceAttrs{axis, keepdims}));
}
Tensor argmin(const Tensor& x, int64_t axis, bool keepdims) {
  return apply1(ADDAX_OP(argmin), {x}, Attrs::of(ArgReduceAttrs{axis, keepdims}));
}
Tensor cumsum(const Tensor& x, int64_t axis, bool reverse) {
  return apply1(ADDAX_OP(cumsum), {x}, Attrs::of(ScanAttrs{axis, reverse}));
}
Tensor cumprod(const Tensor& x, int64_t axis, bool reverse) {
  return apply1(ADDAX_OP(cumprod), {x}, Attrs::of(ScanAttrs{axis, reverse}));
}

bool is_reduction(const OpDef& op) {
  return op.family == std::string_view("reduce") && op.fusion == Fusion::Reduce &&
         op.default_attrs.fields()[0].first == "axes";
}

void register_reduce(OpTable& table) {
  std::vector<OpDef*> rows;
  const auto row = [&](const char* name, Infer infer) -> OpDef& {
    OpDef& op = table.add("reduce", name);
    rows.push_back(&op);
    op.infer = infer;
    op.strided = true;
    op.fusion = Fusion::Reduce;
    return op;
  };
  const auto differentiable = [](OpDef& op, Vjp vjp, uint32_t inputs, uint32_t outputs) {
    op.vjp = vjp;
    op.save_inputs = inputs;
    op.save_outputs = outputs;
  };

  differentiable(row("sum", sum_infer).attrs<ReduceAttrs>(), sum_vjp, kSaveNone, kSaveNone);
  differentiable(row("prod", sum_infer).attrs<ReduceAttrs>(), prod_vjp, kSaveAll, kSaveNone);
  for (const char* name : {"max", "min"})
    differentiable(row(name, extreme_infer).attrs<ReduceAttrs>(), extreme_vjp, kSaveAll, kSaveAll);
  for (OpDef* op : rows) op->view = view_of_single;
  for (const char* name : {"any", "all"}) row(name, truth_infer).attrs<ReduceAttrs>().differentiable = false;
  OpDef& logsumexp = row("logsumexp", logsumexp_infer).attrs<ReduceAttrs>();
  differentiable(logsumexp, logsumexp_vjp, kSaveAll, kSaveAll);
  logsumexp.compose = logsumexp_compose;
  for (const char* name : {"argmax", "argmin"}) row(name, arg_infer).attrs<ArgReduceAttrs>().differentiable = false;

  OpDef& fused = table.add("reduce", "reduce_fused").attrs<ReduceFusedAttrs>();
  fused.max_inputs = -1;
  fused.infer = fused_infer;
  fused.compose = fused_compose;
  fused.vjp = vjp_of_compose;
  fused.flops = fused_flops;
  fused.strided = true;
  fused.in_place = [](const Attrs& attrs, int output, int input) {
    return output > 0 && may_overwrite(attrs.as<ReduceFusedAttrs>().program, output, input);
  };

  OpDef& cumsum = row("cumsum", scan_infer).attrs<ScanAttrs>();
  differentiable(cumsum, cumsum_vjp, kSaveNone, kSaveNone);
  OpDef& cumprod = row("cumprod", scan_infer).attrs<ScanAttrs>();
  differentiable(cumprod, cumprod_vjp, kSaveAll, kSaveNone);
  for (OpDef* op : {&cumsum, &cumprod}) {
    op->strided = false;
    op->fusion = Fusion::Opaque;
  }
}

}  // namespace addax
