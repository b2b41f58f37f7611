// CUDA kernels of the reduce family. Floats are folded as doubles, integers as int64: both are bound by memory, and no
// kernel is needed per dtype. Large reductions are cut into chunks by sizes alone, which combine in order.
#include "cuda/block.h"
#include "cuda/convert.h"
#include "cuda/kernels.h"
#include "cuda/program.h"
#include "ops/reduce.h"

namespace addax::cuda {
namespace {

enum class Kind { Sum, Prod, Max, Min, Any, All };

template <class A>
__device__ inline A fold(Kind kind, A a, A b) {
  switch (kind) {
    case Kind::Sum:
      return a + b;
    case Kind::Prod:
      return a * b;
    case Kind::Max:
    case Kind::Any:
      return scalar::maximum(a, b);
    default:
      return scalar::minimum(a, b);
  }
}

template <class A>
__device__ inline A lowest() {
  if constexpr (std::is_same_v<A, double>)
    return -scalar::infinity(0.0);
  else
    return scalar::Limits<A>::low;
}
template <class A>
__device__ inline A highest() {
  if constexpr (std::is_same_v<A, double>)
    return scalar::infinity(0.0);
  else
    return scalar::Limits<A>::high;
}

template <class A>
__device__ inline A neutral(Kind kind) {
  switch (kind) {
    case Kind::Sum:
      return A(0);
    case Kind::Prod:
      return A(1);
    case Kind::Max:
    case Kind::Any:
      return lowest<A>();
    default:
      return highest<A>();
  }
}

// The order of the largest uint64's is kept by flipping the top bit.
constexpr uint64_t kTop = uint64_t{1} << 63;

template <class A>
__device__ inline A read_ordered(const void* data, Dtype dtype, int64_t at) {
  if constexpr (std::is_same_v<A, int64_t>)
    if (dtype == Dtype::UInt64) return static_cast<int64_t>(static_cast<const uint64_t*>(data)[at] ^ kTop);
  return load<A>(data, dtype, at);
}

// ---- what is folded: start, add an element of a position, merge with a later or earlier total, store

template <class A>
struct Fold {
  using Total = A;
  Kind kind;

  __device__ Total start() const { return neutral<A>(kind); }
  __device__ Total read(const void* data, Dtype dtype, int64_t at, int64_t) const {
    if (kind == Kind::Any || kind == Kind::All) return A(load<bool>(data, dtype, at));
    return kind == Kind::Max || kind == Kind::Min ? read_ordered<A>(data, dtype, at) : load<A>(data, dtype, at);
  }
  __device__ Total operator()(Total a, Total b) const { return fold(kind, a, b); }
  __device__ void finish(void* out, Dtype dtype, int64_t at, Total total) const {
    if (kind == Kind::Any || kind == Kind::All) {
      static_cast<bool*>(out)[at] = total > A(0);
      return;
    }
    if constexpr (std::is_same_v<A, int64_t>)
      if (dtype == Dtype::UInt64 && (kind == Kind::Max || kind == Kind::Min)) {
        static_cast<uint64_t*>(out)[at] = static_cast<uint64_t>(total) ^ kTop;
        return;
      }
    store<A>(out, dtype, at, total);
  }
};

// Sum of exp(x - m) beside the largest element m. Where m is infinite or NaN nothing is subtracted.
struct LogSum {
  double largest, sum;
};
struct LogSumExp {
  using Total = LogSum;

  __device__ static double finite_or_zero(double x) { return scalar::abs(x) < scalar::infinity(0.0) ? x : 0.0; }
  __device__ Total start() const { return {-scalar::infinity(0.0), 0}; }
  __device__ Total read(const void* data, Dtype dtype, int64_t at, int64_t) const {
    const double x = load_float<double>(data, dtype, at);
    return {x, ::exp(x - finite_or_zero(x))};
  }
  __device__ Total operator()(Total a, Total b) const {
    const double largest = scalar::maximum(a.largest, b.largest), shift = finite_or_zero(largest);
    return {largest, part(a, shift) + part(b, shift)};
  }
  // The share of one side; of nothing, or of -inf only, it is 0 whatever the shift.
  __device__ static double part(Total t, double shift) {
    return t.sum == 0 ? 0 : t.sum * ::exp(finite_or_zero(t.largest) - shift);
  }
  __device__ void finish(void* out, Dtype dtype, int64_t at, Total t) const {
    store_float<double>(out, dtype, at, ::log(t.sum) + finite_or_zero(t.largest));
  }
};

// Position of the first element that is largest (least). A NaN is preferred to all but an earlier NaN.
template <class A>
struct Found {
  A value;
  int64_t index;  // -1: nothing seen
};
template <class A>
struct ArgFold {
  using Total = Found<A>;
  Kind kind;

