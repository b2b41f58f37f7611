// CPU kernels of the rnn family. The input projection is one product over all steps; then blocks of sequences run
// through time on their own, so that threads never wait for each other within a sequence. The same recurrence backwards
// leaves the gradients of the pre-activations; what follows from them are ordinary products.
//
// Every row of a result is computed from its own sequence in an order that its sizes give, whatever the block.
#include "ops/rnn.h"

#include <algorithm>
#include <optional>

#include "addax/device.h"
#include "cpu/gemm/packed_matrix.h"
#include "cpu/packed.h"
#include "cpu/simd/convert.h"
#include "ops/op.h"
#include "ops/scalar.h"

namespace addax::cpu::ADDAX_ISA {
namespace {

using scalar::sigmoid;
using scalar::tanh;

constexpr int64_t kSequences = 3 * kTileRows;  // of a block at most
constexpr int64_t kConvertWork = 1 << 15;      // elements
constexpr int64_t kLongWork = 1 << 19;         // multiply-adds of a sequence that take longer than waking a thread

// ---- arguments

// An input as contiguous C's.
template <class C>
class Input {
 public:
  Input(const View& view, const char* what) : packed_(view, what), data_(packed_.as<C>()) {
    View contiguous = view;
    contiguous.data = const_cast<void*>(packed_.as<void>());
    const Source<C> source = float_source<C>(contiguous);
    if (source.direct) return;
    wide_.emplace(view.numel(), what);
    data_ = wide_->get();
    parallel_for(view.numel(), kConvertWork, [&](int64_t begin, int64_t end) {
      source.load(source.data, begin, 1, end - begin, wide_->get() + begin);
    });
  }
  const C* get() const { return data_; }

 private:
  Packed packed_;
  std::optional<Scratch<C>> wide_;
  const C* data_;
};

// A result written as C's and converted at the end.
template <class C>
class Output {
 public:
  Output(const View& view, const char* what) : target_(float_target<C>(view)), count_(view.numel()) {
    if (!target_.direct) wide_.emplace(count_, what);
  }
  ~Output() {
    parallel_for(target_.direct ? 0 : count_, kConvertWork,
                 [&](int64_t begin, int64_t end) { target_.commit(begin, end - begin, wide_->get() + begin); });
  }
  C* get() const { return wide_ ? wide_->get() : static_cast<C*>(target_.data); }

 private:
  Target<C> target_;
  int64_t count_;
  std::optional<Scratch<C>> wide_;
};

// The gradient of y, read where it lies: often it is a broadcast zero.
template <class C>
class Steps {
 public:
  Steps(const View& view, const char* what) : data_(view.as<C>()), strides_(view.strides) {
    if (float_source<C>(view).direct) return;
    copy_.emplace(view, what);
    data_ = copy_->get();
    strides_ = contiguous_strides(view.shape);
  }
  void add_to(int64_t sequence, int64_t step, int64_t n, C* to) const {
    const C* from = data_ + sequence * strides_[0] + step * strides_[1];
    const int64_t stride = strides_[2];
    if (stride == 1)
      for (int64_t j = 0; j < n; ++j) to[j] += from[j];
    else
      for (int64_t j = 0; j < n; ++j) to[j] += from[j * stride];
  }

 private:
  const C* data_;
  Strides strides_;
  std::optional<Input<C>> copy_;
};

class Mask {
 public:
  Mask(const KernelArgs& args, size_t i, int64_t time, const char* what) : time_(time) {
    if (i < args.in.size()) packed_.emplace(args.in[i], what);
  }
  /// Whether the step changes the state.
  bool on(int64_t sequence, int64_t t) const { return !packed_ || packed_->as<bool>()[sequence * time_ + t]; }

 private:
  int64_t time_;
  std::optional<Packed> packed_;
};

// Sizes of y and the order of steps.
struct Walk {
  int64_t batch, time, units;
  bool go_backwards;

