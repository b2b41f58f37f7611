// index: attributes, shape rules and gradients.
#include "ops/index.h"

#include <numeric>

#include "addax/ops/elementwise.h"
#include "addax/ops/index.h"
#include "addax/ops/movement.h"
#include "ops/check.h"
#include "ops/families.h"
#include "ops/vjp.h"

namespace addax {
namespace {

int axis_of(const Attrs& attrs, const Tensor& x, const OpDef& op) {
  return normalize_axis(attrs.as<AlongAxisAttrs>().axis, x.rank(), op.name);
}

// ---- take

void take_infer(InferContext& c) {
  require_integers(c, 1);
  const Shape &x = c.in[0].shape(), &indices = c.in[1].shape();
  const int axis = axis_of(c.attrs, c.in[0], c.op);
  Shape out(x.begin(), x.begin() + axis);
  for (int64_t n : indices) out.push_back(n);
  for (int i = axis + 1; i < x.rank(); ++i) out.push_back(x[i]);
  c.out(out, c.in[0].dtype());
}

Tensors take_vjp(const VjpContext& c) {
  return {take_adjoint(c.grads[0], c.in[0], c.in[1], axis_of(c.attrs, c.in[0], c.op)), Tensor()};
}

// ---- along an axis

void require_along_axis(const InferContext& c, int axis) {
  const Shape &x = c.in[0].shape(), &indices = c.in[1].shape();
  bool fits = x.rank() == indices.rank();
  for (int i = 0; fits && i < x.rank(); ++i) fits = i == axis || x[i] == indices[i];
  if (!fits)
    fail<ShapeError>(c.op.name, ": indices of shape ", indices, " do not fit x of shape ", x,
                     "; all dimensions but axis ", axis, " must be equal; broadcast with addax.ops.broadcast_to");
}

void take_along_axis_infer(InferContext& c) {
  require_integers(c, 1);
  require_along_axis(c, axis_of(c.attrs, c.in[0], c.op));
  c.out(c.in[1].shape(), c.in[0].dtype());
}

Tensors take_along_axis_vjp(const VjpContext& c) {
  const int64_t axis = c.attrs.as<AlongAxisAttrs>().axis;
  return {scatter_add_along_axis(zeros_like(c.in[0]), c.in[1], c.grads[0], axis), Tensor()};
}

void scatter_add_along_axis_infer(InferContext& c) {
  require_integers(c, 1);
  require_one_dtype(c, {0, 2});
  require_along_axis(c, axis_of(c.attrs, c.in[0], c.op));
  if (c.in[1].shape() != c.in[2].shape())
    fail<ShapeError>(c.op.name, ": indices and updates must have one shape, got ", c.in[1].shape(), " and ",
                     c.in[2].shape(), "; broadcast with addax.ops.broadcast_to");
  c.out(c.in[0].shape(), c.in[0].dtype());
}

Tensors scatter_add_along_axis_vjp(const VjpContext& c) {
  const Tensor& g = c.grads[0];
  Tensors out(3);
  if (c.need(0)) out[0] = g;
  if (c.need(2)) out[2] = take_along_axis(g, c.in[1], c.attrs.as<AlongAxisAttrs>().axis);
  return out;
}

// ---- at points

// indices.shape[:-1] + x.shape[k:]
Shape shape_at_points(const InferContext& c) {
  require_integers(c, 1);
  const Shape &x = c.in[0].shape(), &indices = c.in[1].shape();
  if (indices.empty() || indices.back() < 1 || indices.back() > x.rank())
    fail<ShapeError>(c.op.name, ": indices of shape ", indices, " must have a last dimension k of 1 to the rank of x ",
                     x, ": the first k dimensions of x are addressed");
  Shape out(indices.begin(), indices.end() - 1);
  for (int i = static_cast<int>(indices.back()); i < x.rank(); ++i) out.push_back(x[i]);
  return out;
}

void gather_nd_infer(InferContext& c) { c.out(shape_at_points(c), c.in[0].dtype()); }

Tensors gather_nd_vjp(const VjpContext& c) { return {scatter_add(zeros_like(c.in[0]), c.in[1], c.grads[0]), Tensor()}; }

void scatter_infer(InferContext& c) {
  const Shape expected = shape_at_points(c);
  require_one_dtype(c, {0, 2});
  if (c.in[2].shape() != expected)
    fail<ShapeError>(c.op.name, ": updates have shape ", c.in[2].shape(), ", but x ", c.in[0].shape(), " at indices ",
                     c.in[1].shape(), " has ", expected, "; broadcast with addax.ops.broadcast_to");
  c.out(c.in[0].shape(), c.in[0].dtype());
}

Tensors scatter_add_vjp(const VjpContext& c) {
  const Tensor& g = c.grads[0];
  Tensors out(3);
  if (c.need(0)) out[0] = g;
  if (c.need(2)) out[2] = gather_nd(g, c.in[1]);
  return out;
}

// x loses its gradient where it was overwritten; of the updates to one place the last has it.
Tensors scatter_vjp(const VjpContext& c) {
  const Tensor &g = c.grads[0], &indices = c.in[1];
  const int k = static_cast<int>(indices.shape().back());
  Tensors out(3);
  if (c.need(0)) out[0] = scatter(g, indices, zeros_like(c.in[2]));
  if (c.need(2)) {
    Shape batch(indices.shape().begin(), indices.shape().end() - 1);
    std::vector<int64_t> numbers(static_cast<size_t>(numel(batch)));
    std::iota(numbers.begin(), numbers.end(), 0);
    const Tensor number = Tensor::from_data(numbers.data(), batch);
    const Shape points(g.shape().begin(), g.shape().begin() + k);
    const Tensor last = scatter(zeros_like(Tensor::placeholder(points, Dtype::Int64)), indices, number);
    const Tensor stays = equal(gather_nd(last, indices), number);
    for (int i = k; i < g.rank(); ++i) batch.push_back(1);
    out[2] = where(reshape(stays, batch), gather_nd(g, indices), Tensor::scalar(0, g.dtype()));
  }
  return out;
}

// ---- one_hot

void one_hot_infer(InferContext& c) {
  require_integers(c, 0);
  const OneHotAttrs& a = c.attrs.as<OneHotAttrs>();
  if (a.depth < 0) fail<ValueError>(c.op.name, ": depth must be >= 0, got ", a.depth);
  Shape out = c.in[0].shape();
  out.push_back(a.depth);
  c.out(out, a.dtype);
}

}  // namespace

Tensors take_rows(Span<const Tensor> tensors, const Tensor* order, int64_t start, int64_t stop) {
  const Tensor rows = order ? slice(*order, {start}, {stop}) : Tensor();
  Tensors taken;
  taken.reserve(tensors.size());
  for (const Tensor& t : tensors) {
    Dims first = Dims::filled(t.rank(), 0), last = t.shape();
    if (t.rank() > 0) {
      first[0] = start;
      last[0] = stop;
    }
    taken.push_back(order ? take(t, rows, 0) : slice(t, first, last));
  }
  return taken;
}

Tensor take_adjoint(const Tensor& g, const Tensor& x, const Tensor& indices, int axis) {
  // The axis, and in g the dimensions of the indices, go to the front and back.
  Dims forward, inverse, swap;
  for (int i = 0; i < indices.rank(); ++i) forward.push_back(axis + i);
  for (int i = 0; i < axis; ++i) forward.push_back(i);
  for (int i = axis + indices.rank(); i < g.rank(); ++i) forward.push_back(i);
  swap.push_back(axis);
  for (int i = 0; i < x.rank(); ++i)
    if (i != axis) swap.push_back(i);
  inverse = swap;
  for (int i = 0; i < x.rank(); ++i) inverse[static_cast<int>(swap[i])] = i;

  Shape shape, points = indices.shape();
  for (int64_t i : swap) shape.push_back(x.shape()[static_cast<int>(i)]);
  points.push_back(1);
  const Tensor zeros = zeros_like(Tensor::placeholder(shape, g.dtype()));
  if (axis == 0) return scatter_add(zeros, reshape(indices, points), g);
  return transpose(scatter_add(zeros, reshape(indices, points), transpose(g, forward)), inverse);
}

Tensor take(const Tensor& x, const Tensor& indices, int64_t axis) {
  return apply1(ADDAX_OP(take), {x, indices}, Attrs::of(AlongAxisAttrs{axis}));
}
Tensor take_along_axis(const Tensor& x, const Tensor& indices, int64_t axis) {
  return apply1(ADDAX_OP(take_along_axis), {x, indices}, Attrs::of(AlongAxisAttrs{axis}));
}
Tensor gather_nd(const Tensor& x, const Tensor& indices) { return apply1(ADDAX_OP(gather_nd), {x, indices}); }
Tensor scatter_add(const Tensor& x, const Tensor& indices, const Tensor& updates) {
  return apply1(ADDAX_OP(scatter_add), {x, indices, updates});
}
Tensor scatter(const Tensor& x, const Tensor& indices, const Tensor& updates) {
  return apply1(ADDAX_OP(scatter), {x, indices, updates});
}
Tensor scatter_add_along_axis(const Tensor& x, const Tensor& indices, const Tensor& updates, int64_t axis) {
  return apply1(ADDAX_OP(scatter_add_along_axis), {x, indices, updates}, Attrs::of(AlongAxisAttrs{axis}));
}
Tensor one_hot(const Tensor& indices, int64_t depth, Dtype dtype) {
  return apply1(ADDAX_OP(one_hot), {indices}, Attrs::of(OneHotAttrs{depth, dtype}));
}

void register_index(OpTable& table) {
  constexpr uint32_t kSaveIndices = 2;  // input 1
  auto add = [&](const char* name, int inputs, Infer infer, Vjp vjp) -> OpDef& {
    OpDef& op = table.add("index", name);
    op.min_inputs = op.max_inputs = inputs;
    op.infer = infer;
    op.vjp = vjp;
    op.save_inputs = kSaveIndices;
    return op;
  };
  add("take", 2, take_infer, take_vjp).attrs<AlongAxisAttrs>();
  add("take_along_axis", 2, take_along_axis_infer, take_along_axis_vjp).attrs<AlongAxisAttrs>();
  add("gather_nd", 2, gather_nd_infer, gather_nd_vjp);

  auto add_scatter = [&](const char* name, Infer infer, Vjp vjp) -> OpDef& {
    OpDef& op = add(name, 3, infer, vjp);
    op.strided = true;  // x is copied to the output whatever its strides; zeros are often a broadcast scalar
    op.donates = 1;
    return op;
  };
  add_scatter("scatter_add", scatter_infer, scatter_add_vjp);
  add_scatter("scatter", scatter_infer, scatter_vjp);
  add_scatter("scatter_add_along_axis", scatter_add_along_axis_infer, scatter_add_along_axis_vjp)
      .attrs<AlongAxisAttrs>();

  OpDef& hot = add("one_hot", 1, one_hot_infer, nullptr).attrs<OneHotAttrs>();
  hot.differentiable = false;
  hot.save_inputs = kSaveNone;
}

}  // namespace addax
