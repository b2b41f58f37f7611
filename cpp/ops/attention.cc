// attention: shape rules and gradients of scaled dot-product attention.
#include "ops/attention.h"

#include "addax/ops/attention.h"
#include "addax/ops/elementwise.h"
#include "addax/ops/matmul.h"
#include "addax/ops/movement.h"
#include "addax/ops/random.h"
#include "addax/ops/reduce.h"
#include "ops/check.h"
#include "ops/count.h"
#include "ops/families.h"
#include "ops/vjp.h"

namespace addax {
namespace {

Dtype wide_dtype(Dtype dtype) { return dtype == Dtype::Float64 ? dtype : Dtype::Float32; }

struct Shapes {
  Shape y, rows, scores;  // rows: (batch, heads, queries); scores: and the keys
};

Shapes check(const InferContext& c, size_t extra) {
  const auto& attrs = c.attrs.as<AttentionAttrs>();
  const size_t expected = attrs.inputs() + extra;
  if (c.in.size() != expected)
    fail<ValueError>(c.op.name, ": expected ", expected, " inputs with bias=", attrs.bias, ", mask=", attrs.mask,
                     " and dropout=", attrs.dropout, ", got ", c.in.size());
  if (!(attrs.dropout >= 0 && attrs.dropout < 1))
    fail<ValueError>(c.op.name, ": dropout must be at least 0 and less than 1, got ", attrs.dropout);
  const Tensor &q = c.in[0], &k = c.in[1], &v = c.in[2];
  if (!is_float(q.dtype()))
    fail<DtypeError>(c.op.name, ": expected a floating dtype, got ", q.dtype(), "; cast with addax.ops.cast");
  require_one_dtype(c, {0, 1, 2});
  if (q.rank() != 4 || k.rank() != 4 || v.rank() != 4)
    fail<ShapeError>(c.op.name, ": query, key and value must have shape (batch, length, heads, dim), got ", q.shape(),
                     ", ", k.shape(), " and ", v.shape());
  const Shape &qs = q.shape(), &ks = k.shape(), &vs = v.shape();
  if (ks[0] != qs[0] || vs[0] != qs[0] || vs[1] != ks[1] || vs[2] != ks[2] || ks[3] != qs[3])
    fail<ShapeError>(c.op.name, ": key ", ks, " must have the batch size and the last dim of query ", qs,
                     ", and value ", vs, " all but the last dim of key");
  if (ks[1] == 0 || qs[3] == 0)
    fail<ShapeError>(c.op.name, ": expected at least one key of at least one dim, got ", ks);
  if (ks[2] == 0 || qs[2] % ks[2])
    fail<ShapeError>(c.op.name, ": the ", qs[2], " heads of query are not a multiple of the ", ks[2], " of key");
  const Shapes s{{qs[0], qs[1], qs[2], vs[3]}, {qs[0], qs[2], qs[1]}, {qs[0], qs[2], qs[1], ks[1]}};
  for (size_t i = 3; i < attrs.random_key_at(); ++i) {
    const Tensor& t = c.in[i];
    const bool mask = attrs.mask && i == attrs.mask_at();
    if (mask ? t.dtype() != Dtype::Bool : t.dtype() != q.dtype() && t.dtype() != wide_dtype(q.dtype()))
      fail<DtypeError>(c.op.name, mask ? ": mask must be bool" : ": bias must have the dtype of query or be float32",
                       ", got ", t.dtype(), "; cast with addax.ops.cast");
    if (t.rank() > 4 || broadcast(t.shape(), s.scores, c.op.name) != s.scores)
      fail<ShapeError>(c.op.name, mask ? ": mask " : ": bias ", t.shape(), " does not broadcast to the scores, ",
                       s.scores);
  }
  if (attrs.dropout != 0) require_random_key(c, c.in[attrs.random_key_at()]);
  return s;
}

void attention_infer(InferContext& c) {
  const Shapes s = check(c, 0);
  const Dtype dtype = c.in[0].dtype();
  c.out(s.y, dtype);
  c.out(s.rows, wide_dtype(dtype));
  c.out(s.rows, wide_dtype(dtype));
}

void attention_grad_infer(InferContext& c) {
  const Shapes s = check(c, 4);
  const size_t first = c.attrs.as<AttentionAttrs>().inputs();
  const Dtype dtype = c.in[0].dtype();
  const auto require = [&](const char* what, size_t i, const Shape& shape, Dtype wanted) {
    const Tensor& t = c.in[first + i];
    if (t.shape() != shape) fail<ShapeError>(c.op.name, ": ", what, " must have shape ", shape, ", got ", t.shape());
    if (t.dtype() != dtype && t.dtype() != wanted)
      fail<DtypeError>(c.op.name, ": ", what, " must be ", wanted, ", got ", t.dtype());
  };
  require("y", 0, s.y, dtype);
  require("largest", 1, s.rows, wide_dtype(dtype));
  require("total", 2, s.rows, wide_dtype(dtype));
  require("g", 3, s.y, dtype);
  for (size_t i = 0; i < 3; ++i) c.out(c.in[i].shape(), dtype);
}

// ---- Compositions: (batch, key heads, heads of a key head, rows, dim)

Tensor wide(const Tensor& x) { return cast(x, wide_dtype(x.dtype())); }

struct Composed {
  Tensor q, k, v;
  Tensor scores, hidden;  // hidden: bool, undefined where nothing is masked
  Shape grouped;          // of the rows, with their dim
  Tensor random_key;      // undefined without dropout
  double scale, dropout;

