// CUDA kernels of the rnn family. The input projection is one product over all steps. Then each step is one launch: a
// thread has a unit of a sequence, takes its share of the product of state and recurrent weights, and goes on to the
// gates. Backwards it is the product with the slopes of the step behind, and on to the slopes of its own. States stay
// in the type of the arithmetic; two copies of what a product reads take turns.
#include "cuda/convert.h"
#include "cuda/cublaslt.h"
#include "cuda/kernels.h"
#include "cuda/product.h"
#include "ops/rnn.h"

namespace addax::cuda {
namespace {

using scalar::sigmoid;
using scalar::tanh;

constexpr int kSide = 16, kDeep = 32;  // a block has kSide sequences and as many units, and kDeep terms at a time
static_assert(kSide * kSide == kThreads);

struct Strided {
  void* data = nullptr;
  Dtype dtype = Dtype::Float32;
  int64_t step[3] = {};

  Strided() = default;
  explicit Strided(const View& v) : data(v.data), dtype(v.dtype) {
    for (int d = 0; d < v.rank(); ++d) step[d] = v.strides[d];
  }
  __device__ int64_t at(int64_t i, int64_t j, int64_t k) const { return i * step[0] + j * step[1] + k * step[2]; }
  template <class C>
  __device__ C read(int64_t i, int64_t j = 0, int64_t k = 0) const {
    return load_float<C>(data, dtype, at(i, j, k));
  }
  template <class C>
  __device__ void write(C value, int64_t i, int64_t j, int64_t k = 0) const {
    store_float<C>(data, dtype, at(i, j, k), value);
  }
};

struct Sequences {
  int64_t batch, time, units;
  bool backwards;
  Strided mask;

  Sequences(const KernelArgs& args, const View& y, bool go_backwards, size_t mask_input)
      : batch(y.shape[0]), time(y.shape[1]), units(y.shape[2]), backwards(go_backwards) {
    if (mask_input < args.in.size()) mask = Strided(args.in[mask_input]);
  }
  /// A step's place in the order of x.
  __device__ int64_t at(int64_t step) const { return backwards ? time - 1 - step : step; }
  /// Whether a step changes the state.
  __device__ bool on(int64_t b, int64_t step) const {
    return !mask.data || static_cast<const bool*>(mask.data)[mask.at(b, at(step), 0)];
  }
  int64_t states() const { return batch * units; }
};

// ---- products

template <class S>
struct Projection {
  using A = sum_t<S>;
  using Stored = S;
  Strided x, kernel;
  int64_t time, columns;
  A* out;
  Along a_along = Along::None, b_along = Along::None;