  __device__ Total start() const { return {A(0), -1}; }
  __device__ Total read(const void* data, Dtype dtype, int64_t at, int64_t i) const {
    return {read_ordered<A>(data, dtype, at), i};
  }
  __device__ Total operator()(Total a, Total b) const {
    if (a.index < 0 || b.index < 0) return a.index < 0 ? b : a;
    const bool a_nan = a.value != a.value, b_nan = b.value != b.value;
    if (a_nan != b_nan) return a_nan ? a : b;
    const bool a_better = kind == Kind::Max ? a.value > b.value : a.value < b.value;
    const bool b_better = kind == Kind::Max ? b.value > a.value : b.value < a.value;
    if (a_better != b_better) return a_better ? a : b;
    return a.index < b.index ? a : b;
  }
  __device__ void finish(void* out, Dtype dtype, int64_t at, Total t) const { store<int64_t>(out, dtype, at, t.index); }
};

// ---- the driver

struct Task {
  Walk<1> kept, reduced;
  Dtype out_dtype;
  void* out;
  int64_t chunk, chunks;
};

// Where elements come from: memory, or a program that gives them, each once. Both fold in the same order.
struct Stored {
  const void* data;
  Dtype dtype;

  template <class Op>
  __device__ typename Op::Total fold(const Op& op, const Task& t, int64_t base, int64_t first, int64_t last,
                                     int64_t step) const {
    typename Op::Total total = op.start();
    for (int64_t i = first; i < last; i += step) total = op(total, op.read(data, dtype, base + t.reduced.at(i), i));
    return total;
  }
};
struct Computed {
  Program program;