  Composed(Span<const Tensor> in, const AttentionAttrs& a) : scale(a.scale), dropout(a.dropout) {
    if (dropout != 0) random_key = in[a.random_key_at()];
    const Shape &qs = in[0].shape(), &ks = in[1].shape();
    grouped = {qs[0], ks[2], qs[2] / ks[2], qs[1], ks[1]};
    q = rows(in[0]);
    k = rows(in[1]);
    v = rows(in[2]);
    scores = matmul(q, k, false, true) * scale;
    if (a.bias) scores = scores + spread(wide(in[3]));
    Tensor seen;
    if (a.mask) seen = spread(in[a.mask_at()]);
    if (a.causal) {
      const Tensor step = cumsum(broadcast_to(Tensor::scalar(1, Dtype::Int32), {std::max(qs[1], ks[1])}), 0);
      const Tensor past =
          less_equal(reshape(slice(step, {0}, {ks[1]}), {1, ks[1]}), reshape(slice(step, {0}, {qs[1]}), {qs[1], 1}));
      seen = seen ? logical_and(seen, past) : past;
    }
    if (!seen) return;
    hidden = logical_not(seen);
    scores = where(seen, scores, Tensor::scalar(kMaskedScore, scores.dtype()));
  }

  /// (batch, length, heads, dim) with the heads of a key head in a dim of their own.
  Tensor rows(const Tensor& x) const {
    const Shape& s = x.shape();
    return transpose(reshape(wide(x), {s[0], s[1], grouped[1], s[2] / grouped[1], s[3]}), {0, 2, 3, 1, 4});
  }
  /// Back from there, summed over what broadcasting added.
  Tensor whole(const Tensor& x, const Tensor& like) const {
    return reshape(cast(transpose(x, {0, 3, 1, 2, 4}), like.dtype()), like.shape());
  }
  Tensor shared(const Tensor& x, const Tensor& like) const { return whole(sum(x, {2}, true), like); }
  /// Broadcasts over (batch, heads, queries, keys), or (batch, heads, queries) with `keys` 1.
  Tensor spread(const Tensor& t) const {
    Shape s = Dims::filled(4 - t.rank(), 1);
    for (int64_t d : t.shape()) s.push_back(d);
    if (s[1] == 1) return reshape(t, {s[0], 1, 1, s[2], s[3]});
    return reshape(t, {s[0], grouped[1], grouped[2], s[2], s[3]});
  }
  /// A part of what stands for each pair of query and key, as of the weights.
  Tensor drop(const Tensor& x) const { return random_key ? addax::dropout(x, random_key, dropout) : x; }
  Tensor column(const Tensor& t) const { return reshape(t, {grouped[0], grouped[1], grouped[2], grouped[3], 1}); }
};

Tensors attention_compose(Span<const Tensor> in, const Attrs& attrs) {
  const Composed c(in, attrs.as<AttentionAttrs>());
  const Tensor largest = max(c.scores, {4}, true), e = exp(c.scores - largest), total = sum(e, {4}, true);
  const Shape& s = in[0].shape();
  const Shape rows{s[0], s[2], s[1]}, y{s[0], s[1], s[2], in[2].shape()[3]};
  const Tensor product = transpose(matmul(c.drop(e / total), c.v), {0, 3, 1, 2, 4});
  return {reshape(cast(product, in[0].dtype()), y), reshape(largest, rows), reshape(total, rows)};
}

Tensors attention_grad_compose(Span<const Tensor> in, const Attrs& attrs) {
  const auto& a = attrs.as<AttentionAttrs>();
  const Composed c(in, a);
  const Tensor* rest = in.data() + a.inputs();
  const Tensor y = c.rows(rest[0]), largest = c.column(wide(rest[1])), total = c.column(wide(rest[2])),
               g = c.rows(rest[3]);
  const Tensor p = exp(c.scores - largest) / total;
  Tensor ds = p * (c.drop(matmul(g, c.v, false, true)) - sum(y * g, {4}, true));
  if (c.hidden) ds = where(c.hidden, Tensor::scalar(0, ds.dtype()), ds);
  return {c.whole(matmul(ds, c.k) * c.scale, in[0]), c.shared(matmul(ds, c.q, true, false) * c.scale, in[1]),
          c.shared(matmul(c.drop(p), g, true, false), in[2])};
}

Tensors attention_vjp(const VjpContext& c) {
  const auto& a = c.attrs.as<AttentionAttrs>();
  if (c.grads[1] || c.grads[2] || (a.bias && c.need(3))) return vjp_of_compose(c);
  std::vector<Tensor> inputs(c.in.begin(), c.in.end());
  inputs.insert(inputs.end(), {c.out[0], c.out[1], c.out[2], c.grads[0]});
  Tensors grads = apply(ADDAX_OP(attention_grad), inputs, c.attrs);
  grads.resize(c.in.size());
  return grads;
}

// Products of `scores` dims of queries and keys and `values` dims of values, for each pair of query and key.
int64_t flops_of(Span<const Spec> in, int64_t scores, int64_t values) {
  const Shape &q = in[0].shape, &v = in[2].shape;
  return product_of({2, q[0], q[1], q[2], v[1], scores * q[3] + values * v[3]});
}
int64_t flops(Span<const Spec> in, Span<const Spec>, const Attrs&) { return flops_of(in, 1, 1); }
int64_t flops_grad(Span<const Spec> in, Span<const Spec>, const Attrs&) { return flops_of(in, 3, 2); }

Tensors call(const OpDef& op, std::initializer_list<Tensor> given, const AttentionAttrs& attrs) {
  Tensors inputs;
  for (const Tensor& t : given)
    if (t) inputs.push_back(t);
  return apply(op, inputs, Attrs::of(attrs));
}

}  // namespace

Tensors attention(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& bias, const Tensor& mask,
                  double scale, bool causal, const Tensor& random_key, double dropout) {
  return call(ADDAX_OP(attention), {query, key, value, bias, mask, random_key},
              {scale, causal, static_cast<bool>(bias), static_cast<bool>(mask), dropout});
}
Tensors attention_grad(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& bias,
                       const Tensor& mask, const Tensor& y, const Tensor& largest, const Tensor& total, const Tensor& g,
                       double scale, bool causal, const Tensor& random_key, double dropout) {
  return call(ADDAX_OP(attention_grad), {query, key, value, bias, mask, random_key, y, largest, total, g},
              {scale, causal, static_cast<bool>(bias), static_cast<bool>(mask), dropout});
}

void register_attention(OpTable& table) {
  OpDef& forward = table.add("attention", "attention").attrs<AttentionAttrs>();
  forward.min_inputs = 3;
  forward.max_inputs = 6;
  forward.infer = attention_infer;
  forward.vjp = attention_vjp;
  forward.compose = attention_compose;
  forward.save_outputs = kSaveAll;
  forward.flops = flops;
  OpDef& backward = table.add("attention", "attention_grad").attrs<AttentionAttrs>();
  backward.min_inputs = 7;
  backward.max_inputs = 10;
  backward.infer = attention_grad_infer;
  backward.vjp = vjp_of_compose;
  backward.compose = attention_grad_compose;
  backward.flops = flops_grad;
}

}  // namespace addax
