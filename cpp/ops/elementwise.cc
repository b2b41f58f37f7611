// elementwise: the rows of elementwise.def as C++ functions, shape and dtype rules and gradients; and the ops with
// other signatures: where, clip, cast, stop_gradient.
#include "ops/elementwise.h"

#include "addax/ops/elementwise.h"
#include "ops/families.h"
#include "ops/op.h"
#include "ops/vjp.h"

namespace addax {

#define ADDAX_UNARY(name, ...) \
  Tensor name(const Tensor& x) { return apply1(ADDAX_OP(name), Span<const Tensor>(&x, 1)); }
#define ADDAX_BINARY(name, ...)                               \
  Tensor name(const Tensor& a, const Tensor& b) {             \
    const Tensor in[] = {a, b};                               \
    return apply1(ADDAX_OP(name), Span<const Tensor>(in, 2)); \
  }
#include "addax/ops/elementwise.def"
#undef ADDAX_UNARY
#undef ADDAX_BINARY

namespace {

using elementwise::Rule;
using elementwise::TypeRule;

struct CastAttrs {
  Dtype dtype = Dtype::Float32;
  template <class F>
  void fields(F&& f) {
    f("dtype", dtype);
  }
};

// ---- shape and dtype rules

const char* advice(const OpDef& op, Dtype promoted) {
  const std::string_view name = op.name;
  if (promoted == Dtype::Bool && name == "subtract") return "use logical_xor, or cast with addax.ops.cast";
  if (promoted == Dtype::Bool && name == "neg") return "use logical_not, or cast with addax.ops.cast";
  return "cast with addax.ops.cast";
}

Dtype compute_dtype(const InferContext& c, Dtype promoted) {
  const TypeRule rule = TypeRule::of(c.op.rule);
  const Dtype compute = rule.compute(promoted);
  if (!rule.accepts(compute)) {
    const char* wanted = rule.kinds == elementwise::Real   ? "an integer or floating dtype"
                         : rule.kinds == elementwise::Bits ? "an integer dtype or bool"
                         : rule.kinds == elementwise::Int  ? "an integer dtype"
                                                           : "a real dtype";
    std::string got;
    for (const Tensor& t : c.in) got += (got.empty() ? "" : " and ") + std::string(name_of(t.dtype()));
    fail<DtypeError>(c.op.name, ": expected ", wanted, ", got ", got, "; ", advice(c.op, promoted));
  }
  return compute;
}

Shape broadcast_all(const InferContext& c) {
  Shape shape = c.in[0].shape();
  for (size_t i = 1; i < c.in.size(); ++i)
    if (c.in[i].shape() != shape) shape = broadcast(shape, c.in[i].shape(), c.op.name);
  return shape;
}

void infer_row(InferContext& c) {
  Dtype promoted = c.in[0].dtype();
  for (size_t i = 1; i < c.in.size(); ++i) promoted = promote(promoted, c.in[i].dtype());
  const Dtype compute = compute_dtype(c, promoted);
  c.out(broadcast_all(c), TypeRule::of(c.op.rule).gives_bool() ? Dtype::Bool : compute);
}

void infer_where(InferContext& c) {
  for (const Tensor& t : c.in)
    if (t.dtype() == Dtype::Complex64) fail<DtypeError>("where: expected real dtypes, got complex64");
  c.out(broadcast_all(c), promote(c.in[1].dtype(), c.in[2].dtype()));
}

void infer_cast(InferContext& c) {
  const Dtype to = c.attrs.as<CastAttrs>().dtype;
  if ((to == Dtype::Complex64) != (c.in[0].dtype() == Dtype::Complex64))
    fail<DtypeError>("cast: no conversion from ", c.in[0].dtype(), " to ", to, "; complex64 is not supported yet");
  c.out(c.in[0].shape(), to);
}

void infer_identity(InferContext& c) { c.out(c.in[0].shape(), c.in[0].dtype()); }

// ---- gradients

Tensor like(double value, const Tensor& t) { return Tensor::scalar(value, t.dtype()); }

// g where a > b, half of it at a tie, else 0: the gradient that maximum gives to a.
Tensor greater_part(const Tensor& g, const Tensor& a, const Tensor& b) {
  return where(greater(a, b), g, where(equal(a, b), g * 0.5, like(0, g)));
}
Tensor less_part(const Tensor& g, const Tensor& a, const Tensor& b) { return greater_part(g, b, a); }
Tensor positive_part(const Tensor& g, const Tensor& y) { return where(greater(y, like(0, y)), g, like(0, g)); }

// b * a^(b - 1), and 0 at b = 0 whatever a is.
Tensor power_base_slope(const Tensor& a, const Tensor& b) {
  return b * power(a, where(equal(b, like(0, b)), like(0, b), b - 1));
}

// log a, and 0 at a = 0, where a^b is 0 or 1 and its derivative by b is 0.
Tensor power_exponent_slope(const Tensor& a) { return log(where(equal(a, like(0, a)), like(1, a), a)); }

// (2 - x^2) phi(x), with the density of the normal distribution.
Tensor gelu_curvature(const Tensor& x) {
  const Tensor x2 = square(x);
  return exp(x2 * -0.5) * 0.3989422804014327 * (2 - x2);
}

constexpr double kGeluScale = 0.7978845608028654, kGeluCubic = 0.044715;  // sqrt(2 / pi)

Tensor gelu_tanh_slope(const Tensor& x) {
  const Tensor x2 = square(x);
  const Tensor t = tanh(x * (x2 * (kGeluScale * kGeluCubic) + kGeluScale));
  const Tensor inner = x * (x2 * (3 * kGeluScale * kGeluCubic) + kGeluScale);
  return ((t + 1) + inner * (1 - square(t))) * 0.5;
}

Tensor silu_slope(const Tensor& x) {
  const Tensor s = sigmoid(x);
  return s * (x * (1 - s) + 1);
}

constexpr struct NoGradient {
} None{};

void put(Tensors&, const VjpContext&, int, NoGradient) {}
void put(Tensors& grads, const VjpContext& c, int i, const Tensor& grad) { grads[i] = fit_to(grad, c.in[i]); }

#define ADDAX_UNARY(name, kinds, rule, keeps, value, gradient)                  \
  Tensors name##_vjp(const VjpContext& c) {                                     \
    [[maybe_unused]] const Tensor &g = c.grads[0], &x = c.in[0], &y = c.out[0]; \
    Tensors grads(1);                                                           \
    put(grads, c, 0, gradient);                                                 \
    return grads;                                                               \
  }
#define ADDAX_BINARY(name, kinds, rule, keeps, value, gradient_a, gradient_b)                 \
  Tensors name##_vjp(const VjpContext& c) {                                                   \
    [[maybe_unused]] const Tensor &g = c.grads[0], &a = c.in[0], &b = c.in[1], &y = c.out[0]; \
    Tensors grads(2);                                                                         \
    if (c.need(0)) put(grads, c, 0, gradient_a);                                              \
    if (c.need(1)) put(grads, c, 1, gradient_b);                                              \
    return grads;                                                                             \
  }
