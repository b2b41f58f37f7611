// rnn: shape rules, gradients and compositions of recurrences over whole sequences.
#include "ops/rnn.h"

#include "addax/ops/elementwise.h"
#include "addax/ops/matmul.h"
#include "addax/ops/movement.h"
#include "addax/ops/reduce.h"
#include "addax/ops/rnn.h"
#include "ops/check.h"
#include "ops/count.h"
#include "ops/families.h"
#include "ops/vjp.h"

namespace addax {
namespace {

// ---- shape rules

struct Sizes {
  int64_t batch, time, units;

  Shape state() const { return {batch, units}; }
  Shape steps(int64_t columns) const { return {batch, time, columns * units}; }
};

void require(const InferContext& c, size_t i, const char* what, const Shape& shape) {
  const Tensor& t = c.in[i];
  if (t.shape() != shape)
    fail<ShapeError>(c.op.name, ": ", what, " must have shape ", shape, " as input 0 has shape ", c.in[0].shape(),
                     ", got ", t.shape());
  if (t.dtype() != c.in[0].dtype())
    fail<DtypeError>(c.op.name, ": ", what, " must be ", c.in[0].dtype(), " as input 0 is, got ", t.dtype(),
                     "; cast with addax.ops.cast");
}

void require_mask(const InferContext& c, size_t i, const Sizes& sizes) {
  if (c.in.size() <= i) return;
  const Tensor& mask = c.in[i];
  if (mask.dtype() != Dtype::Bool)
    fail<DtypeError>(c.op.name, ": mask must be bool, got ", mask.dtype(), "; cast with addax.ops.cast");
  if (mask.shape() != Shape{sizes.batch, sizes.time})
    fail<ShapeError>(c.op.name, ": mask must have shape ", Shape{sizes.batch, sizes.time}, ", got ", mask.shape());
}

void require_rank(const InferContext& c, size_t i, const char* what, const char* meaning, int rank) {
  const Tensor& t = c.in[i];
  if (!is_float(t.dtype()))
    fail<DtypeError>(c.op.name, ": ", what, " must be floating, got ", t.dtype(), "; cast with addax.ops.cast");
  if (t.rank() != rank) fail<ShapeError>(c.op.name, ": ", what, " must have shape ", meaning, ", got ", t.shape());
}

// Inputs: x, the states, kernel, recurrent, bias, perhaps a mask.
Sizes forward_sizes(const InferContext& c, size_t states, int64_t gates, const Shape& biases = {}) {
  require_rank(c, 0, "x", "(batch, time, features)", 3);
  require_rank(c, states + 2, "recurrent", "(units, gates * units)", 2);
  const Shape& x = c.in[0].shape();
  const Sizes sizes{x[0], x[1], c.in[states + 2].shape()[0]};
  if (sizes.units == 0) fail<ShapeError>(c.op.name, ": recurrent must have at least one row, got shape (0, ...)");
  require(c, states + 2, "recurrent", {sizes.units, gates * sizes.units});
  for (size_t i = 1; i <= states; ++i) require(c, i, i == 1 ? "h" : "c", sizes.state());
  require(c, states + 1, "kernel", {x[2], gates * sizes.units});
  Shape bias = biases;
  bias.push_back(gates * sizes.units);
  require(c, states + 3, "bias", bias);
  require_mask(c, states + 4, sizes);
  return sizes;
}

void simple_rnn_infer(InferContext& c) {
  const Sizes sizes = forward_sizes(c, 1, 1);
  const Dtype dtype = c.in[0].dtype();
  c.out(sizes.steps(1), dtype);
  c.out(sizes.state(), dtype);
}

void lstm_infer(InferContext& c) {
  const Sizes sizes = forward_sizes(c, 2, 4);
  const Dtype dtype = c.in[0].dtype();
  c.out(sizes.steps(1), dtype);
  c.out(sizes.state(), dtype);
  c.out(sizes.state(), dtype);
  c.out(sizes.steps(1), dtype);
  c.out(sizes.steps(4), dtype);
}

void gru_infer(InferContext& c) {
  const bool reset_after = c.attrs.as<GruAttrs>().reset_after;
  const Sizes sizes = forward_sizes(c, 1, 3, reset_after ? Shape{2} : Shape{});
  const Dtype dtype = c.in[0].dtype();
  c.out(sizes.steps(1), dtype);
  c.out(sizes.state(), dtype);
  c.out(sizes.steps(reset_after ? 4 : 3), dtype);
}

// Inputs of the gradients from `recurrent` on: recurrent, y (or the cells), gates if there are any, dy, the gradients
// of the last states, perhaps a mask.
Sizes backward_sizes(const InferContext& c, size_t recurrent, int64_t columns, int64_t gates, int states) {
  size_t i = recurrent + 1;
  require_rank(c, i, states == 2 ? "cells" : "y", "(batch, time, units)", 3);
  const Shape& y = c.in[i].shape();
  const Sizes sizes{y[0], y[1], y[2]};
  if (recurrent == 1) require(c, 0, states == 2 ? "c" : "h", sizes.state());
  require(c, recurrent, "recurrent", {sizes.units, columns * sizes.units});
  require(c, i++, states == 2 ? "cells" : "y", y);
  if (gates) require(c, i++, "gates", sizes.steps(gates));
  require(c, i++, "dy", y);
  for (int state = 0; state < states; ++state) require(c, i++, state ? "dc" : "dh", sizes.state());
  require_mask(c, i, sizes);
  return sizes;
}

void simple_rnn_grad_infer(InferContext& c) {
  const Sizes sizes = backward_sizes(c, 0, 1, 0, 1);
  c.out(sizes.steps(1), c.in[0].dtype());
  c.out(sizes.state(), c.in[0].dtype());
}

void lstm_grad_infer(InferContext& c) {
  const Sizes sizes = backward_sizes(c, 1, 4, 4, 2);
  c.out(sizes.steps(4), c.in[0].dtype());
  c.out(sizes.state(), c.in[0].dtype());
  c.out(sizes.state(), c.in[0].dtype());
}

void gru_grad_infer(InferContext& c) {
  const int64_t columns = c.attrs.as<GruAttrs>().reset_after ? 4 : 3;
  const Sizes sizes = backward_sizes(c, 1, 3, columns, 1);
  c.out(sizes.steps(columns), c.in[0].dtype());
  c.out(sizes.state(), c.in[0].dtype());
}

// ---- gradients

/// Columns [first, last) of the last axis, in units.
Tensor columns(const Tensor& t, int64_t first, int64_t last, int64_t units) {
  Dims starts = Dims::filled(t.rank(), 0), stops = t.shape();
  starts[t.rank() - 1] = first * units;
  stops[t.rank() - 1] = last * units;
  return slice(t, starts, stops);
}

/// (batch, time, n) as (batch * time, n).
Tensor flat(const Tensor& t) { return reshape(t, {t.shape()[0] * t.shape()[1], t.shape()[2]}); }

/// The state before each step, in the order of x.
Tensor states_before(const Tensor& first, const Tensor& y, bool go_backwards) {
  const Shape& s = y.shape();
  if (s[1] == 0) return y;
  const Tensor start = reshape(first, {s[0], 1, s[2]}), rest = slice(y, {0, 0, 0}, {s[0], s[1] - 1, s[2]});
  return go_backwards ? concatenate({flip(rest, {1}), start}, 1) : concatenate({start, rest}, 1);
}

/// The given gradient of output i, or zeros.
Tensor gradient(const VjpContext& c, size_t i) { return c.grads[i] ? c.grads[i] : zeros_like(c.out[i]); }

Tensor given(Span<const Tensor> in, size_t i) { return i < in.size() ? in[i] : Tensor(); }

/// Gradients of x and the kernel, input `kernel`, from those of the pre-activations.
void project_back(const VjpContext& c, const Tensor& dz, int kernel, Tensors& grads) {
  const auto k = static_cast<size_t>(kernel);
  if (c.need(0)) grads[0] = matmul(dz, c.in[k], false, true);
  if (c.need(kernel)) grads[k] = matmul(flat(c.in[0]), flat(dz), true);
}

Tensors simple_rnn_vjp(const VjpContext& c) {
  const bool go_backwards = c.attrs.as<RnnAttrs>().go_backwards;
  const Tensor& y = c.out[0];
  const Tensors back = simple_rnn_grad(c.in[3], y, gradient(c, 0), gradient(c, 1), given(c.in, 5), go_backwards);
  Tensors grads(c.in.size());
  project_back(c, back[0], 2, grads);
  grads[1] = back[1];
  if (c.need(3)) grads[3] = matmul(flat(states_before(c.in[1], y, go_backwards)), flat(back[0]), true);
  if (c.need(4)) grads[4] = sum(back[0], {0, 1});
  return grads;
}

Tensors lstm_vjp(const VjpContext& c) {
  if (c.grads[3] || c.grads[4]) return vjp_of_compose(c);
  const bool go_backwards = c.attrs.as<RnnAttrs>().go_backwards;
  const Tensors back = lstm_grad(c.in[2], c.in[4], c.out[3], c.out[4], gradient(c, 0), gradient(c, 1), gradient(c, 2),
                                 given(c.in, 6), go_backwards);
  Tensors grads(c.in.size());
  project_back(c, back[0], 3, grads);
  grads[1] = back[1];
  grads[2] = back[2];
  if (c.need(4)) grads[4] = matmul(flat(states_before(c.in[1], c.out[0], go_backwards)), flat(back[0]), true);
  if (c.need(5)) grads[5] = sum(back[0], {0, 1});
  return grads;
}

Tensors gru_vjp(const VjpContext& c) {
  if (c.grads[2]) return vjp_of_compose(c);
  const auto [go_backwards, reset_after] = c.attrs.as<GruAttrs>();
  const Tensor &h = c.in[1], &y = c.out[0], &gates = c.out[2];
  const int64_t units = h.shape()[1];
  const Tensors back =
      gru_grad(h, c.in[3], y, gates, gradient(c, 0), gradient(c, 1), given(c.in, 5), go_backwards, reset_after);
  const Tensor& dz = back[0];
  Tensors grads(c.in.size());
  project_back(c, columns(dz, 0, 3, units), 2, grads);
  grads[1] = back[1];
  if (c.need(3)) {
    const Tensor before = states_before(h, y, go_backwards);
    const Tensor reset = reset_after ? before : columns(gates, 1, 2, units) * before;
    const Tensor ds = reset_after ? columns(dz, 3, 4, units) : columns(dz, 2, 3, units);
    grads[3] = concatenate(
        {matmul(flat(before), flat(columns(dz, 0, 2, units)), true), matmul(flat(reset), flat(ds), true)}, 1);
  }
  if (c.need(4)) {
    const Tensor total = sum(dz, {0, 1});
    grads[4] =
        !reset_after
            ? total
            : reshape(concatenate(
                          {columns(total, 0, 3, units), columns(total, 0, 2, units), columns(total, 3, 4, units)}, 0),
                      {2, 3 * units});
  }
  return grads;
}

// ---- compositions

/// The steps of a sequence of that shape: step s reads time `time(s)`.
struct Steps {
  int64_t count;
  bool go_backwards;