  __device__ const S* a_at(int64_t, int64_t i, int64_t p) const {
    return static_cast<const S*>(x.data) + x.at(i / time, i % time, p);
  }
  __device__ const S* b_at(int64_t, int64_t p, int64_t j) const {
    return static_cast<const S*>(kernel.data) + kernel.at(p, j, 0);
  }
  __device__ int64_t place(int64_t, int64_t i, int64_t j) const { return i * columns + j; }
  __device__ void store(int64_t at, A sum) const { out[at] = sum; }
};

/// out (batch, time, columns) = x kernel.
template <class C>
void project(const View& x, const View& kernel, C* out, const char* what) {
  const int64_t rows = x.shape[0] * x.shape[1], depth = x.shape[2], columns = kernel.shape[1];
  if (rows == 0) return;
  with_float(x.dtype, [&](auto tag) {
    using S = decltype(tag);
    if constexpr (std::is_same_v<S, C>) {
      const LtMatrix left{x.data, x.strides[1], x.strides[2], x.strides[0]};
      const LtMatrix right{kernel.data, kernel.strides[0], kernel.strides[1], 0};
      if (lt_product({x.dtype, x.shape[0], x.shape[1], columns, depth, left, right, out}, what)) return;
    }
    if constexpr (std::is_same_v<sum_t<S>, C>) {
      Projection<S> p{Strided(x), Strided(kernel), x.shape[1], columns, out};
      if (is_vector(x.data) && x.strides[2] == 1 && x.strides[0] % kRun<S> == 0 && x.strides[1] % kRun<S> == 0)
        p.a_along = Along::Terms;
      if (is_vector(kernel.data) && kernel.strides[1] == 1 && kernel.strides[0] % kRun<S> == 0)
        p.b_along = Along::Lines;
      run_product(p, cut_product(rows, columns, depth, 1), what);
    }
  });
}

/// Cell: a step of all sequences. It has kProducts, of `depth` terms left(b, k) right(product, k, unit), and does the
/// rest of the step with their sums in finish(b, unit, sums).
template <class C, class Cell>
__global__ void step_kernel(Cell cell, int64_t batch, int64_t units) {
  constexpr int kProducts = Cell::kProducts;
  __shared__ C left[kSide][kDeep + 1], right[kProducts][kDeep][kSide + 1];
  const int64_t first_row = blockIdx.x * int64_t{kSide}, first_unit = blockIdx.y * int64_t{kSide};
  const int row = threadIdx.x / kSide, unit = threadIdx.x % kSide;
  C sum[kProducts] = {};
  for (int64_t k = 0; k < cell.depth; k += kDeep) {
    for (int e = threadIdx.x; e < kSide * kDeep; e += kThreads) {
      const int64_t b = first_row + e / kDeep, q = k + e % kDeep;
      left[e / kDeep][e % kDeep] = b < batch && q < cell.depth ? cell.left(b, q) : C(0);
    }
    for (int e = threadIdx.x; e < kProducts * kDeep * kSide; e += kThreads) {
      const int64_t q = k + e / kSide % kDeep, j = first_unit + e % kSide;
      const int product = e / (kDeep * kSide);
      right[product][e / kSide % kDeep][e % kSide] = q < cell.depth && j < units ? cell.right(product, q, j) : C(0);
    }
    __syncthreads();
    for (int q = 0; q < kDeep; ++q) {
#pragma unroll
      for (int p = 0; p < kProducts; ++p) sum[p] += left[row][q] * right[p][q][unit];
    }
    __syncthreads();
  }
  if (first_row + row < batch && first_unit + unit < units) cell.finish(first_row + row, first_unit + unit, sum);
}

template <class C, class Cell>
void run_step(const Cell& cell, const Sequences& s) {
  launch(step_kernel<C, Cell>, {ceil_div(s.batch, kSide), ceil_div(s.units, kSide)}, kThreads, cell, s.batch, s.units);
}

template <class C>
__global__ void read_kernel(Strided from, int64_t n, int64_t units, C* to) {
  for (int64_t i = thread_index(); i < n; i += thread_count()) to[i] = from.read<C>(i / units, i % units);
}
template <class C>
__global__ void write_kernel(const C* from, int64_t n, int64_t units, Strided to) {
  for (int64_t i = thread_index(); i < n; i += thread_count()) to.write(from[i], i / units, i % units);
}

/// `columns` numbers per unit and sequence in the type of the arithmetic, and a second copy that the next step writes
/// where a product reads the first.
template <class C>
class State {
 public:
  State(const Sequences& s, const char* what, int copies = 1, int64_t columns = 1)
      : n_(s.states() * columns), units_(s.units), memory_(copies * n_, what), now_(memory_.get()), next_(now_ + n_) {}
  C* now() const { return now_; }
  C* next() const { return next_; }
  void turn() { std::swap(now_, next_); }
  void read(const View& from) const { launch(read_kernel<C>, grid_for(n_), kThreads, Strided(from), n_, units_, now_); }
  void write(const View& to) const { launch(write_kernel<C>, grid_for(n_), kThreads, now_, n_, units_, Strided(to)); }