#include "addax/ops/elementwise.def"
#undef ADDAX_UNARY
#undef ADDAX_BINARY

Tensors where_vjp(const VjpContext& c) {
  const Tensor &g = c.grads[0], &condition = c.in[0], zero = like(0, g);
  Tensors grads(3);
  if (c.need(1)) grads[1] = fit_to(where(condition, g, zero), c.in[1]);
  if (c.need(2)) grads[2] = fit_to(where(condition, zero, g), c.in[2]);
  return grads;
}

// As minimum(maximum(x, low), high).
Tensors clip_vjp(const VjpContext& c) {
  const Tensor &g = c.grads[0], &x = c.in[0], &low = c.in[1], &high = c.in[2];
  const Tensor raised = maximum(x, low), inner = less_part(g, raised, high);
  Tensors grads(3);
  if (c.need(0)) grads[0] = fit_to(greater_part(inner, x, low), x);
  if (c.need(1)) grads[1] = fit_to(greater_part(inner, low, x), low);
  if (c.need(2)) grads[2] = fit_to(less_part(g, high, raised), high);
  return grads;
}

Tensors cast_vjp(const VjpContext& c) {
  if (!is_float(c.out[0].dtype()) || !is_float(c.in[0].dtype())) return Tensors(1);
  return {cast(c.grads[0], c.in[0].dtype())};
}

// ---- the fused rows in simpler ops

Tensor as_float(const Tensor& x) { return cast(x, to_float(x.dtype())); }