  template <class Op>
  __device__ typename Op::Total fold(const Op& op, const Task& t, int64_t base, int64_t first, int64_t last,
                                     int64_t step) const {
    alignas(16) __shared__ char cells[kCellMemory];
    typename Op::Total total = op.start();
    for (int64_t i = first; i < last; i += step * kValues) {
      Places places;
      places.vector = false;
      places.count = 0;
      for (int j = 0; j < kValues; ++j)
        if (i + j * step < last) places.at[places.count++] = base + t.reduced.at(i + j * step);
      run_program(program, cells, places);
      const char* values = program.cell(cells, program.first_cell);
      for (int j = 0; j < places.count; ++j) total = op(total, op.read(values, program.first_type, j, i + j * step));
    }
    return total;
  }
};

// Of each chunk, a block per result: for inputs that are in order along what is reduced. Or, as `columns`, a thread per
// result: for those in order along what is kept, and for short reductions.
template <class Op, class In>
__global__ void reduce_kernel(Op op, const __grid_constant__ In in, Task t, bool columns, typename Op::Total* partial) {
  const int64_t first = blockIdx.y * t.chunk, last = min(first + t.chunk, t.reduced.n);
  const int64_t begin = columns ? first : first + threadIdx.x, step = columns ? 1 : kThreads;
  for (int64_t o = columns ? thread_index() : blockIdx.x; o < t.kept.n; o += columns ? thread_count() : gridDim.x) {
    auto total = in.fold(op, t, t.kept.at(o), begin, last, step);
    if (!columns) total = block_fold(total, op);
    if (!columns && threadIdx.x > 0) continue;
    if (t.chunks == 1)
      op.finish(t.out, t.out_dtype, o, total);
    else
      partial[blockIdx.y * t.kept.n + o] = total;
  }
}

template <class Op>
__global__ void combine_kernel(Op op, Task t, const typename Op::Total* partial) {
  for (int64_t o = thread_index(); o < t.kept.n; o += thread_count()) {
    typename Op::Total total = partial[o];
    for (int64_t c = 1; c < t.chunks; ++c) total = op(total, partial[c * t.kept.n + o]);
    op.finish(t.out, t.out_dtype, o, total);
  }
}

// `input`: what gives elements to a kernel of so many blocks.
template <class Op, class Input>
void reduce(const Op& op, const View& x, const View& out, const Dims& axes, const char* what, const Input& input) {
  using In = decltype(input(Grid()));
  Shape kept, reduced;
  Strides kept_steps, reduced_steps;
  for (int d = 0; d < x.rank(); ++d) {
    const bool is_reduced = std::find(axes.begin(), axes.end(), d) != axes.end();
    (is_reduced ? reduced : kept).push_back(x.shape[d]);
    (is_reduced ? reduced_steps : kept_steps).push_back(x.strides[d]);
  }
  Task t{Walk<1>(kept, {kept_steps}), Walk<1>(reduced, {reduced_steps}), out.dtype, out.data, 0, 1};
  const int64_t results = t.kept.n, n = t.reduced.n;
  const bool columns = n < 32 || (t.kept.rank > 0 && t.kept.step[0][0] == 1 && results >= 32);
  const int64_t wanted = columns ? (1 << 16) / results : 512 / results, least = columns ? 64 : 4096;
  t.chunks = std::max<int64_t>(1, std::min(wanted, n / least));
  t.chunk = std::max<int64_t>(1, ceil_div(n, t.chunks));
  t.chunks = std::max<int64_t>(1, ceil_div(n, t.chunk));
  const Temporary<typename Op::Total> partial(t.chunks == 1 ? 1 : t.chunks * results, what);
  const Grid grid{columns ? std::min<int64_t>(ceil_div(results, kThreads), kMaxBlocks) : std::min(results, kMaxBlocks),
                  t.chunks};
  launch(reduce_kernel<Op, In>, grid, kThreads, op, input(grid), t, columns, partial.get());
  if (t.chunks > 1) launch(combine_kernel<Op>, grid_for(results), kThreads, op, t, partial.get());
}

template <class Input>
void reduce_by(Kind kind, const View& x, const View& out, const Dims& axes, const char* what, const Input& input) {
  if (is_float(x.dtype) && kind != Kind::Any && kind != Kind::All)
    reduce(Fold<double>{kind}, x, out, axes, what, input);
  else
    reduce(Fold<int64_t>{kind}, x, out, axes, what, input);
}

auto stored(const View& x) {
  return [in = Stored{x.data, x.dtype}](Grid) { return in; };
}

template <Kind kind>
void fold_kernel(const KernelArgs& args) {
  const View& x = args.in[0];
  const Dims axes = normalize_axes(args.attrs.as<ReduceAttrs>().axes, x.rank(), args.op.name);
  reduce_by(kind, x, args.out[0], axes, args.op.name, stored(x));
}

void logsumexp(const KernelArgs& args) {
  const View& x = args.in[0];
  const Dims axes = normalize_axes(args.attrs.as<ReduceAttrs>().axes, x.rank(), args.op.name);
  reduce(LogSumExp(), x, args.out[0], axes, args.op.name, stored(x));
}

void reduce_fused(const KernelArgs& args) {
  static constexpr std::pair<std::string_view, Kind> kFolds[] = {
      {"sum", Kind::Sum}, {"prod", Kind::Prod}, {"max", Kind::Max},
      {"min", Kind::Min}, {"any", Kind::Any},   {"all", Kind::All},
  };
  const auto& a = args.attrs.as<ReduceFusedAttrs>();
  const FusedProgram& program = a.program.parsed();
  Shape shape;
  for (const View& v : args.in) shape = broadcast(shape, v.shape, args.op.name);
  std::vector<View> out(args.out.begin(), args.out.end());
  const auto first = static_cast<size_t>(a.program.results[0]) - program.inputs.size();
  out[0] = {nullptr, program.steps[first].out, shape, contiguous_strides(shape)};
  const ProgramRun run(a.program, nullptr, args.in, out, args.op.name);
  const auto input = [&](Grid grid) { return Computed{run.with(grid)}; };
  const Dims axes = normalize_axes(a.attrs.axes, shape.rank(), args.op.name);
  for (const auto& [name, kind] : kFolds)
    if (name == a.reduction) return reduce_by(kind, out[0], args.out[0], axes, args.op.name, input);
  reduce(LogSumExp(), out[0], args.out[0], axes, args.op.name, input);  // infer knows no other
}

template <Kind kind>
void arg_kernel(const KernelArgs& args) {
  const View& x = args.in[0];
  const Dims axis{int64_t(normalize_axis(args.attrs.as<ArgReduceAttrs>().axis, x.rank(), args.op.name))};
  if (is_float(x.dtype))
    reduce(ArgFold<double>{kind}, x, args.out[0], axis, args.op.name, stored(x));
  else
    reduce(ArgFold<int64_t>{kind}, x, args.out[0], axis, args.op.name, stored(x));
}

// ---- cumulative folds, of a contiguous array seen as (outer, n, inner). In an order of our own: CUB's scans promise
// floats no order, so that bits might differ from run to run.

struct Scan {
  Kind kind;
  bool reverse;
  int64_t outer, n, inner;
  const void* in;
  void* out;
  Dtype in_dtype, out_dtype;

