// CUDA kernels of the reduce family. Floats are folded as doubles, integers as int64: both are bound by memory, and no
// kernel is needed per dtype. Large reductions are cut into chunks by sizes alone, which combine in order.
#include "cuda/block.h"
#include "cuda/convert.h"
#include "cuda/kernels.h"
#include "cuda/walk.h"
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
  const void* in;
  Dtype in_dtype, out_dtype;
  void* out;
  int64_t chunk, chunks;
};

template <class Op>
__device__ inline typename Op::Total piece(const Op& op, const Task& t, int64_t base, int64_t first, int64_t last,
                                           int64_t step) {
  typename Op::Total total = op.start();
  for (int64_t i = first; i < last; i += step) total = op(total, op.read(t.in, t.in_dtype, base + t.reduced.at(i), i));
  return total;
}

template <class Op>
__device__ inline void finish(const Op& op, const Task& t, typename Op::Total* partial, int64_t o, int64_t chunk,
                              const typename Op::Total& total) {
  if (t.chunks == 1)
    op.finish(t.out, t.out_dtype, o, total);
  else
    partial[chunk * t.kept.n + o] = total;
}

// A block per result and chunk: for inputs that are in order along what is reduced.
template <class Op>
__global__ void rows_kernel(Op op, Task t, typename Op::Total* partial) {
  const int64_t first = blockIdx.y * t.chunk, last = min(first + t.chunk, t.reduced.n);
  for (int64_t o = blockIdx.x; o < t.kept.n; o += gridDim.x) {
    const auto total = block_fold(piece(op, t, t.kept.at(o), first + threadIdx.x, last, kThreads), op);
    if (threadIdx.x == 0) finish(op, t, partial, o, blockIdx.y, total);
  }
}

// A thread per result and chunk: for inputs that are in order along what is kept, and short reductions.
template <class Op>
__global__ void columns_kernel(Op op, Task t, typename Op::Total* partial) {
  const int64_t first = blockIdx.y * t.chunk, last = min(first + t.chunk, t.reduced.n);
  for (int64_t o = thread_index(); o < t.kept.n; o += thread_count())
    finish(op, t, partial, o, blockIdx.y, piece(op, t, t.kept.at(o), first, last, 1));
}

template <class Op>
__global__ void combine_kernel(Op op, Task t, const typename Op::Total* partial) {
  for (int64_t o = thread_index(); o < t.kept.n; o += thread_count()) {
    typename Op::Total total = partial[o];
    for (int64_t c = 1; c < t.chunks; ++c) total = op(total, partial[c * t.kept.n + o]);
    op.finish(t.out, t.out_dtype, o, total);
  }
}

template <class Op>
void reduce(const Op& op, const KernelArgs& args, const Dims& axes) {
  const View &x = args.in[0], &out = args.out[0];
  Shape kept, reduced;
  Strides kept_steps, reduced_steps;
  for (int d = 0; d < x.rank(); ++d) {
    const bool is_reduced = std::find(axes.begin(), axes.end(), d) != axes.end();
    (is_reduced ? reduced : kept).push_back(x.shape[d]);
    (is_reduced ? reduced_steps : kept_steps).push_back(x.strides[d]);
  }
  Task t{Walk<1>(kept, {kept_steps}), Walk<1>(reduced, {reduced_steps}), x.data, x.dtype, out.dtype, out.data, 0, 1};
  const int64_t results = t.kept.n, n = t.reduced.n;
  const bool columns = n < 32 || (t.kept.rank > 0 && t.kept.step[0][0] == 1 && results >= 32);
  const int64_t wanted = columns ? (1 << 16) / results : 512 / results, least = columns ? 64 : 4096;
  t.chunks = std::max<int64_t>(1, std::min(wanted, n / least));
  t.chunk = std::max<int64_t>(1, ceil_div(n, t.chunks));
  t.chunks = std::max<int64_t>(1, ceil_div(n, t.chunk));
  const Temporary<typename Op::Total> partial(t.chunks == 1 ? 1 : t.chunks * results, args.op.name);
  if (columns)
    launch(columns_kernel<Op>, {grid_for(results).x, t.chunks}, kThreads, op, t, partial.get());
  else
    launch(rows_kernel<Op>, {std::min<int64_t>(results, 1 << 20), t.chunks}, kThreads, op, t, partial.get());
  if (t.chunks > 1) launch(combine_kernel<Op>, grid_for(results), kThreads, op, t, partial.get());
}

template <Kind kind>
void fold_kernel(const KernelArgs& args) {
  const View& x = args.in[0];
  const Dims axes = normalize_axes(args.attrs.as<ReduceAttrs>().axes, x.rank(), args.op.name);
  if (is_float(x.dtype) && kind != Kind::Any && kind != Kind::All)
    reduce(Fold<double>{kind}, args, axes);
  else
    reduce(Fold<int64_t>{kind}, args, axes);
}

void logsumexp(const KernelArgs& args) {
  reduce(LogSumExp(), args, normalize_axes(args.attrs.as<ReduceAttrs>().axes, args.in[0].rank(), args.op.name));
}

template <Kind kind>
void arg_kernel(const KernelArgs& args) {
  const View& x = args.in[0];
  const Dims axis{int64_t(normalize_axis(args.attrs.as<ArgReduceAttrs>().axis, x.rank(), args.op.name))};
  if (is_float(x.dtype))
    reduce(ArgFold<double>{kind}, args, axis);
  else
    reduce(ArgFold<int64_t>{kind}, args, axis);
}

// ---- cumulative folds, of a contiguous array seen as (outer, n, inner)

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
  set(table, "argmax", arg_kernel<Kind::Max>);
  set(table, "argmin", arg_kernel<Kind::Min>);
  set(table, "cumsum", scan_kernel<Kind::Sum>);
  set(table, "cumprod", scan_kernel<Kind::Prod>);
}

}  // namespace addax::cuda