 private:
  int64_t n_, units_;
  Temporary<C> memory_;
  C *now_, *next_;
};

// ---- simple_rnn

template <class C>
struct SimpleRnn {
  static constexpr int kProducts = 1;
  Sequences s;
  int64_t step, depth;
  const C *projected, *h;
  C* next;
  Strided weights, bias, y;

  __device__ C left(int64_t b, int64_t k) const { return h[b * s.units + k]; }
  __device__ C right(int, int64_t k, int64_t j) const { return weights.read<C>(k, j); }
  __device__ void finish(int64_t b, int64_t j, const C (&sum)[1]) const {
    const int64_t i = b * s.units + j;
    C value = h[i];
    if (s.on(b, step)) value = tanh(sum[0] + projected[(b * s.time + s.at(step)) * s.units + j] + bias.read<C>(j));
    next[i] = value;
    y.write(value, b, step, j);
  }
};

template <class C>
void simple_rnn(const KernelArgs& args) {
  const char* name = args.op.name;
  const Sequences s(args, args.out[0], args.attrs.as<RnnAttrs>().go_backwards, 5);
  const Temporary<C> projected(s.states() * s.time, name);
  project(args.in[0], args.in[2], projected.get(), name);
  State<C> h(s, name, 2);
  h.read(args.in[1]);
  for (int64_t step = 0; step < s.time; ++step) {
    run_step<C>(SimpleRnn<C>{s, step, s.units, projected.get(), h.now(), h.next(), Strided(args.in[3]),
                             Strided(args.in[4]), Strided(args.out[0])},
                s);
    h.turn();
  }
  h.write(args.out[1]);
}

/// Of step -1 nothing is left but the gradient of the first state.
template <class C>
struct SimpleRnnGrad {
  static constexpr int kProducts = 1;
  Sequences s;
  int64_t step, depth;
  const C* later;  // slopes of the step behind
  C *slopes, *dh;
  Strided weights, y, dy, out;

  __device__ C left(int64_t b, int64_t k) const { return later[b * s.units + k]; }
  __device__ C right(int, int64_t k, int64_t j) const { return weights.read<C>(j, k); }
  __device__ void finish(int64_t b, int64_t j, const C (&sum)[1]) const {
    const int64_t i = b * s.units + j;
    C total = dh[i] + sum[0], slope = C(0);
    if (step >= 0) {
      total += dy.read<C>(b, step, j);
      if (s.on(b, step)) {
        const C value = y.read<C>(b, step, j);
        slope = total * (1 - value * value);
        total = C(0);
      }
      slopes[i] = slope;
      out.write(slope, b, s.at(step), j);
    }
    dh[i] = total;
  }
};

template <class C>
void simple_rnn_grad(const KernelArgs& args) {
  const char* name = args.op.name;
  const Sequences s(args, args.out[0], args.attrs.as<RnnAttrs>().go_backwards, 4);
  const State<C> dh(s, name);
  State<C> slopes(s, name, 2, 1);
  dh.read(args.in[3]);
  for (int64_t step = s.time - 1; step >= -1; --step) {
    run_step<C>(SimpleRnnGrad<C>{s, step, step + 1 < s.time ? s.units : 0, slopes.now(), slopes.next(), dh.now(),
                                 Strided(args.in[0]), Strided(args.in[1]), Strided(args.in[2]), Strided(args.out[0])},
                s);
    slopes.turn();
  }
  dh.write(args.out[1]);
}

// ---- lstm

template <class C>
struct Lstm {
  static constexpr int kProducts = 4;
  Sequences s;
  int64_t step, depth;
  const C *projected, *h;
  C *next, *c;
  Strided weights, bias, y, cells, gates;