  __device__ int64_t place(int64_t line, int64_t i) const {
    return (line / inner * n + (reverse ? n - 1 - i : i)) * inner + line % inner;
  }
};

template <class A>
__global__ void scan_columns_kernel(Scan s) {
  for (int64_t line = thread_index(); line < s.outer * s.inner; line += thread_count()) {
    A total = neutral<A>(s.kind);
    for (int64_t i = 0; i < s.n; ++i) {
      const int64_t at = s.place(line, i);
      total = fold(s.kind, total, load<A>(s.in, s.in_dtype, at));
      store<A>(s.out, s.out_dtype, at, total);
    }
  }
}

// A block per row goes through it in tiles of a value per thread.
template <class A>
__global__ void scan_rows_kernel(Scan s) {
  __shared__ A tile[kThreads];
  for (int64_t line = blockIdx.x; line < s.outer; line += gridDim.x) {
    A carry = neutral<A>(s.kind);
    for (int64_t first = 0; first < s.n; first += kThreads) {
      const int64_t i = first + threadIdx.x;
      A value = i < s.n ? load<A>(s.in, s.in_dtype, s.place(line, i)) : neutral<A>(s.kind);
      tile[threadIdx.x] = value;
      __syncthreads();
      for (unsigned by = 1; by < kThreads; by *= 2) {
        if (threadIdx.x >= by) value = fold(s.kind, tile[threadIdx.x - by], value);
        __syncthreads();
        tile[threadIdx.x] = value;
        __syncthreads();
      }
      if (i < s.n) store<A>(s.out, s.out_dtype, s.place(line, i), fold(s.kind, carry, value));
      carry = fold(s.kind, carry, tile[kThreads - 1]);
      __syncthreads();
    }
  }
}

template <class A>
void scan(const Scan& s) {
  if (s.inner == 1 && s.n >= 32)
    launch(scan_rows_kernel<A>, {std::min<int64_t>(s.outer, 1 << 20)}, kThreads, s);
  else
    launch(scan_columns_kernel<A>, grid_for(s.outer * s.inner), kThreads, s);
}

template <Kind kind>
void scan_kernel(const KernelArgs& args) {
  const ScanAttrs& a = args.attrs.as<ScanAttrs>();
  const View &x = args.in[0], &out = args.out[0];
  const int axis = normalize_axis(a.axis, x.rank(), args.op.name);
  const Scan s{kind,
               a.reverse,
               product(x.shape, 0, axis),
               x.shape[axis],
               product(x.shape, axis + 1, x.rank()),
               x.data,
               out.data,
               x.dtype,
               out.dtype};
  is_float(x.dtype) ? scan<double>(s) : scan<int64_t>(s);
}

}  // namespace

void register_reduce(OpTable& table) {
  set(table, "sum", fold_kernel<Kind::Sum>);
  set(table, "prod", fold_kernel<Kind::Prod>);
  set(table, "max", fold_kernel<Kind::Max>);
  set(table, "min", fold_kernel<Kind::Min>);
  set(table, "any", fold_kernel<Kind::Any>);
  set(table, "all", fold_kernel<Kind::All>);
  set(table, "logsumexp", logsumexp);
  set(table, "reduce_fused", reduce_fused);
  set(table, "argmax", arg_kernel<Kind::Max>);
  set(table, "argmin", arg_kernel<Kind::Min>);
  set(table, "cumsum", scan_kernel<Kind::Sum>);
  set(table, "cumprod", scan_kernel<Kind::Prod>);
}

}  // namespace addax::cuda