  int64_t time(int64_t step) const { return go_backwards ? count - 1 - step : step; }
};

/// (batch, time, n) at one time: (batch, n).
Tensor at(const Tensor& t, int64_t time) {
  const Shape& s = t.shape();
  return reshape(slice(t, {0, time, 0}, {s[0], time + 1, s[2]}), {s[0], s[2]});
}

/// The opposite of `at`, for n columns of `like`'s rows.
Tensor stack(const Tensors& steps, const Tensor& like, int64_t n) {
  const int64_t batch = like.shape()[0];
  if (steps.empty()) return Tensor::full({batch, 0, n}, 0, like.dtype());
  Tensors parts;
  for (const Tensor& step : steps) parts.push_back(reshape(step, {batch, 1, n}));
  return concatenate(parts, 1);
}

/// `fresh` where the mask is true at that time, else `kept`; without a mask, `fresh`.
Tensor choose(const Tensor& mask, int64_t time, const Tensor& fresh, const Tensor& kept) {
  if (!mask) return fresh;
  return where(slice(mask, {0, time}, {mask.shape()[0], time + 1}), fresh, kept);
}

/// Derivatives of the activations, from their values.
Tensor sigmoid_slope(const Tensor& y) { return y * (1 - y); }
Tensor tanh_slope(const Tensor& y) { return 1 - square(y); }

Tensors simple_rnn_compose(Span<const Tensor> in, const Attrs& attrs) {
  const Steps steps{in[0].shape()[1], attrs.as<RnnAttrs>().go_backwards};
  const Tensor projected = matmul(in[0], in[2]) + in[4], mask = given(in, 5);
  Tensor h = in[1];
  Tensors y;
  for (int64_t s = 0; s < steps.count; ++s) {
    const int64_t t = steps.time(s);
    h = choose(mask, t, tanh(at(projected, t) + matmul(h, in[3])), h);
    y.push_back(h);
  }
  return {stack(y, h, h.shape()[1]), h};
}

Tensors simple_rnn_grad_compose(Span<const Tensor> in, const Attrs& attrs) {
  const Tensor &recurrent = in[0], &y = in[1], &dy = in[2], mask = given(in, 4);
  const Steps steps{y.shape()[1], attrs.as<RnnAttrs>().go_backwards};
  Tensor dh = in[3];
  Tensors dz(static_cast<size_t>(steps.count));
  for (int64_t s = steps.count - 1; s >= 0; --s) {
    const int64_t t = steps.time(s);
    dh = dh + at(dy, s);
    const Tensor slope = dh * tanh_slope(at(y, s));
    Tensor& d = dz[static_cast<size_t>(t)] = choose(mask, t, slope, zeros_like(slope));
    dh = choose(mask, t, matmul(d, recurrent, false, true), dh);
  }
  return {stack(dz, dh, y.shape()[2]), dh};
}

Tensors lstm_compose(Span<const Tensor> in, const Attrs& attrs) {
  const Steps steps{in[0].shape()[1], attrs.as<RnnAttrs>().go_backwards};
  const Tensor projected = matmul(in[0], in[3]) + in[5], mask = given(in, 6);
  Tensor h = in[1], c = in[2];
  const int64_t units = h.shape()[1];
  Tensors y, cells(static_cast<size_t>(steps.count)), gates(static_cast<size_t>(steps.count));
  for (int64_t s = 0; s < steps.count; ++s) {
    const int64_t t = steps.time(s);
    const Tensor z = at(projected, t) + matmul(h, in[4]);
    const Tensor i = sigmoid(columns(z, 0, 1, units)), f = sigmoid(columns(z, 1, 2, units)),
                 g = tanh(columns(z, 2, 3, units)), o = sigmoid(columns(z, 3, 4, units));
    const Tensor next = f * c + i * g;
    h = choose(mask, t, o * tanh(next), h);
    c = choose(mask, t, next, c);
    y.push_back(h);
    cells[static_cast<size_t>(t)] = c;
    gates[static_cast<size_t>(t)] = concatenate({i, f, g, o}, 1);
  }
  return {stack(y, h, units), h, c, stack(cells, h, units), stack(gates, h, 4 * units)};
}

Tensors lstm_grad_compose(Span<const Tensor> in, const Attrs& attrs) {
  const Tensor &recurrent = in[1], &cells = in[2], &gates = in[3], &dy = in[4], mask = given(in, 7);
  const Steps steps{cells.shape()[1], attrs.as<RnnAttrs>().go_backwards};
  const int64_t units = cells.shape()[2];
  Tensor dh = in[5], dc = in[6];
  Tensors dz(static_cast<size_t>(steps.count));
  for (int64_t s = steps.count - 1; s >= 0; --s) {
    const int64_t t = steps.time(s);
    const Tensor gate = at(gates, t), i = columns(gate, 0, 1, units), f = columns(gate, 1, 2, units),
                 g = columns(gate, 2, 3, units), o = columns(gate, 3, 4, units);
    const Tensor before = s ? at(cells, steps.time(s - 1)) : in[0], squashed = tanh(at(cells, t));
    dh = dh + at(dy, s);
    const Tensor total = dc + dh * o * tanh_slope(squashed);
    const Tensor slopes = concatenate({total * g * sigmoid_slope(i), total * before * sigmoid_slope(f),
                                       total * i * tanh_slope(g), dh * squashed * sigmoid_slope(o)},
                                      1);
    Tensor& d = dz[static_cast<size_t>(t)] = choose(mask, t, slopes, zeros_like(slopes));
    dh = choose(mask, t, matmul(d, recurrent, false, true), dh);
    dc = choose(mask, t, total * f, dc);
  }
  return {stack(dz, dh, 4 * units), dh, dc};
}

Tensors gru_compose(Span<const Tensor> in, const Attrs& attrs) {
  const auto [go_backwards, reset_after] = attrs.as<GruAttrs>();
  const Steps steps{in[0].shape()[1], go_backwards};
  const Tensor &recurrent = in[3], &bias = in[4], mask = given(in, 5);
  Tensor h = in[1];
  const int64_t units = h.shape()[1];
  const auto bias_row = [&](int64_t i) { return reshape(slice(bias, {i, 0}, {i + 1, 3 * units}), {3 * units}); };
  const Tensor projected = matmul(in[0], in[2]) + (reset_after ? bias_row(0) : bias);
  const Tensor of_gates = columns(recurrent, 0, 2, units), of_state = columns(recurrent, 2, 3, units);
  Tensors y, kept(static_cast<size_t>(steps.count));
  for (int64_t s = 0; s < steps.count; ++s) {
    const int64_t t = steps.time(s);
    const Tensor x = at(projected, t);
    Tensor from_h = matmul(h, of_gates), inner;
    if (reset_after) {
      from_h = from_h + slice(bias_row(1), {0}, {2 * units});
      inner = matmul(h, of_state) + slice(bias_row(1), {2 * units}, {3 * units});
    }
    const Tensor gates = sigmoid(columns(x, 0, 2, units) + from_h);
    const Tensor z = columns(gates, 0, 1, units), r = columns(gates, 1, 2, units);
    const Tensor g = tanh(columns(x, 2, 3, units) + (reset_after ? r * inner : matmul(r * h, of_state)));
    h = choose(mask, t, z * h + (1 - z) * g, h);
    y.push_back(h);
    kept[static_cast<size_t>(t)] = reset_after ? concatenate({z, r, g, inner}, 1) : concatenate({z, r, g}, 1);
  }
  return {stack(y, h, units), h, stack(kept, h, (reset_after ? 4 : 3) * units)};
}

Tensors gru_grad_compose(Span<const Tensor> in, const Attrs& attrs) {
  const auto [go_backwards, reset_after] = attrs.as<GruAttrs>();
  const Tensor &recurrent = in[1], &y = in[2], &gates = in[3], &dy = in[4], mask = given(in, 6);
  const Steps steps{y.shape()[1], go_backwards};
  const int64_t units = y.shape()[2];
  const Tensor of_gates = columns(recurrent, 0, 2, units), of_state = columns(recurrent, 2, 3, units);
  Tensor dh = in[5];
  Tensors dz(static_cast<size_t>(steps.count));
  for (int64_t s = steps.count - 1; s >= 0; --s) {
    const int64_t t = steps.time(s);
    const Tensor gate = at(gates, t), z = columns(gate, 0, 1, units), r = columns(gate, 1, 2, units),
                 g = columns(gate, 2, 3, units);
    const Tensor before = s ? at(y, s - 1) : in[0];
    dh = dh + at(dy, s);
    const Tensor of_g = dh * (1 - z) * tanh_slope(g), of_z = dh * (before - g) * sigmoid_slope(z);
    Tensor slopes, carried;
    if (reset_after) {
      const Tensor of_gates_now = concatenate({of_z, of_g * columns(gate, 3, 4, units) * sigmoid_slope(r)}, 1);
      slopes = concatenate({of_gates_now, of_g, of_g * r}, 1);
      carried = matmul(of_gates_now, of_gates, false, true) + matmul(of_g * r, of_state, false, true);
    } else {
      const Tensor of_reset = matmul(of_g, of_state, false, true);  // gradient of r h
      const Tensor of_gates_now = concatenate({of_z, of_reset * before * sigmoid_slope(r)}, 1);
      slopes = concatenate({of_gates_now, of_g}, 1);
      carried = matmul(of_gates_now, of_gates, false, true) + of_reset * r;
    }
    dz[static_cast<size_t>(t)] = choose(mask, t, slopes, zeros_like(slopes));
    dh = choose(mask, t, dh * z + carried, dh);
  }
  return {stack(dz, dh, (reset_after ? 4 : 3) * units), dh};
}

// Products with the weights that are inputs `First` to `Last`, for each step of each sequence.
template <size_t First, size_t Last>
int64_t flops(Span<const Spec> in, Span<const Spec> out, const Attrs&) {
  int64_t weights = 0;
  for (size_t i = First; i <= Last; ++i) weights += numel(in[i].shape);
  return product_of({2, out[0].shape[0], out[0].shape[1], weights});
}

Tensors run(const OpDef& op, Tensors inputs, const Tensor& mask, const Attrs& attrs) {
  if (mask) inputs.push_back(mask);
  return apply(op, inputs, attrs);
}

}  // namespace

Tensors simple_rnn(const Tensor& x, const Tensor& h, const Tensor& kernel, const Tensor& recurrent, const Tensor& bias,
                   const Tensor& mask, bool go_backwards) {
  return run(ADDAX_OP(simple_rnn), {x, h, kernel, recurrent, bias}, mask, Attrs::of(RnnAttrs{go_backwards}));
}
Tensors simple_rnn_grad(const Tensor& recurrent, const Tensor& y, const Tensor& dy, const Tensor& dh,
                        const Tensor& mask, bool go_backwards) {
  return run(ADDAX_OP(simple_rnn_grad), {recurrent, y, dy, dh}, mask, Attrs::of(RnnAttrs{go_backwards}));
}
Tensors lstm(const Tensor& x, const Tensor& h, const Tensor& c, const Tensor& kernel, const Tensor& recurrent,
             const Tensor& bias, const Tensor& mask, bool go_backwards) {
  return run(ADDAX_OP(lstm), {x, h, c, kernel, recurrent, bias}, mask, Attrs::of(RnnAttrs{go_backwards}));
}
Tensors lstm_grad(const Tensor& c, const Tensor& recurrent, const Tensor& cells, const Tensor& gates, const Tensor& dy,
                  const Tensor& dh, const Tensor& dc, const Tensor& mask, bool go_backwards) {
  return run(ADDAX_OP(lstm_grad), {c, recurrent, cells, gates, dy, dh, dc}, mask, Attrs::of(RnnAttrs{go_backwards}));
}
Tensors gru(const Tensor& x, const Tensor& h, const Tensor& kernel, const Tensor& recurrent, const Tensor& bias,
            const Tensor& mask, bool go_backwards, bool reset_after) {
  return run(ADDAX_OP(gru), {x, h, kernel, recurrent, bias}, mask, Attrs::of(GruAttrs{go_backwards, reset_after}));
}
Tensors gru_grad(const Tensor& h, const Tensor& recurrent, const Tensor& y, const Tensor& gates, const Tensor& dy,
                 const Tensor& dh, const Tensor& mask, bool go_backwards, bool reset_after) {
  return run(ADDAX_OP(gru_grad), {h, recurrent, y, gates, dy, dh}, mask,
             Attrs::of(GruAttrs{go_backwards, reset_after}));
}

void register_rnn(OpTable& table) {
  const auto row = [&](const char* name, int inputs, Infer infer, Vjp vjp, Compose compose, Flops flops) -> OpDef& {
    OpDef& op = table.add("rnn", name);
    op.min_inputs = inputs;
    op.max_inputs = inputs + 1;  // the mask
    op.infer = infer;
    op.vjp = vjp;
    op.compose = compose;
    op.flops = flops;
    op.strided = true;
    return op;
  };
  row("simple_rnn", 5, simple_rnn_infer, simple_rnn_vjp, simple_rnn_compose, flops<2, 3>)
      .attrs<RnnAttrs>()
      .save_outputs = 0b1;
  row("simple_rnn_grad", 4, simple_rnn_grad_infer, vjp_of_compose, simple_rnn_grad_compose, flops<0, 0>)
      .attrs<RnnAttrs>();
  row("lstm", 6, lstm_infer, lstm_vjp, lstm_compose, flops<3, 4>).attrs<RnnAttrs>().save_outputs = 0b11001;
  row("lstm_grad", 7, lstm_grad_infer, vjp_of_compose, lstm_grad_compose, flops<1, 1>).attrs<RnnAttrs>();
  row("gru", 5, gru_infer, gru_vjp, gru_compose, flops<2, 3>).attrs<GruAttrs>().save_outputs = 0b101;
  row("gru_grad", 6, gru_grad_infer, vjp_of_compose, gru_grad_compose, flops<1, 1>).attrs<GruAttrs>();
}

}  // namespace addax