  __device__ C left(int64_t b, int64_t k) const { return h[b * s.units + k]; }
  __device__ C right(int gate, int64_t k, int64_t j) const { return weights.read<C>(k, gate * s.units + j); }
  __device__ void finish(int64_t b, int64_t j, const C (&sum)[4]) const {
    const int64_t i = b * s.units + j, t = s.at(step);
    C z[4];
    for (int g = 0; g < 4; ++g)
      z[g] = projected[(b * s.time + t) * 4 * s.units + g * s.units + j] + sum[g] + bias.read<C>(g * s.units + j);
    const C in = sigmoid(z[0]), forget = sigmoid(z[1]), fresh = tanh(z[2]), out = sigmoid(z[3]);
    gates.write(in, b, t, j);
    gates.write(forget, b, t, s.units + j);
    gates.write(fresh, b, t, 2 * s.units + j);
    gates.write(out, b, t, 3 * s.units + j);
    C cell = c[i], value = h[i];
    if (s.on(b, step)) {
      cell = forget * cell + in * fresh;
      value = out * tanh(cell);
    }
    c[i] = cell;
    next[i] = value;
    cells.write(cell, b, t, j);
    y.write(value, b, step, j);
  }
};

template <class C>
void lstm(const KernelArgs& args) {
  const char* name = args.op.name;
  const Sequences s(args, args.out[0], args.attrs.as<RnnAttrs>().go_backwards, 6);
  const Temporary<C> projected(4 * s.states() * s.time, name);
  project(args.in[0], args.in[3], projected.get(), name);
  State<C> h(s, name, 2);
  const State<C> c(s, name);
  h.read(args.in[1]);
  c.read(args.in[2]);
  for (int64_t step = 0; step < s.time; ++step) {
    run_step<C>(Lstm<C>{s, step, s.units, projected.get(), h.now(), h.next(), c.now(), Strided(args.in[4]),
                        Strided(args.in[5]), Strided(args.out[0]), Strided(args.out[3]), Strided(args.out[4])},
                s);
    h.turn();
  }
  h.write(args.out[1]);
  c.write(args.out[2]);
}

template <class C>
struct LstmGrad {
  static constexpr int kProducts = 1;
  Sequences s;
  int64_t step, depth;
  const C* later;
  C *slopes, *dh, *dc;
  Strided first, weights, cells, gates, dy, out;

  __device__ C left(int64_t b, int64_t k) const { return later[b * 4 * s.units + k]; }
  __device__ C right(int, int64_t k, int64_t j) const { return weights.read<C>(j, k); }
  __device__ void finish(int64_t b, int64_t j, const C (&sum)[1]) const {
    const int64_t i = b * s.units + j;
    C of_h = dh[i] + sum[0];
    if (step >= 0) {
      const int64_t t = s.at(step);
      C slope[4] = {};
      of_h += dy.read<C>(b, step, j);
      if (s.on(b, step)) {
        C gate[4];
        for (int g = 0; g < 4; ++g) gate[g] = gates.read<C>(b, t, g * s.units + j);
        const C before = step ? cells.read<C>(b, s.at(step - 1), j) : first.read<C>(b, j);
        const C squashed = tanh(cells.read<C>(b, t, j)), of_c = dc[i] + of_h * gate[3] * (1 - squashed * squashed);
        slope[0] = of_c * gate[2] * (gate[0] * (1 - gate[0]));
        slope[1] = of_c * before * (gate[1] * (1 - gate[1]));
        slope[2] = of_c * gate[0] * (1 - gate[2] * gate[2]);
        slope[3] = of_h * squashed * (gate[3] * (1 - gate[3]));
        dc[i] = of_c * gate[1];
        of_h = C(0);
      }
      for (int g = 0; g < 4; ++g) {
        slopes[(b * 4 + g) * s.units + j] = slope[g];
        out.write(slope[g], b, t, g * s.units + j);
      }
    }
    dh[i] = of_h;
  }
};

template <class C>
void lstm_grad(const KernelArgs& args) {
  const char* name = args.op.name;
  const Sequences s(args, args.in[2], args.attrs.as<RnnAttrs>().go_backwards, 7);
  const State<C> dh(s, name), dc(s, name);
  State<C> slopes(s, name, 2, 4);
  dh.read(args.in[5]);
  dc.read(args.in[6]);
  for (int64_t step = s.time - 1; step >= -1; --step) {
    run_step<C>(LstmGrad<C>{s, step, step + 1 < s.time ? 4 * s.units : 0, slopes.now(), slopes.next(), dh.now(),
                            dc.now(), Strided(args.in[0]), Strided(args.in[1]), Strided(args.in[2]),
                            Strided(args.in[3]), Strided(args.in[4]), Strided(args.out[0])},
                s);
    slopes.turn();
  }
  dh.write(args.out[1]);
  dc.write(args.out[2]);
}

// ---- gru

template <class C>
struct Gru {
  Sequences s;
  int64_t step, depth;
  const C *projected, *h;
  C *next, *update, *reset;  // update, reset: z and r h of the step, where r comes before the product
  Strided weights, bias, y, kept;

