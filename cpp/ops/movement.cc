// movement: attributes, shape rules, view rules and gradients.
#include "ops/movement.h"

#include "addax/ops/index.h"
#include "addax/ops/movement.h"
#include "ops/check.h"
#include "ops/families.h"
#include "ops/index.h"
#include "ops/vjp.h"

namespace addax {

Dims permutation(const Dims& axes, int rank) {
  Dims out;
  for (int i = 0; i < rank; ++i)
    out.push_back(axes.empty() ? rank - 1 - i : normalize_axis(axes[i], rank, "transpose"));
  return out;
}

Dims inverse(const Dims& axes) {
  Dims out = axes;
  for (int i = 0; i < axes.rank(); ++i) out[static_cast<int>(axes[i])] = i;
  return out;
}

Shape permuted(const Shape& shape, const Dims& axes) {
  Shape out;
  for (const int64_t axis : axes) out.push_back(shape[static_cast<int>(axis)]);
  return out;
}

namespace {

void require_rank(const InferContext& c, const char* name, const Dims& values) {
  if (values.rank() != c.in[0].rank())
    fail<ShapeError>(c.op.name, ": ", name, " must have one entry per dimension of x, got ", values, " for x of shape ",
                     c.in[0].shape());
}

// ---- reshape

void reshape_infer(InferContext& c) {
  const Shape& from = c.in[0].shape();
  Shape to = c.attrs.as<ReshapeAttrs>().shape;
  int unknown = -1;
  Shape known;
  for (int i = 0; i < to.rank(); ++i) {
    if (to[i] == -1 && unknown < 0) {
      unknown = i;
      continue;
    }
    if (to[i] < 0)
      fail<ShapeError>(c.op.name, ": shape ", to, " must be of sizes >= 0 with at most one -1, which is worked out");
    known.push_back(to[i]);
  }
  const int64_t have = numel(from), want = numel(known);
  if (unknown >= 0 && want > 0 && have % want == 0)
    to[unknown] = have / want;
  else if (unknown >= 0 || have != want)
    fail<ShapeError>(c.op.name, ": cannot make shape ", to, " of x ", from, ", which has ", have, " elements");
  c.out(to, c.in[0].dtype());
}

Tensors reshape_vjp(const VjpContext& c) { return {reshape(c.grads[0], c.in[0].shape())}; }

// ---- transpose

void transpose_infer(InferContext& c) {
  const Dims& axes = c.attrs.as<TransposeAttrs>().axes;
  const Shape& shape = c.in[0].shape();
  if (!axes.empty()) {
    require_rank(c, "axes", axes);
    normalize_axes(axes, shape.rank(), c.op.name);  // each axis once
  }
  c.out(permuted(shape, permutation(axes, shape.rank())), c.in[0].dtype());
}

Tensors transpose_vjp(const VjpContext& c) {
  return {transpose(c.grads[0], inverse(permutation(c.attrs.as<TransposeAttrs>().axes, c.in[0].rank())))};
}

// ---- broadcast_to

void broadcast_to_infer(InferContext& c) {
  const Shape &from = c.in[0].shape(), &to = c.attrs.as<BroadcastToAttrs>().shape;
  const int added = to.rank() - from.rank();
  bool fits = added >= 0;
  for (int i = 0; fits && i < to.rank(); ++i)
    fits = to[i] >= 0 && (i < added || from[i - added] == to[i] || from[i - added] == 1);
  if (!fits)
    fail<ShapeError>(c.op.name, ": x of shape ", from, " does not broadcast to ", to,
                     "; counted from the last, each dimension of x must be 1 or the one of the result");
  c.out(to, c.in[0].dtype());
}

Tensors broadcast_to_vjp(const VjpContext& c) { return {fit_to(c.grads[0], c.in[0])}; }

// ---- slice, slice_update

Shape sliced_shape(const InferContext& c) {
  const SliceAttrs& a = c.attrs.as<SliceAttrs>();
  require_rank(c, "starts", a.starts);
  require_rank(c, "stops", a.stops);
  if (!a.steps.empty()) require_rank(c, "steps", a.steps);
  const Shape& shape = c.in[0].shape();
  Shape out;
  for (int i = 0; i < shape.rank(); ++i) {
    const int64_t start = a.starts[i], stop = a.stops[i], step = a.step(i), n = shape[i];
    if (step == 0) fail<ValueError>(c.op.name, ": the step of axis ", i, " must not be 0");
    const bool any = step > 0 ? start < stop : start > stop;
    const bool inside = step > 0 ? start >= 0 && stop <= n : start < n && stop >= -1;
    if (any && !inside)
      fail<IndexError>(c.op.name, ": ", start, ":", stop, ":", step, " leaves axis ", i, " of size ", n);
    // Only what lies inside has a difference that is sure to fit. A quotient by -2^63 has no sign to lose.
    out.push_back(!any ? 0 : step > 0 ? (stop - start - 1) / step + 1 : (stop - start + 1) / step + 1);
  }
  return out;
}

void slice_infer(InferContext& c) { c.out(sliced_shape(c), c.in[0].dtype()); }

Tensors slice_vjp(const VjpContext& c) {
  const SliceAttrs& a = c.attrs.as<SliceAttrs>();
  return {slice_update(zeros_like(c.in[0]), c.grads[0], a.starts, a.stops, a.steps)};
}

void slice_update_infer(InferContext& c) {
  require_one_dtype(c, {0, 1});
  const Shape shape = sliced_shape(c);
  if (c.in[1].shape() != shape)
    fail<ShapeError>(c.op.name, ": update has shape ", c.in[1].shape(), ", the slice of x ", c.in[0].shape(),
                     " that it replaces has ", shape, "; broadcast with addax.ops.broadcast_to");
  c.out(c.in[0].shape(), c.in[0].dtype());
}

Tensors slice_update_vjp(const VjpContext& c) {
  const SliceAttrs& a = c.attrs.as<SliceAttrs>();
  const Tensor& g = c.grads[0];
  Tensors out(2);
  if (c.need(0)) out[0] = slice_update(g, zeros_like(c.in[1]), a.starts, a.stops, a.steps);
  if (c.need(1)) out[1] = slice(g, a.starts, a.stops, a.steps);
  return out;
}

// ---- pad

Shape padded_shape(const Shape& shape, const PadAttrs& a) {
  Shape out = shape;
  for (int i = 0; i < shape.rank(); ++i) out[i] += a.low[i] + a.high[i];
  return out;
}

// Where x lies in the padded array.
SliceAttrs inner_slice(const Shape& shape, const PadAttrs& a) {
  SliceAttrs s{a.low, a.low, {}};
  for (int i = 0; i < shape.rank(); ++i) s.stops[i] += shape[i];
  return s;
}

void pad_infer(InferContext& c) {
  const PadAttrs& a = c.attrs.as<PadAttrs>();
  const Shape& shape = c.in[0].shape();
  require_rank(c, "low", a.low);
  require_rank(c, "high", a.high);
  const PadMode mode = pad_mode(a.mode);
  for (int i = 0; i < shape.rank(); ++i) {
    if (a.low[i] < 0 || a.high[i] < 0 || a.low[i] > kAddressable || a.high[i] > kAddressable)
      fail<ValueError>(c.op.name, ": widths must be >= 0 and less than memory, got low ", a.low, " and high ", a.high,
                       "; to remove elements use a slice");
    if (mode != PadMode::Constant && shape[i] == 0 && a.low[i] + a.high[i] > 0)
      fail<ShapeError>(c.op.name, ": axis ", i, " of x ", shape, " is empty, so mode \"", a.mode,
                       "\" has nothing to repeat; use mode \"constant\"");
  }
  c.out(padded_shape(shape, a), c.in[0].dtype());
}

// The positions that the padded axis reads, for modes that repeat x.
Tensor pad_sources(const PadAttrs& a, int axis, int64_t n) {
  const PadMode mode = pad_mode(a.mode);
  std::vector<int64_t> sources;
  for (int64_t i = -a.low[axis]; i < n + a.high[axis]; ++i) sources.push_back(pad_source(mode, i, n));
  return Tensor::from_data(sources.data(), {static_cast<int64_t>(sources.size())});
}

Tensors pad_compose(Span<const Tensor> in, const Attrs& attrs) {
  const PadAttrs& a = attrs.as<PadAttrs>();
  Tensor x = in[0];
  if (pad_mode(a.mode) == PadMode::Constant) {
    const SliceAttrs s = inner_slice(x.shape(), a);
    const Tensor value = broadcast_to(Tensor::scalar(a.value, x.dtype()), padded_shape(x.shape(), a));
    return {slice_update(value, x, s.starts, s.stops)};
  }
  for (int axis = 0; axis < x.rank(); ++axis)
    if (a.low[axis] + a.high[axis] > 0) x = take(x, pad_sources(a, axis, x.shape()[axis]), axis);
  return {x};
}

Tensors pad_vjp(const VjpContext& c) {
  const PadAttrs& a = c.attrs.as<PadAttrs>();
  const Shape& shape = c.in[0].shape();
  Tensor g = c.grads[0];
  if (pad_mode(a.mode) == PadMode::Constant) {
    const SliceAttrs s = inner_slice(shape, a);
    return {slice(g, s.starts, s.stops)};
  }
  for (int axis = shape.rank() - 1; axis >= 0; --axis)
    if (a.low[axis] + a.high[axis] > 0) {
      Shape before = g.shape();
      before[axis] = shape[axis];
      g = take_adjoint(g, Tensor::placeholder(before, g.dtype()), pad_sources(a, axis, shape[axis]), axis);
    }
  return {g};
}

// ---- concatenate

void concatenate_infer(InferContext& c) {
  const Tensor& first = c.in[0];
  const int axis = normalize_axis(c.attrs.as<ConcatenateAttrs>().axis, first.rank(), c.op.name);
  Shape out = first.shape();
  for (size_t i = 1; i < c.in.size(); ++i) {
    const Tensor& t = c.in[i];
    require_one_dtype(c, {0, static_cast<int>(i)});
    bool fits = t.rank() == first.rank();
    for (int d = 0; fits && d < t.rank(); ++d) fits = d == axis || t.shape()[d] == first.shape()[d];
    if (!fits)
      fail<ShapeError>(c.op.name, ": input ", i, " of shape ", t.shape(), " does not fit input 0 of shape ",
                       first.shape(), "; all dimensions but axis ", axis, " must be equal");
    out[axis] += t.shape()[axis];
    check_size(c.op.name, out, first.dtype());
  }
  c.out(out, first.dtype());
}

Tensors concatenate_vjp(const VjpContext& c) {
  const Tensor& g = c.grads[0];
  const int axis = normalize_axis(c.attrs.as<ConcatenateAttrs>().axis, g.rank(), c.op.name);
  Dims starts = Dims::filled(g.rank(), 0), stops = g.shape();
  stops[axis] = 0;
  Tensors out;
  for (const Tensor& t : c.in) {  // `needs` has bits for the first 32 inputs only; slices are free
    starts[axis] = stops[axis];
    stops[axis] += t.shape()[axis];
    out.push_back(slice(g, starts, stops));
  }
  return out;
}

// ---- flip

void flip_infer(InferContext& c) {
  normalize_axes(c.attrs.as<FlipAttrs>().axes, c.in[0].rank(), c.op.name);
  c.out(c.in[0].shape(), c.in[0].dtype());
}

Tensors flip_vjp(const VjpContext& c) { return {flip(c.grads[0], c.attrs.as<FlipAttrs>().axes)}; }

// ---- barrier, shard

void identity_infer(InferContext& c) { c.out(c.in[0].shape(), c.in[0].dtype()); }

Tensors barrier_vjp(const VjpContext& c) { return {c.grads[0]}; }

Tensors shard_vjp(const VjpContext& c) { return {shard(c.grads[0], c.attrs.as<ShardAttrs>().sharding)}; }

}  // namespace

PadMode pad_mode(const std::string& name) {
  if (name == "constant") return PadMode::Constant;
  if (name == "reflect") return PadMode::Reflect;
  if (name == "symmetric") return PadMode::Symmetric;
  if (name == "edge") return PadMode::Edge;
  fail<ValueError>("pad: mode must be \"constant\", \"reflect\", \"symmetric\" or \"edge\", got \"", name, "\"");
}

// Runs of dimensions of both shapes with the same number of elements are matched; each run of the input must be one
// progression of steps, which the run of the output then cuts anew.
bool reshape_view(const Layout& in, const Shape& out_shape, const Attrs&, Layout& out) {
  out = {out_shape, contiguous_strides(out_shape), in.offset};
  if (in.is_contiguous()) return true;
  Shape shape;
  Strides strides;
  for (int i = 0; i < in.shape.rank(); ++i)
    if (in.shape[i] != 1) {
      shape.push_back(in.shape[i]);
      strides.push_back(in.strides[i]);
    }
  int i = 0, o = 0;  // the runs are [i, i_end) and [o, o_end)
  while (i < shape.rank()) {
    int i_end = i + 1, o_end = o + 1;
    int64_t i_size = shape[i], o_size = out_shape[o];
    while (i_size != o_size)
      if (i_size < o_size)
        i_size *= shape[i_end++];
      else
        o_size *= out_shape[o_end++];
    for (int d = i; d + 1 < i_end; ++d)
      if (strides[d] != strides[d + 1] * shape[d + 1]) return false;
    int64_t stride = strides[i_end - 1];
    for (int d = o_end - 1; d >= o; --d) {
      out.strides[d] = stride;
      stride *= out_shape[d];
    }
    i = i_end;
    o = o_end;
  }
  return true;
}

bool transpose_view(const Layout& in, const Shape& out_shape, const Attrs& attrs, Layout& out) {
  out = {out_shape, {}, in.offset};
  for (int64_t axis : permutation(attrs.as<TransposeAttrs>().axes, in.shape.rank()))
    out.strides.push_back(in.strides[static_cast<int>(axis)]);
  return true;
}

bool broadcast_to_view(const Layout& in, const Shape& out_shape, const Attrs&, Layout& out) {
  out = {out_shape, Dims::filled(out_shape.rank(), 0), in.offset};
  const int added = out_shape.rank() - in.shape.rank();
  for (int i = 0; i < in.shape.rank(); ++i)
    if (in.shape[i] == out_shape[i + added]) out.strides[i + added] = in.strides[i];
  return true;
}

bool slice_view(const Layout& in, const Shape& out_shape, const Attrs& attrs, Layout& out) {
  const SliceAttrs& a = attrs.as<SliceAttrs>();
  out = {out_shape, in.strides, in.offset};
  const bool empty = numel(out_shape) == 0;  // the start may then lie past the end
  for (int i = 0; i < in.shape.rank(); ++i) {
    if (!empty) out.offset += a.starts[i] * in.strides[i];
    if (out_shape[i] > 1) out.strides[i] *= a.step(i);  // a step beyond the end may be of any size
  }
  return true;
}

bool flip_view(const Layout& in, const Shape& out_shape, const Attrs& attrs, Layout& out) {
  out = {out_shape, in.strides, in.offset};
  for (int64_t axis : normalize_axes(attrs.as<FlipAttrs>().axes, in.shape.rank(), "flip")) {
    const int i = static_cast<int>(axis);
    if (numel(in.shape) > 0) out.offset += (in.shape[i] - 1) * in.strides[i];
    out.strides[i] = -in.strides[i];
  }
  return true;
}

bool identity_view(const Layout& in, const Shape&, const Attrs&, Layout& out) {
  out = in;
  return true;
}

Tensor reshape(const Tensor& x, const Shape& shape) {
  return apply1(ADDAX_OP(reshape), {x}, Attrs::of(ReshapeAttrs{shape}));
}
Tensor transpose(const Tensor& x, const Dims& axes) {
  return apply1(ADDAX_OP(transpose), {x}, Attrs::of(TransposeAttrs{axes}));
}
Tensor broadcast_to(const Tensor& x, const Shape& shape) {
  return apply1(ADDAX_OP(broadcast_to), {x}, Attrs::of(BroadcastToAttrs{shape}));
}
Tensor slice(const Tensor& x, const Dims& starts, const Dims& stops, const Dims& steps) {
  return apply1(ADDAX_OP(slice), {x}, Attrs::of(SliceAttrs{starts, stops, steps}));
}
Tensor slice_update(const Tensor& x, const Tensor& update, const Dims& starts, const Dims& stops, const Dims& steps) {
  return apply1(ADDAX_OP(slice_update), {x, update}, Attrs::of(SliceAttrs{starts, stops, steps}));
}
Tensor pad(const Tensor& x, const Dims& low, const Dims& high, const std::string& mode, double value) {
  return apply1(ADDAX_OP(pad), {x}, Attrs::of(PadAttrs{low, high, mode, value}));
}
Tensor concatenate(const Tensors& tensors, int64_t axis) {
  return apply1(ADDAX_OP(concatenate), tensors, Attrs::of(ConcatenateAttrs{axis}));
}
Tensor barrier(const Tensor& x, int64_t region) {
  return apply1(ADDAX_OP(barrier), {x}, Attrs::of(BarrierAttrs{region}));
}
Tensor shard(const Tensor& x, int64_t sharding) {
  return apply1(ADDAX_OP(shard), {x}, Attrs::of(ShardAttrs{sharding}));
}
Tensor flip(const Tensor& x, const Dims& axes) { return apply1(ADDAX_OP(flip), {x}, Attrs::of(FlipAttrs{axes})); }

void register_movement(OpTable& table) {
  auto add = [&](const char* name, Infer infer, Vjp vjp) -> OpDef& {
    OpDef& op = table.add("movement", name);
    op.infer = infer;
    op.vjp = vjp;
    op.save_inputs = kSaveNone;  // the gradients read shapes only
    op.strided = true;
    return op;
  };
  auto add_view = [&](const char* name, Infer infer, Vjp vjp, ViewRule view) -> OpDef& {
    OpDef& op = add(name, infer, vjp);
    op.view = view;
    op.fusion = Fusion::View;
    return op;
  };
  add_view("reshape", reshape_infer, reshape_vjp, reshape_view).attrs<ReshapeAttrs>();
  add_view("transpose", transpose_infer, transpose_vjp, transpose_view).attrs<TransposeAttrs>();
  add_view("broadcast_to", broadcast_to_infer, broadcast_to_vjp, broadcast_to_view).attrs<BroadcastToAttrs>();
  add_view("slice", slice_infer, slice_vjp, slice_view).attrs<SliceAttrs>();
  add_view("flip", flip_infer, flip_vjp, flip_view).attrs<FlipAttrs>();
  add_view("barrier", identity_infer, barrier_vjp, identity_view).attrs<BarrierAttrs>();
  add_view("shard", identity_infer, shard_vjp, identity_view).attrs<ShardAttrs>();

  OpDef& update = add("slice_update", slice_update_infer, slice_update_vjp).attrs<SliceAttrs>();
  update.min_inputs = update.max_inputs = 2;
  update.donates = 1;

  OpDef& padding = add("pad", pad_infer, pad_vjp).attrs<PadAttrs>();
  padding.compose = pad_compose;
  padding.strided = false;

  OpDef& joined = add("concatenate", concatenate_infer, concatenate_vjp).attrs<ConcatenateAttrs>();
  joined.max_inputs = -1;
}

}  // namespace addax