Tensors gelu_compose(Span<const Tensor> in, const Attrs&) {
  const Tensor x = as_float(in[0]);
  return {x * ((erf(x * 0.7071067811865476) + 1) * 0.5)};
}
Tensors gelu_tanh_compose(Span<const Tensor> in, const Attrs&) {
  const Tensor x = as_float(in[0]);
  return {x * ((tanh(x * (square(x) * (kGeluScale * kGeluCubic) + kGeluScale)) + 1) * 0.5)};
}
Tensors silu_compose(Span<const Tensor> in, const Attrs&) {
  const Tensor x = as_float(in[0]);
  return {x * sigmoid(x)};
}
Tensor softplus_composed(const Tensor& x) { return maximum(x, like(0, x)) + log1p(exp(-abs(x))); }
Tensors softplus_compose(Span<const Tensor> in, const Attrs&) { return {softplus_composed(as_float(in[0]))}; }
Tensors sigmoid_cross_entropy_compose(Span<const Tensor> in, const Attrs&) {
  const Tensor x = as_float(in[0]);
  return {softplus_composed(x) - x * in[1]};
}
Tensors clip_compose(Span<const Tensor> in, const Attrs&) { return {minimum(maximum(in[0], in[1]), in[2])}; }

// ---- rows

// The columns `keeps` and `gradient` of elementwise.def, read as text.
constexpr bool has(const char* text, char letter) {
  for (; *text; ++text)
    if (*text == letter) return true;
  return false;
}
constexpr uint32_t inputs_of(const char* keeps) {
  return (has(keeps, 'X') || has(keeps, 'A') ? 1u : 0u) | (has(keeps, 'B') ? 2u : 0u);
}
constexpr bool is_none(const char* text) { return std::string_view(text) == "None"; }

Compose compose_of(std::string_view name) {
  if (name == "gelu") return gelu_compose;
  if (name == "gelu_tanh") return gelu_tanh_compose;
  if (name == "silu") return silu_compose;
  if (name == "softplus") return softplus_compose;
  if (name == "sigmoid_cross_entropy") return sigmoid_cross_entropy_compose;
  return nullptr;
}

OpDef& add_op(OpTable& table, const char* name, int inputs, Infer infer, Vjp vjp, uint32_t save_inputs) {
  OpDef& op = table.add("elementwise", name);
  op.min_inputs = op.max_inputs = inputs;
  op.infer = infer;
  op.vjp = vjp;
  op.differentiable = vjp != nullptr;
  op.save_inputs = save_inputs;
  op.strided = true;
  op.donates = 1;
  op.fusion = Fusion::Pointwise;
  return op;
}

void add_row(OpTable& table, const char* name, int inputs, TypeRule rule, Vjp vjp, const char* keeps) {
  OpDef& op = add_op(table, name, inputs, infer_row, vjp, inputs_of(keeps));
  op.save_outputs = has(keeps, 'Y') ? 1 : 0;
  op.rule = rule.packed();
  op.compose = compose_of(name);
}

}  // namespace

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  const Tensor in[] = {condition, a, b};
  return apply1(ADDAX_OP(where), Span<const Tensor>(in, 3));
}
Tensor clip(const Tensor& x, const Tensor& low, const Tensor& high) {
  const Tensor in[] = {x, low, high};
  return apply1(ADDAX_OP(clip), Span<const Tensor>(in, 3));
}
Tensor cast(const Tensor& x, Dtype dtype) {
  if (x.dtype() == dtype) return x;
  return apply1(ADDAX_OP(cast), Span<const Tensor>(&x, 1), Attrs::of(CastAttrs{dtype}));
}
Tensor stop_gradient(const Tensor& x) { return apply1(ADDAX_OP(stop_gradient), Span<const Tensor>(&x, 1)); }

void register_elementwise(OpTable& table) {
  using namespace elementwise;
#define ADDAX_UNARY(name, kinds, rule, keeps, value, gradient) \
  add_row(table, #name, 1, {Rule::rule, kinds}, is_none(#gradient) ? nullptr : name##_vjp, #keeps);
#define ADDAX_BINARY(name, kinds, rule, keeps, value, gradient_a, gradient_b) \
  add_row(table, #name, 2, {Rule::rule, kinds}, is_none(#gradient_a) ? nullptr : name##_vjp, #keeps);
#include "addax/ops/elementwise.def"
#undef ADDAX_UNARY
#undef ADDAX_BINARY

  add_op(table, "where", 3, infer_where, where_vjp, 1).donates = 0;
  OpDef& clip = add_op(table, "clip", 3, infer_row, clip_vjp, kSaveAll);
  clip.rule = TypeRule{Rule::Number, Real}.packed();
  clip.compose = clip_compose;
  add_op(table, "cast", 1, infer_cast, cast_vjp, kSaveNone).attrs<CastAttrs>();
  OpDef& stop = add_op(table, "stop_gradient", 1, infer_identity, nullptr, kSaveNone);
  stop.fusion = Fusion::View;
  stop.view = [](const Layout& in, const Shape&, const Attrs&, Layout& out) {
    out = in;
    return true;
  };
}

}  // namespace addax