  Walk(const View& y, bool backwards)
      : batch(y.shape[0]), time(y.shape[1]), units(y.shape[2]), go_backwards(backwards) {}
  /// The position of a step among those of a sequence in the order of x.
  int64_t at(int64_t sequence, int64_t step) const { return sequence * time + (go_backwards ? time - 1 - step : step); }
  int64_t in_order(int64_t sequence, int64_t step) const { return sequence * time + step; }
  bool on(const Mask& mask, int64_t sequence, int64_t step) const {
    return mask.on(sequence, go_backwards ? time - 1 - step : step);
  }
};

/// f(first sequence, sequences) for every block of sequences. The taller a block, the better its products run, so there
/// are no more than threads ask for: the one cut that looks at their number, which it may because no row knows its
/// block.
template <class F>
void each_block(const Walk& walk, F&& f) {
  const int64_t batch = walk.batch;
  const bool long_blocks = walk.time * walk.units * walk.units >= kLongWork;
  const int64_t blocks = std::max(ceil_div(batch, kSequences), std::min<int64_t>(num_threads(), ceil_div(batch, 4)));
  parallel_for(
      batch, ceil_div(batch, std::max<int64_t>(1, blocks)), [&](int64_t begin, int64_t end) { f(begin, end - begin); },
      long_blocks);
}

// out (batch * time, columns), rows `step` apart, = x kernel.
template <class C>
void project(const View& x, const View& kernel, C* out, int64_t step, const char* what) {
  const int64_t rows = x.shape[0] * x.shape[1], depth = x.shape[2], columns = kernel.shape[1];
  if (rows == 0) return;
  if (depth == 0) {
    std::fill_n(out, rows * step, C(0));
    return;
  }
  const Input<C> from(x, what), by(kernel, what);
  gemm<C>(rows, columns, depth, {from.get(), depth, 1}, {by.get(), columns, 1}, out, step);
}

// What states are multiplied by in each step, `rows` of them at a time. For one the matrix stays as it lies, if it is
// whole vectors wide, and the tile is wide enough to hide the latency of its sums; for more it is packed. Both sum in
// the order of k.
template <class C>
class StateMatrix {
 public:
  StateMatrix(Matrix<C> b, int64_t k, int64_t n, int64_t rows, const char* what) : b_(b), k_(k), n_(n) {
    if (rows > 1 || n % kLanes<C> != 0) packed_.emplace(b, k, n, what);
  }

  /// c = a b, on this thread: rows of a are a_step apart, rows of c c_step.
  void multiply(int64_t rows, const C* a, int64_t a_step, C* c, int64_t c_step) const {
    if (packed_) return packed_->multiply(rows, a, a_step, c, c_step, false);
    constexpr int kVectors = 8;
    const Run run{0, k_};
    int64_t j = 0;
    for (int64_t width; j < n_; j += width) {
      const int64_t vectors = (n_ - j) / kLanes<C>;
      const bool wide = vectors >= kVectors;
      width = (wide ? kVectors : std::min<int64_t>(2, vectors)) * kLanes<C>;
      const Tile<C> product = wide ? tile<C, 1, kVectors> : tile_of<C>(1, vectors >= 2 ? 2 : 1);
      product(a, a_step, 1, {&run, 1}, b_.data + j, b_.row_step, c + j, c_step, false);
    }
  }