  __device__ C input(int64_t b, int gate, int64_t j) const {
    return projected[(b * s.time + s.at(step)) * 3 * s.units + gate * s.units + j];
  }
  __device__ C weight(int gate, int64_t k, int64_t j) const { return weights.read<C>(k, gate * s.units + j); }
  __device__ void keep(int gate, int64_t b, int64_t j, C value) const {
    kept.write(value, b, s.at(step), gate * s.units + j);
  }
  __device__ void move(int64_t b, int64_t j, C z, C fresh) const {
    const int64_t i = b * s.units + j;
    const C value = s.on(b, step) ? z * h[i] + (1 - z) * fresh : h[i];
    next[i] = value;
    y.write(value, b, step, j);
  }
};

template <class C>
struct GruAfter : Gru<C> {
  static constexpr int kProducts = 3;
  __device__ C left(int64_t b, int64_t k) const { return this->h[b * this->s.units + k]; }
  __device__ C right(int gate, int64_t k, int64_t j) const { return this->weight(gate, k, j); }
  __device__ void finish(int64_t b, int64_t j, const C (&sum)[3]) const {
    C outer[3], inner[3];
    for (int g = 0; g < 3; ++g) {
      outer[g] = this->input(b, g, j) + this->bias.template read<C>(0, g * this->s.units + j);
      inner[g] = sum[g] + this->bias.template read<C>(1, g * this->s.units + j);
    }
    const C z = sigmoid(outer[0] + inner[0]), r = sigmoid(outer[1] + inner[1]), fresh = tanh(outer[2] + r * inner[2]);
    this->keep(0, b, j, z);
    this->keep(1, b, j, r);
    this->keep(2, b, j, fresh);
    this->keep(3, b, j, inner[2]);
    this->move(b, j, z, fresh);
  }
};

template <class C>
struct GruGates : Gru<C> {
  static constexpr int kProducts = 2;
  __device__ C left(int64_t b, int64_t k) const { return this->h[b * this->s.units + k]; }
  __device__ C right(int gate, int64_t k, int64_t j) const { return this->weight(gate, k, j); }
  __device__ void finish(int64_t b, int64_t j, const C (&sum)[2]) const {
    const int64_t i = b * this->s.units + j;
    C gate[2];
    for (int g = 0; g < 2; ++g) {
      gate[g] = sigmoid(this->input(b, g, j) + this->bias.template read<C>(g * this->s.units + j) + sum[g]);
      this->keep(g, b, j, gate[g]);
    }
    this->update[i] = gate[0];
    this->reset[i] = gate[1] * this->h[i];
  }
};

template <class C>
struct GruBefore : Gru<C> {
  static constexpr int kProducts = 1;
  __device__ C left(int64_t b, int64_t k) const { return this->reset[b * this->s.units + k]; }
  __device__ C right(int, int64_t k, int64_t j) const { return this->weight(2, k, j); }
  __device__ void finish(int64_t b, int64_t j, const C (&sum)[1]) const {
    const C fresh = tanh(this->input(b, 2, j) + this->bias.template read<C>(2 * this->s.units + j) + sum[0]);
    this->keep(2, b, j, fresh);
    this->move(b, j, this->update[b * this->s.units + j], fresh);
  }
};

template <class C>
void gru(const KernelArgs& args) {
  const char* name = args.op.name;
  const auto& attrs = args.attrs.as<GruAttrs>();
  const Sequences s(args, args.out[0], attrs.go_backwards, 5);
  const Temporary<C> projected(3 * s.states() * s.time, name);
  project(args.in[0], args.in[2], projected.get(), name);
  State<C> h(s, name, 2);
  const State<C> update(s, name), reset(s, name);
  h.read(args.in[1]);
  for (int64_t step = 0; step < s.time; ++step) {
    const Gru<C> cell{s,
                      step,
                      s.units,
                      projected.get(),
                      h.now(),
                      h.next(),
                      update.now(),
                      reset.now(),
                      Strided(args.in[3]),
                      Strided(args.in[4]),
                      Strided(args.out[0]),
                      Strided(args.out[2])};
    if (attrs.reset_after) {
      run_step<C>(GruAfter<C>{cell}, s);
    } else {
      run_step<C>(GruGates<C>{cell}, s);
      run_step<C>(GruBefore<C>{cell}, s);
    }
    h.turn();
  }
  h.write(args.out[1]);
}

template <class C>
struct GruGrad {
  Sequences s;
  int64_t step, depth;
  const C* later;  // slopes that the next product reads: of z and r, and with r behind the product of its result
  C *slopes, *dh, *of_fresh;
  Strided first, weights, y, gates, dy, out;

