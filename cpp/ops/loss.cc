// loss: shape rules and gradients of the fused losses.
#include "addax/ops/loss.h"

#include "addax/ops/elementwise.h"
#include "addax/ops/index.h"
#include "addax/ops/movement.h"
#include "addax/ops/norm.h"
#include "addax/ops/reduce.h"
#include "ops/check.h"
#include "ops/families.h"
#include "ops/vjp.h"

namespace addax {
namespace {

/// Checks the logits; the shape of the losses.
Shape loss_shape(const InferContext& c) {
  const Tensor& logits = c.in[0];
  if (!is_float(logits.dtype()))
    fail<DtypeError>(c.op.name, ": expected floating logits, got ", logits.dtype(), "; cast with addax.ops.cast");
  if (logits.rank() == 0)
    fail<ShapeError>(c.op.name, ": logits need a last axis of classes, got shape ", logits.shape());
  if (logits.shape().back() == 0) fail<ShapeError>(c.op.name, ": logits of shape ", logits.shape(), " have no classes");
  Shape shape = logits.shape();
  shape.pop_back();
  return shape;
}

void require_targets(const InferContext& c) {
  require_one_dtype(c, {0, 1});
  if (c.in[1].shape() != c.in[0].shape())
    fail<ShapeError>(c.op.name, ": targets must have the shape of the logits, ", c.in[0].shape(), ", got ",
                     c.in[1].shape(), "; for integer labels use sparse_softmax_cross_entropy");
}

void require_labels(const InferContext& c, const Shape& shape) {
  if (!is_int(c.in[1].dtype()))
    fail<DtypeError>(c.op.name, ": labels must be integers, got ", c.in[1].dtype(),
                     "; cast with addax.ops.cast(labels, \"int32\")");
  if (c.in[1].shape() != shape)
    fail<ShapeError>(c.op.name, ": labels must have shape ", shape, " for logits of shape ", c.in[0].shape(), ", got ",
                     c.in[1].shape());
}

void require_gradient(const InferContext& c, const Shape& shape) {
  require_one_dtype(c, {0, 2});
  if (c.in[2].shape() != shape)
    fail<ShapeError>(c.op.name, ": g must have shape ", shape, " for logits of shape ", c.in[0].shape(), ", got ",
                     c.in[2].shape());
}

void dense_infer(InferContext& c) {
  const Shape shape = loss_shape(c);
  require_targets(c);
  c.out(shape, c.in[0].dtype());
}

void dense_grad_infer(InferContext& c) {
  const Shape shape = loss_shape(c);
  require_targets(c);
  require_gradient(c, shape);
  c.out(c.in[0].shape(), c.in[0].dtype());
}

void sparse_infer(InferContext& c) {
  const Shape shape = loss_shape(c);
  require_labels(c, shape);
  c.out(shape, c.in[0].dtype());
}

void sparse_grad_infer(InferContext& c) {
  const Shape shape = loss_shape(c);
  require_labels(c, shape);
  require_gradient(c, shape);
  c.out(c.in[0].shape(), c.in[0].dtype());
}

/// A value per example beside the classes.
Tensor per_class(const Tensor& t) {
  Shape shape = t.shape();
  shape.push_back(1);
  return reshape(t, shape);
}

Tensors dense_vjp(const VjpContext& c) {
  Tensors grads(2);
  if (c.need(0)) grads[0] = softmax_cross_entropy_grad(c.in[0], c.in[1], c.grads[0]);
  if (c.need(1)) grads[1] = -(log_softmax(c.in[0]) * per_class(c.grads[0]));
  return grads;
}

Tensors sparse_vjp(const VjpContext& c) {
  Tensors grads(2);
  if (c.need(0)) grads[0] = sparse_softmax_cross_entropy_grad(c.in[0], c.in[1], c.grads[0]);
  return grads;
}

Tensors dense_compose(Span<const Tensor> in, const Attrs&) { return {-sum(in[1] * log_softmax(in[0]), {-1})}; }

Tensors dense_grad_compose(Span<const Tensor> in, const Attrs&) {
  return {per_class(in[2]) * (softmax(in[0]) * sum(in[1], {-1}, true) - in[1])};
}

Tensors sparse_compose(Span<const Tensor> in, const Attrs&) {
  return {reshape(-take_along_axis(log_softmax(in[0]), per_class(in[1]), -1), in[1].shape())};
}

Tensors sparse_grad_compose(Span<const Tensor> in, const Attrs&) {
  return {per_class(in[2]) * (softmax(in[0]) - one_hot(in[1], in[0].shape().back(), in[0].dtype()))};
}

}  // namespace

Tensor softmax_cross_entropy(const Tensor& logits, const Tensor& targets) {
  return apply1(ADDAX_OP(softmax_cross_entropy), {logits, targets});
}
Tensor softmax_cross_entropy_grad(const Tensor& logits, const Tensor& targets, const Tensor& g) {
  return apply1(ADDAX_OP(softmax_cross_entropy_grad), {logits, targets, g});
}
Tensor sparse_softmax_cross_entropy(const Tensor& logits, const Tensor& labels) {
  return apply1(ADDAX_OP(sparse_softmax_cross_entropy), {logits, labels});
}
Tensor sparse_softmax_cross_entropy_grad(const Tensor& logits, const Tensor& labels, const Tensor& g) {
  return apply1(ADDAX_OP(sparse_softmax_cross_entropy_grad), {logits, labels, g});
}

void register_loss(OpTable& table) {
  const auto row = [&](const char* name, int inputs, Infer infer, Vjp vjp, Compose compose) {
    OpDef& op = table.add("loss", name);
    op.min_inputs = op.max_inputs = inputs;
    op.infer = infer;
    op.vjp = vjp;
    op.compose = compose;
  };
  row("softmax_cross_entropy", 2, dense_infer, dense_vjp, dense_compose);
  row("softmax_cross_entropy_grad", 3, dense_grad_infer, vjp_of_compose, dense_grad_compose);
  row("sparse_softmax_cross_entropy", 2, sparse_infer, sparse_vjp, sparse_compose);
  row("sparse_softmax_cross_entropy_grad", 3, sparse_grad_infer, vjp_of_compose, sparse_grad_compose);
}

}  // namespace addax