 private:
  Matrix<C> b_;
  int64_t k_, n_;
  std::optional<PackedMatrix<C>> packed_;
};

// ---- simple_rnn

template <class C>
void simple_rnn_step(int64_t n, const C* __restrict projected, const C* __restrict bias, C* __restrict h) {
  for (int64_t j = 0; j < n; ++j) h[j] = tanh(h[j] + projected[j] + bias[j]);
}

void simple_rnn(const KernelArgs& args) {
  const char* name = args.op.name;
  const Walk walk(args.out[0], args.attrs.as<RnnAttrs>().go_backwards);
  with_compute(args.out[0].dtype, [&](auto tag) {
    using C = decltype(tag);
    const int64_t n = walk.units;
    const Scratch<C> projected(walk.batch * walk.time * n, name);
    project<C>(args.in[0], args.in[2], projected.get(), n, name);
    const Input<C> first(args.in[1], name), weights(args.in[3], name), bias(args.in[4], name);
    const Mask mask(args, 5, walk.time, name);
    const StateMatrix<C> recurrent({weights.get(), n, 1}, n, n, walk.batch, name);
    const Output<C> y(args.out[0], name), last(args.out[1], name);
    each_block(walk, [&](int64_t begin, int64_t rows) {
      const Scratch<C> memory(2 * rows * n, name);
      C *const h = memory.get(), *const next = h + rows * n;
      std::copy_n(first.get() + begin * n, rows * n, h);
      for (int64_t s = 0; s < walk.time; ++s) {
        recurrent.multiply(rows, h, n, next, n);
        for (int64_t r = 0; r < rows; ++r) {
          const int64_t b = begin + r;
          if (walk.on(mask, b, s)) {
            simple_rnn_step(n, projected.get() + walk.at(b, s) * n, bias.get(), next + r * n);
            std::copy_n(next + r * n, n, h + r * n);
          }
          std::copy_n(h + r * n, n, y.get() + walk.in_order(b, s) * n);
        }
      }
      std::copy_n(h, rows * n, last.get() + begin * n);
    });
  });
}

template <class C>
void simple_rnn_slope(int64_t n, const C* __restrict y, C* __restrict dh, C* __restrict dz) {
  for (int64_t j = 0; j < n; ++j) {
    dz[j] = dh[j] * (1 - y[j] * y[j]);
    dh[j] = 0;
  }
}

void simple_rnn_grad(const KernelArgs& args) {
  const char* name = args.op.name;
  const Walk walk(args.out[0], args.attrs.as<RnnAttrs>().go_backwards);
  with_compute(args.out[0].dtype, [&](auto tag) {
    using C = decltype(tag);
    const int64_t n = walk.units;
    const Input<C> weights(args.in[0], name), y(args.in[1], name), last(args.in[3], name);
    const Steps<C> dy(args.in[2], name);
    const Mask mask(args, 4, walk.time, name);
    const PackedMatrix<C> recurrent(Matrix<C>{weights.get(), n, 1}.transposed(), n, n, name);
    const Output<C> all(args.out[0], name), first(args.out[1], name);
    each_block(walk, [&](int64_t begin, int64_t rows) {
      const Scratch<C> memory(2 * rows * n, name);
      C *const dh = memory.get(), *const dz = dh + rows * n;
      std::copy_n(last.get() + begin * n, rows * n, dh);
      for (int64_t s = walk.time; s-- > 0;) {
        for (int64_t r = 0; r < rows; ++r) {
          const int64_t b = begin + r;
          dy.add_to(b, s, n, dh + r * n);
          if (walk.on(mask, b, s))
            simple_rnn_slope(n, y.get() + walk.in_order(b, s) * n, dh + r * n, dz + r * n);
          else
            std::fill_n(dz + r * n, n, C(0));
          std::copy_n(dz + r * n, n, all.get() + walk.at(b, s) * n);
        }
        recurrent.multiply(rows, dz, n, dh, n, true);
      }
      std::copy_n(dh, rows * n, first.get() + begin * n);
    });
  });
}

// ---- lstm

// `gates` comes as x kernel and leaves as i, f, g, o; z is h recurrent.
template <class C>
void lstm_step(int64_t n, const C* __restrict z, const C* __restrict bias, const C* __restrict before,
               C* __restrict gates, C* __restrict c, C* __restrict h) {
  for (int64_t j = 0; j < n; ++j) {
    const C i = sigmoid(gates[j] + z[j] + bias[j]);
    const C f = sigmoid(gates[n + j] + z[n + j] + bias[n + j]);
    const C g = tanh(gates[2 * n + j] + z[2 * n + j] + bias[2 * n + j]);
    const C o = sigmoid(gates[3 * n + j] + z[3 * n + j] + bias[3 * n + j]);
    const C cell = f * before[j] + i * g;
    gates[j] = i;
    gates[n + j] = f;
    gates[2 * n + j] = g;
    gates[3 * n + j] = o;
    c[j] = cell;
    h[j] = o * tanh(cell);
  }
}

void lstm(const KernelArgs& args) {
  const char* name = args.op.name;
  const Walk walk(args.out[0], args.attrs.as<RnnAttrs>().go_backwards);
  with_compute(args.out[0].dtype, [&](auto tag) {
    using C = decltype(tag);
    const int64_t n = walk.units;
    const Output<C> y(args.out[0], name), last_h(args.out[1], name), last_c(args.out[2], name),
        cells(args.out[3], name), gates(args.out[4], name);
    project<C>(args.in[0], args.in[3], gates.get(), 4 * n, name);
    const Input<C> first_h(args.in[1], name), first_c(args.in[2], name), weights(args.in[4], name),
        bias(args.in[5], name);
    const Mask mask(args, 6, walk.time, name);
    const StateMatrix<C> recurrent({weights.get(), 4 * n, 1}, n, 4 * n, walk.batch, name);
    each_block(walk, [&](int64_t begin, int64_t rows) {
      const Scratch<C> memory(5 * rows * n, name);
      C *const h = memory.get(), *const z = h + rows * n;
      std::copy_n(first_h.get() + begin * n, rows * n, h);
      for (int64_t s = 0; s < walk.time; ++s) {
        recurrent.multiply(rows, h, n, z, 4 * n);
        for (int64_t r = 0; r < rows; ++r) {
          const int64_t b = begin + r, t = walk.at(b, s);
          const C* before = s ? cells.get() + walk.at(b, s - 1) * n : first_c.get() + b * n;
          C *const c = cells.get() + t * n, *const out = y.get() + walk.in_order(b, s) * n;
          lstm_step(n, z + 4 * r * n, bias.get(), before, gates.get() + 4 * t * n, c, out);
          if (walk.on(mask, b, s)) {
            std::copy_n(out, n, h + r * n);
          } else {
            std::copy_n(h + r * n, n, out);
            std::copy_n(before, n, c);
          }
        }
      }
      std::copy_n(h, rows * n, last_h.get() + begin * n);
      for (int64_t b = begin; b < begin + rows; ++b)
        std::copy_n(walk.time ? cells.get() + walk.at(b, walk.time - 1) * n : first_c.get() + b * n, n,
                    last_c.get() + b * n);
    });
  });
}

// dc comes as the gradient of c and leaves as that of the c before; dh is used up.
template <class C>
void lstm_slope(int64_t n, const C* __restrict gates, const C* __restrict before, const C* __restrict c,
                C* __restrict dh, C* __restrict dc, C* __restrict dz) {
  for (int64_t j = 0; j < n; ++j) {
    const C i = gates[j], f = gates[n + j], g = gates[2 * n + j], o = gates[3 * n + j];
    const C squashed = tanh(c[j]), total = dc[j] + dh[j] * o * (1 - squashed * squashed);
    dz[j] = total * g * (i * (1 - i));
    dz[n + j] = total * before[j] * (f * (1 - f));
    dz[2 * n + j] = total * i * (1 - g * g);
    dz[3 * n + j] = dh[j] * squashed * (o * (1 - o));
    dc[j] = total * f;
    dh[j] = 0;
  }
}

void lstm_grad(const KernelArgs& args) {
  const char* name = args.op.name;
  const Walk walk(args.in[2], args.attrs.as<RnnAttrs>().go_backwards);
  with_compute(args.out[0].dtype, [&](auto tag) {
    using C = decltype(tag);
    const int64_t n = walk.units;
    const Input<C> first_c(args.in[0], name), weights(args.in[1], name), cells(args.in[2], name),
        gates(args.in[3], name), last_dh(args.in[5], name), last_dc(args.in[6], name);
    const Steps<C> dy(args.in[4], name);
    const Mask mask(args, 7, walk.time, name);
    const PackedMatrix<C> recurrent(Matrix<C>{weights.get(), 4 * n, 1}.transposed(), 4 * n, n, name);
    const Output<C> all(args.out[0], name), first_dh(args.out[1], name), first_dc(args.out[2], name);
    each_block(walk, [&](int64_t begin, int64_t rows) {
      const Scratch<C> memory(6 * rows * n, name);
      C *const dh = memory.get(), *const dc = dh + rows * n, *const dz = dc + rows * n;
      std::copy_n(last_dh.get() + begin * n, rows * n, dh);
      std::copy_n(last_dc.get() + begin * n, rows * n, dc);
      for (int64_t s = walk.time; s-- > 0;) {
        for (int64_t r = 0; r < rows; ++r) {
          const int64_t b = begin + r, t = walk.at(b, s);
          dy.add_to(b, s, n, dh + r * n);
          if (walk.on(mask, b, s))
            lstm_slope(n, gates.get() + 4 * t * n, s ? cells.get() + walk.at(b, s - 1) * n : first_c.get() + b * n,
                       cells.get() + t * n, dh + r * n, dc + r * n, dz + 4 * r * n);
          else
            std::fill_n(dz + 4 * r * n, 4 * n, C(0));
          std::copy_n(dz + 4 * r * n, 4 * n, all.get() + 4 * t * n);
        }
        recurrent.multiply(rows, dz, 4 * n, dh, n, true);
      }
      std::copy_n(dh, rows * n, first_dh.get() + begin * n);
      std::copy_n(dc, rows * n, first_dc.get() + begin * n);
    });
  });
}

// ---- gru

// `kept` comes as x kernel in its first 3 n columns and leaves as z, r, g, s; `from_h` is h recurrent. h is updated to
// `next`.
template <class C>
void gru_step_after(int64_t n, const C* __restrict from_h, const C* __restrict bias, const C* __restrict h,
                    C* __restrict kept, C* __restrict next) {
  const C* const inner = bias + 3 * n;
  for (int64_t j = 0; j < n; ++j) {
    const C z = sigmoid(kept[j] + bias[j] + (from_h[j] + inner[j]));
    const C r = sigmoid(kept[n + j] + bias[n + j] + (from_h[n + j] + inner[n + j]));
    const C s = from_h[2 * n + j] + inner[2 * n + j];
    const C g = tanh(kept[2 * n + j] + bias[2 * n + j] + r * s);
    kept[j] = z;
    kept[n + j] = r;
    kept[2 * n + j] = g;
    kept[3 * n + j] = s;
    next[j] = z * h[j] + (1 - z) * g;
  }
}

// z and r, and r h for the second product.
template <class C>
void gru_gates_before(int64_t n, const C* __restrict from_h, const C* __restrict bias, const C* __restrict h,
                      C* __restrict kept, C* __restrict reset) {
  for (int64_t j = 0; j < n; ++j) {
    const C r = sigmoid(kept[n + j] + bias[n + j] + from_h[n + j]);
    kept[j] = sigmoid(kept[j] + bias[j] + from_h[j]);
    kept[n + j] = r;
    reset[j] = r * h[j];
  }
}

template <class C>
void gru_step_before(int64_t n, const C* __restrict from_reset, const C* __restrict bias, const C* __restrict h,
                     C* __restrict kept, C* __restrict next) {
  for (int64_t j = 0; j < n; ++j) {
    const C z = kept[j], g = tanh(kept[2 * n + j] + bias[2 * n + j] + from_reset[j]);
    kept[2 * n + j] = g;
    next[j] = z * h[j] + (1 - z) * g;
  }
}

void gru(const KernelArgs& args) {
  const char* name = args.op.name;
  const auto [go_backwards, after] = args.attrs.as<GruAttrs>();
  const Walk walk(args.out[0], go_backwards);
  with_compute(args.out[0].dtype, [&, after = after](auto tag) {
    using C = decltype(tag);
    const int64_t n = walk.units, width = (after ? 4 : 3) * n, columns = (after ? 3 : 2) * n;
    const Output<C> y(args.out[0], name), last(args.out[1], name), gates(args.out[2], name);
    project<C>(args.in[0], args.in[2], gates.get(), width, name);
    const Input<C> first(args.in[1], name), weights(args.in[3], name), bias(args.in[4], name);
    const Mask mask(args, 5, walk.time, name);
    const StateMatrix<C> recurrent({weights.get(), 3 * n, 1}, n, columns, walk.batch, name);
    std::optional<StateMatrix<C>> of_reset;
    if (!after) of_reset.emplace(Matrix<C>{weights.get() + 2 * n, 3 * n, 1}, n, n, walk.batch, name);
    each_block(walk, [&](int64_t begin, int64_t rows) {
      const Scratch<C> memory(rows * (2 * n + columns), name);
      C *const h = memory.get(), *const reset = h + rows * n, *const from_h = reset + rows * n;
      std::copy_n(first.get() + begin * n, rows * n, h);
      for (int64_t s = 0; s < walk.time; ++s) {
        recurrent.multiply(rows, h, n, from_h, columns);
        const auto kept = [&](int64_t r) { return gates.get() + walk.at(begin + r, s) * width; };
        if (!after) {
          for (int64_t r = 0; r < rows; ++r)
            gru_gates_before(n, from_h + r * columns, bias.get(), h + r * n, kept(r), reset + r * n);
          of_reset->multiply(rows, reset, n, from_h, columns);
        }
        for (int64_t r = 0; r < rows; ++r) {
          C *const state = h + r * n, *const out = y.get() + walk.in_order(begin + r, s) * n;
          if (after)
            gru_step_after(n, from_h + r * columns, bias.get(), state, kept(r), out);
          else
            gru_step_before(n, from_h + r * columns, bias.get(), state, kept(r), out);
          if (walk.on(mask, begin + r, s))
            std::copy_n(out, n, state);
          else
            std::copy_n(state, n, out);
        }
      }
      std::copy_n(h, rows * n, last.get() + begin * n);
    });
  });
}

// dz: gradients of what z, r and s were computed from; `of_g`: of what g was. dh leaves as the part of the gradient of
// the h before that does not pass through them.
template <class C>
void gru_slope_after(int64_t n, const C* __restrict kept, const C* __restrict before, C* __restrict dh,
                     C* __restrict dz, C* __restrict of_g) {
  for (int64_t j = 0; j < n; ++j) {
    const C z = kept[j], r = kept[n + j], g = kept[2 * n + j], s = kept[3 * n + j];
    const C dg = dh[j] * (1 - z) * (1 - g * g);
    dz[j] = dh[j] * (before[j] - g) * (z * (1 - z));
    dz[n + j] = dg * s * (r * (1 - r));
    dz[2 * n + j] = dg * r;
    of_g[j] = dg;
    dh[j] *= z;
  }
}

template <class C>
void gru_slope_before(int64_t n, const C* __restrict kept, const C* __restrict before, C* __restrict dh,
                      C* __restrict dz) {
  for (int64_t j = 0; j < n; ++j) {
    const C z = kept[j], g = kept[2 * n + j];
    dz[j] = dh[j] * (before[j] - g) * (z * (1 - z));
    dz[2 * n + j] = dh[j] * (1 - z) * (1 - g * g);
    dh[j] *= z;
  }
}

// of_reset: gradient of r h.
template <class C>
void gru_reset_slope(int64_t n, const C* __restrict r, const C* __restrict before, const C* __restrict of_reset,
                     C* __restrict dh, C* __restrict dr) {
  for (int64_t j = 0; j < n; ++j) {
    dr[j] = of_reset[j] * before[j] * (r[j] * (1 - r[j]));
    dh[j] += of_reset[j] * r[j];
  }
}

void gru_grad(const KernelArgs& args) {
  const char* name = args.op.name;
  const auto [go_backwards, after] = args.attrs.as<GruAttrs>();
  const Walk walk(args.in[2], go_backwards);
  with_compute(args.out[0].dtype, [&, after = after](auto tag) {
    using C = decltype(tag);
    const int64_t n = walk.units, width = (after ? 4 : 3) * n, columns = (after ? 3 : 2) * n;
    const Input<C> first(args.in[0], name), weights(args.in[1], name), y(args.in[2], name), gates(args.in[3], name),
        last(args.in[5], name);
    const Steps<C> dy(args.in[4], name);
    const Mask mask(args, 6, walk.time, name);
    const PackedMatrix<C> recurrent(Matrix<C>{weights.get(), 3 * n, 1}.transposed(), columns, n, name);
    std::optional<PackedMatrix<C>> of_reset;
    if (!after) of_reset.emplace(Matrix<C>{weights.get() + 2 * n, 3 * n, 1}.transposed(), n, n, name);
    const Output<C> all(args.out[0], name), out(args.out[1], name);
    each_block(walk, [&](int64_t begin, int64_t rows) {
      const Scratch<C> memory(rows * 5 * n, name);
      C *const dh = memory.get(), *const dz = dh + rows * n, *const reset = dz + rows * 3 * n;
      std::copy_n(last.get() + begin * n, rows * n, dh);
      for (int64_t s = walk.time; s-- > 0;) {
        const auto before = [&](int64_t r) {
          return s ? y.get() + walk.in_order(begin + r, s - 1) * n : first.get() + (begin + r) * n;
        };
        const auto place = [&](int64_t r) { return walk.at(begin + r, s) * width; };
        for (int64_t r = 0; r < rows; ++r) {
          C *const state = dh + r * n, *const slopes = dz + r * 3 * n, *const to = all.get() + place(r);
          dy.add_to(begin + r, s, n, state);
          if (!walk.on(mask, begin + r, s)) {
            std::fill_n(slopes, 3 * n, C(0));
            std::fill_n(to, width, C(0));
          } else if (after) {
            gru_slope_after(n, gates.get() + place(r), before(r), state, slopes, to + 2 * n);
            std::copy_n(slopes, 2 * n, to);
            std::copy_n(slopes + 2 * n, n, to + 3 * n);
          } else {
            gru_slope_before(n, gates.get() + place(r), before(r), state, slopes);
          }
        }
        if (!after) {
          of_reset->multiply(rows, dz + 2 * n, 3 * n, reset, n, false);
          for (int64_t r = 0; r < rows; ++r) {
            gru_reset_slope(n, gates.get() + place(r) + n, before(r), reset + r * n, dh + r * n, dz + r * 3 * n + n);
            std::copy_n(dz + r * 3 * n, 3 * n, all.get() + place(r));
          }
        }
        recurrent.multiply(rows, dz, 3 * n, dh, n, true);
      }
      std::copy_n(dh, rows * n, out.get() + begin * n);
    });
  });
}

}  // namespace

void register_rnn(KernelSink& sink) {
  sink.set("simple_rnn", simple_rnn);
  sink.set("simple_rnn_grad", simple_rnn_grad);
  sink.set("lstm", lstm);
  sink.set("lstm_grad", lstm_grad);
  sink.set("gru", gru);
  sink.set("gru_grad", gru_grad);
}

}  // namespace addax::cpu::ADDAX_ISA