  __device__ C gate(int g, int64_t b, int64_t j) const { return gates.read<C>(b, s.at(step), g * s.units + j); }
  __device__ C before(int64_t b, int64_t j) const { return step ? y.read<C>(b, step - 1, j) : first.read<C>(b, j); }
  __device__ void put(int column, int64_t b, int64_t j, C slope) const {
    out.write(slope, b, s.at(step), column * s.units + j);
  }
};

template <class C>
struct GruGradAfter : GruGrad<C> {
  static constexpr int kProducts = 1;
  __device__ C left(int64_t b, int64_t k) const { return this->later[b * 3 * this->s.units + k]; }
  __device__ C right(int, int64_t k, int64_t j) const { return this->weights.template read<C>(j, k); }
  __device__ void finish(int64_t b, int64_t j, const C (&sum)[1]) const {
    const int64_t units = this->s.units, i = b * units + j;
    C total = this->dh[i] + sum[0];
    if (this->step >= 0) {
      C of_z = C(0), of_r = C(0), of_fresh = C(0), of_inner = C(0);
      total += this->dy.template read<C>(b, this->step, j);
      if (this->s.on(b, this->step)) {
        const C z = this->gate(0, b, j), r = this->gate(1, b, j), fresh = this->gate(2, b, j);
        of_fresh = total * (1 - z) * (1 - fresh * fresh);
        of_z = total * (this->before(b, j) - fresh) * (z * (1 - z));
        of_r = of_fresh * this->gate(3, b, j) * (r * (1 - r));
        of_inner = of_fresh * r;
        total *= z;
      }
      C* const to = this->slopes + b * 3 * units + j;
      to[0] = of_z;
      to[units] = of_r;
      to[2 * units] = of_inner;
      this->put(0, b, j, of_z);
      this->put(1, b, j, of_r);
      this->put(2, b, j, of_fresh);
      this->put(3, b, j, of_inner);
    }
    this->dh[i] = total;
  }
};

template <class C>
struct GruGradGates : GruGrad<C> {
  static constexpr int kProducts = 1;
  __device__ C left(int64_t b, int64_t k) const { return this->later[b * 2 * this->s.units + k]; }
  __device__ C right(int, int64_t k, int64_t j) const { return this->weights.template read<C>(j, k); }
  __device__ void finish(int64_t b, int64_t j, const C (&sum)[1]) const {
    const int64_t i = b * this->s.units + j;
    C total = this->dh[i] + sum[0];
    if (this->step >= 0) {
      C of_z = C(0), of_fresh = C(0);
      total += this->dy.template read<C>(b, this->step, j);
      if (this->s.on(b, this->step)) {
        const C z = this->gate(0, b, j), fresh = this->gate(2, b, j);
        of_z = total * (this->before(b, j) - fresh) * (z * (1 - z));
        of_fresh = total * (1 - z) * (1 - fresh * fresh);
        total *= z;
      }
      this->slopes[b * 2 * this->s.units + j] = of_z;
      this->of_fresh[i] = of_fresh;
      this->put(0, b, j, of_z);
      this->put(2, b, j, of_fresh);
    }
    this->dh[i] = total;
  }
};

template <class C>
struct GruGradBefore : GruGrad<C> {
  static constexpr int kProducts = 1;
  __device__ C left(int64_t b, int64_t k) const { return this->of_fresh[b * this->s.units + k]; }
  __device__ C right(int, int64_t k, int64_t j) const {
    return this->weights.template read<C>(j, 2 * this->s.units + k);
  }
  // sum: the gradient of r h.
  __device__ void finish(int64_t b, int64_t j, const C (&sum)[1]) const {
    C of_r = C(0);
    if (this->s.on(b, this->step)) {
      const C r = this->gate(1, b, j);
      of_r = sum[0] * this->before(b, j) * (r * (1 - r));
      this->dh[b * this->s.units + j] += sum[0] * r;
    }
    this->slopes[(b * 2 + 1) * this->s.units + j] = of_r;
    this->put(1, b, j, of_r);
  }
};

template <class C>
void gru_grad(const KernelArgs& args) {
  const char* name = args.op.name;
  const auto& attrs = args.attrs.as<GruAttrs>();
  const Sequences s(args, args.in[2], attrs.go_backwards, 6);
  const int64_t columns = attrs.reset_after ? 3 : 2;
  const State<C> dh(s, name), of_fresh(s, name);
  State<C> slopes(s, name, 2, columns);
  dh.read(args.in[5]);
  for (int64_t step = s.time - 1; step >= -1; --step) {
    GruGrad<C> cell{s,
                    step,
                    step + 1 < s.time ? columns * s.units : 0,
                    slopes.now(),
                    slopes.next(),
                    dh.now(),
                    of_fresh.now(),
                    Strided(args.in[0]),
                    Strided(args.in[1]),
                    Strided(args.in[2]),
                    Strided(args.in[3]),
                    Strided(args.in[4]),
                    Strided(args.out[0])};
    if (attrs.reset_after) {
      run_step<C>(GruGradAfter<C>{cell}, s);
    } else {
      run_step<C>(GruGradGates<C>{cell}, s);
      cell.depth = s.units;
      if (step >= 0) run_step<C>(GruGradBefore<C>{cell}, s);
    }
    slopes.turn();
  }
  dh.write(args.out[1]);
}

#define ADDAX_RNN(name) \
  set(table, #name,     \
      [](const KernelArgs& args) { with_compute(args.out[0].dtype, [&](auto c) { name<decltype(c)>(args); }); })

}  // namespace

void register_rnn(OpTable& table) {
  ADDAX_RNN(simple_rnn);
  ADDAX_RNN(simple_rnn_grad);
  ADDAX_RNN(lstm);
  ADDAX_RNN(lstm_grad);
  ADDAX_RNN(gru);
  ADDAX_RNN(gru_grad);
}
#undef ADDAX_RNN

}  // namespace addax::cuda
