// sort: attributes, shape rules and gradients.
#include "ops/sort.h"

#include <limits>

#include "addax/ops/index.h"
#include "addax/ops/sort.h"
#include "ops/families.h"
#include "ops/op.h"
#include "ops/vjp.h"

namespace addax {
namespace {

void require_countable(const InferContext& c, int axis) {
  if (kind_of(c.in[0].dtype()) == Kind::Complex)
    fail<DtypeError>(c.op.name, ": expected a real dtype, got ", c.in[0].dtype());
  if (c.in[0].shape()[axis] > std::numeric_limits<int32_t>::max())
    fail<ShapeError>(c.op.name, ": axis ", axis, " of x ", c.in[0].shape(), " is too long for int32 positions");
}

void sort_infer(InferContext& c) {
  require_countable(c, normalize_axis(c.attrs.as<SortAttrs>().axis, c.in[0].rank(), c.op.name));
  c.out(c.in[0].shape(), c.in[0].dtype());
}

Tensors sort_vjp(const VjpContext& c) {
  const SortAttrs& a = c.attrs.as<SortAttrs>();
  const Tensor order = argsort(c.in[0], a.axis, a.descending);
  return {scatter_add_along_axis(zeros_like(c.in[0]), order, c.grads[0], a.axis)};
}

void argsort_infer(InferContext& c) {
  require_countable(c, normalize_axis(c.attrs.as<SortAttrs>().axis, c.in[0].rank(), c.op.name));
  c.out(c.in[0].shape(), Dtype::Int32);
}

void top_k_infer(InferContext& c) {
  const int64_t k = c.attrs.as<TopKAttrs>().k;
  const int axis = normalize_axis(-1, c.in[0].rank(), c.op.name);
  require_countable(c, axis);
  Shape shape = c.in[0].shape();
  if (k < 0 || k > shape[axis])
    fail<ValueError>(c.op.name, ": k must be 0 to the size of the last axis of x ", shape, ", got ", k);
  shape[axis] = k;
  c.out(shape, c.in[0].dtype());
  c.out(shape, Dtype::Int32);
}

Tensors top_k_vjp(const VjpContext& c) {
  if (!c.grads[0]) return {Tensor()};
  return {scatter_add_along_axis(zeros_like(c.in[0]), c.out[1], c.grads[0], -1)};
}

}  // namespace

Tensor sort(const Tensor& x, int64_t axis, bool descending) {
  return apply1(ADDAX_OP(sort), {x}, Attrs::of(SortAttrs{axis, descending}));
}
Tensor argsort(const Tensor& x, int64_t axis, bool descending) {
  return apply1(ADDAX_OP(argsort), {x}, Attrs::of(SortAttrs{axis, descending}));
}
Tensors top_k(const Tensor& x, int64_t k) { return apply(ADDAX_OP(top_k), {x}, Attrs::of(TopKAttrs{k})); }

void register_sort(OpTable& table) {
  OpDef& sorted = table.add("sort", "sort").attrs<SortAttrs>();
  sorted.infer = sort_infer;
  sorted.vjp = sort_vjp;
  sorted.strided = true;

  OpDef& order = table.add("sort", "argsort").attrs<SortAttrs>();
  order.infer = argsort_infer;
  order.differentiable = false;
  order.strided = true;

  OpDef& top = table.add("sort", "top_k").attrs<TopKAttrs>();
  top.infer = top_k_infer;
  top.vjp = top_k_vjp;
  top.save_inputs = kSaveNone;
  top.save_outputs = 2;  // the positions
  top.strided = true;
}

}  // namespace addax
