// CUDA kernels of the elementwise family. There is one kernel per compute type, not one per row: the row is a number
// that all threads switch on, once for several values. Arrays in order go by vectors of up to 16 bytes; broadcast,
// strided and mixed inputs go element by element.
#include "cuda/convert.h"
#include "cuda/kernels.h"
#include "cuda/rows.h"
#include "cuda/walk.h"

namespace addax::cuda {
namespace {

using elementwise::TypeRule;

// ---- kernels

struct Call {
  Row row;
  int inputs;
  bool truth;               // the result is bool
  Dtype half;               // the 16-bit float that inputs of other dtypes are rounded to first, if it is one
  Dtype dtype[kMaxIn + 1];  // of the result, then of the inputs
  void* data[kMaxIn + 1];
  Walk<kMaxIn + 1> walk;
};

template <class S>
inline constexpr int kVector = sizeof(S) == 8 ? 2 : 4;

// Storage S for all inputs and for the result, unless that is bool.
template <class S>
__global__ void dense_kernel(Call call) {
  using C = compute_t<S>;
  constexpr int V = kVector<S>;
  using Block = Bytes<V * sizeof(S)>;
  const int64_t n = call.walk.n;
  for (int64_t i = thread_index() * V; i < n; i += thread_count() * V) {
    const bool whole = i + V <= n;
    C in[kMaxIn][V] = {}, out[V] = {};
    bool truth[V] = {};
#pragma unroll
    for (int k = 0; k < kMaxIn; ++k) {
      if (k >= call.inputs) break;
      const S* x = static_cast<const S*>(call.data[k + 1]);
      if (call.walk.rank == 0 || call.walk.step[k + 1][0] == 0) {
#pragma unroll
        for (int j = 0; j < V; ++j) in[k][j] = convert<C>(x[0]);
      } else if (whole) {
        const Block block = *reinterpret_cast<const Block*>(x + i);
        S values[V];
        __builtin_memcpy(values, &block, sizeof block);
#pragma unroll
        for (int j = 0; j < V; ++j) in[k][j] = convert<C>(values[j]);
      } else {
        for (int j = 0; j < V; ++j)
          if (i + j < n) in[k][j] = convert<C>(x[i + j]);
      }
    }
    apply_row<C, V>(call.row, in, out, truth);
    if (call.truth) {
      bool* y = static_cast<bool*>(call.data[0]);
      for (int j = 0; j < V; ++j)
        if (i + j < n) y[i + j] = truth[j];
    } else {
      S* y = static_cast<S*>(call.data[0]);
      S values[V];
#pragma unroll
      for (int j = 0; j < V; ++j) values[j] = convert<S>(out[j]);
      if (whole) {
        Block block;
        __builtin_memcpy(&block, values, sizeof block);
        *reinterpret_cast<Block*>(y + i) = block;
      } else {
        for (int j = 0; j < V; ++j)
          if (i + j < n) y[i + j] = values[j];
      }
    }
  }
}

// Any layouts, any dtypes.
template <class C>
__global__ void strided_kernel(Call call) {
  for (int64_t i = thread_index(); i < call.walk.n; i += thread_count()) {
    int64_t at[kMaxIn + 1];
    call.walk.at(i, at);
    C in[kMaxIn][1] = {}, out[1] = {};
    bool truth[1] = {};
#pragma unroll
    for (int k = 0; k < kMaxIn; ++k) {
      if (k >= call.inputs) break;
      C x = load<C>(call.data[k + 1], call.dtype[k + 1], at[k + 1]);
      if constexpr (std::is_same_v<C, float>) {
        if (call.half != call.dtype[k + 1]) {
          if (call.half == Dtype::Float16) x = static_cast<float>(Float16(x));
          if (call.half == Dtype::BFloat16) x = static_cast<float>(BFloat16(x));
        }
      }
      in[k][0] = x;
    }
    apply_row<C, 1>(call.row, in, out, truth);
    if (call.truth)
      static_cast<bool*>(call.data[0])[at[0]] = truth[0];
    else
      store<C>(call.data[0], call.dtype[0], at[0], out[0]);
  }
}

bool is_16_bit(Dtype dtype) { return dtype == Dtype::Float16 || dtype == Dtype::BFloat16; }

Walk<kMaxIn + 1> walk_of(const KernelArgs& args) {
  const View& out = args.out[0];
  Strides strides[kMaxIn + 1];
  strides[0] = out.strides;
  for (int k = 0; k < kMaxIn; ++k)
    strides[k + 1] = k < static_cast<int>(args.in.size())
                         ? broadcast_strides(args.in[static_cast<size_t>(k)], out.shape)
                         : out.strides;
  return {out.shape, strides};
}

void row_kernel(const KernelArgs& args) {
  Dtype type = args.in[0].dtype;
  for (size_t k = 1; k < args.in.size(); ++k) type = promote(type, args.in[k].dtype);
  const TypeRule rule = TypeRule::of(args.op.rule);
  const Dtype half = rule.compute(type), compute = is_16_bit(half) ? Dtype::Float32 : half;
  Call call;
  call.row = row_of(args.op.name);
  call.inputs = static_cast<int>(args.in.size());
  call.truth = rule.gives_bool();
  call.half = half;
  call.walk = walk_of(args);
  call.data[0] = args.out[0].data;
  call.dtype[0] = args.out[0].dtype;
  bool dense = call.walk.is_dense(0) && (call.truth || call.dtype[0] == half);
  for (int k = 0; k < call.inputs; ++k) {
    const View& x = args.in[static_cast<size_t>(k)];
    call.data[k + 1] = x.data;
    call.dtype[k + 1] = x.dtype;
    dense &= x.dtype == half && (call.walk.is_dense(k + 1) || call.walk.is_single(k + 1));
  }
  for (int k = 0; k <= call.inputs; ++k) dense &= reinterpret_cast<uintptr_t>(call.data[k]) % 16 == 0;
  if (dense)
    with_any(half, [&](auto tag) {
      using S = decltype(tag);
      launch(dense_kernel<S>, grid_for(ceil_div(call.walk.n, kVector<S>)), kThreads, call);
    });
  else
    with_any(compute, [&](auto tag) {
      using C = decltype(tag);
      if constexpr (!is_half<C>) launch(strided_kernel<C>, grid_for(call.walk.n), kThreads, call);
    });
}

// ---- the rest: ops that choose or move values of any dtype

// `from` is converted by way of the widest type of its kind, which holds all its values.
template <class Wide>
__global__ void cast_kernel(Walk<2> walk, void* out, Dtype to, const void* in, Dtype from) {
  for (int64_t i = thread_index(); i < walk.n; i += thread_count()) {
    int64_t at[2];
    walk.at(i, at);
    store<Wide>(out, to, at[0], load<Wide>(in, from, at[1]));
  }
}

void cast(const KernelArgs& args) {
  const View &x = args.in[0], &out = args.out[0];
  if (x.dtype == out.dtype) return copy_strided(out, x);
  const Walk<2> walk(out.shape, {out.strides, x.strides});
  const Grid grid = grid_for(walk.n);
  if (is_float(x.dtype))
    launch(cast_kernel<double>, grid, kThreads, walk, out.data, out.dtype, x.data, x.dtype);
  else if (kind_of(x.dtype) == Kind::Signed)
    launch(cast_kernel<int64_t>, grid, kThreads, walk, out.data, out.dtype, x.data, x.dtype);
  else
    launch(cast_kernel<uint64_t>, grid, kThreads, walk, out.data, out.dtype, x.data, x.dtype);
}

void copy(const KernelArgs& args) { copy_strided(args.out[0], args.in[0]); }

// Of equal dtypes as bytes.
template <class T>
__global__ void where_kernel(Walk<4> walk, T* out, const bool* condition, const T* a, const T* b) {
  for (int64_t i = thread_index(); i < walk.n; i += thread_count()) {
    int64_t at[4];
    walk.at(i, at);
    out[at[0]] = condition[at[1]] ? a[at[2]] : b[at[3]];
  }
}

// Of mixed dtypes: only the chosen value is converted.
template <class Wide>
__device__ inline void convert_one(void* out, Dtype to, int64_t at, const void* in, Dtype from, int64_t i) {
  store<Wide>(out, to, at, load<Wide>(in, from, i));
}
__global__ void where_mixed_kernel(Walk<4> walk, void* out, Dtype to, const void* condition, Dtype condition_dtype,
                                   const void* a, Dtype a_dtype, const void* b, Dtype b_dtype) {
  for (int64_t i = thread_index(); i < walk.n; i += thread_count()) {
    int64_t at[4];
    walk.at(i, at);
    const bool first = load<bool>(condition, condition_dtype, at[1]);
    const void* x = first ? a : b;
    const Dtype from = first ? a_dtype : b_dtype;
    const int64_t j = first ? at[2] : at[3];
    switch (from) {
      case Dtype::Float16:
      case Dtype::BFloat16:
      case Dtype::Float32:
      case Dtype::Float64:
        convert_one<double>(out, to, at[0], x, from, j);
        break;
      case Dtype::Int8:
      case Dtype::Int16:
      case Dtype::Int32:
      case Dtype::Int64:
        convert_one<int64_t>(out, to, at[0], x, from, j);
        break;
      default:
        convert_one<uint64_t>(out, to, at[0], x, from, j);
    }
  }
}

void where(const KernelArgs& args) {
  const View &out = args.out[0], &condition = args.in[0], &a = args.in[1], &b = args.in[2];
  const Walk<4> walk = walk_of(args);
  const Grid grid = grid_for(walk.n);
  if (condition.dtype == Dtype::Bool && a.dtype == out.dtype && b.dtype == out.dtype)
    with_bytes(out.dtype, [&](auto tag) {
      using T = decltype(tag);
      launch(where_kernel<T>, grid, kThreads, walk, out.as<T>(), condition.as<bool>(), a.as<T>(), b.as<T>());
    });
  else
    launch(where_mixed_kernel, grid, kThreads, walk, out.data, out.dtype, condition.data, condition.dtype, a.data,
           a.dtype, b.data, b.dtype);
}

}  // namespace

void register_elementwise(OpTable& table) {
#define ADDAX_UNARY(name, ...) set(table, #name, row_kernel);
#define ADDAX_BINARY(name, ...) set(table, #name, row_kernel);
#include "addax/ops/elementwise.def"
#undef ADDAX_UNARY
#undef ADDAX_BINARY
  set(table, "clip", row_kernel);
  set(table, "where", where);
  set(table, "cast", cast);
  set(table, "stop_gradient", copy);
}

}  // namespace addax::cuda
