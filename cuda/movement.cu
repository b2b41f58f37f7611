// CUDA kernels of the movement family: strided copies.
#include <vector>

#include "cuda/convert.h"
#include "cuda/kernels.h"
#include "cuda/walk.h"
#include "ops/movement.h"

namespace addax::cuda {
namespace {

constexpr int kSide = 32, kRows = kThreads / kSide;  // of a tile; a block moves kRows of its rows at a time

template <class T>
__global__ void copy_kernel(Walk<2> walk, T* dst, const T* src) {
  for (int64_t i = thread_index(); i < walk.n; i += thread_count()) {
    int64_t at[2];
    walk.at(i, at);
    dst[at[0]] = src[at[1]];
  }
}

// The destination is in order along axis 0 of the planes, the source along axis 1; both go through a tile, so that both
// are read and written in order. Planes lie along `outer`.
struct Planes {
  int64_t columns, rows;        // sizes of axes 0 and 1
  int64_t dst_row, src_column;  // steps of the destination along axis 1, of the source along axis 0
  int64_t column_tiles;
};

template <class T>
__global__ void transpose_kernel(Planes p, Walk<2> outer, T* dst, const T* src) {
  __shared__ T tile[kSide][kSide + 1];
  const int lane = threadIdx.x % kSide, first = threadIdx.x / kSide;
  const int64_t column = blockIdx.x % p.column_tiles * kSide, row = blockIdx.x / p.column_tiles * kSide;
  for (int64_t plane = blockIdx.y; plane < outer.n; plane += gridDim.y) {
    int64_t at[2];
    outer.at(plane, at);
    for (int r = first; r < kSide; r += kRows)
      if (row + lane < p.rows && column + r < p.columns)
        tile[r][lane] = src[at[1] + (column + r) * p.src_column + row + lane];
    __syncthreads();
    for (int r = first; r < kSide; r += kRows)
      if (column + lane < p.columns && row + r < p.rows)
        dst[at[0] + (row + r) * p.dst_row + column + lane] = tile[lane][r];
    __syncthreads();
  }
}

// True if it has been copied so.
template <class T>
bool transpose(const Walk<2>& walk, T* dst, const T* src) {
  if (walk.rank < 2 || walk.step[0][0] != 1) return false;
  int across = 1;
  while (across < walk.rank && walk.step[1][across] != 1) ++across;
  if (across == walk.rank || walk.size[0] < kSide / 2 || walk.size[across] < kSide / 2) return false;
  Planes p{walk.size[0], walk.size[across], walk.step[0][across], walk.step[1][0], ceil_div(walk.size[0], kSide)};
  const int64_t tiles = p.column_tiles * ceil_div(p.rows, kSide);
  if (tiles >= int64_t{1} << 31) return false;
  Walk<2> outer;
  for (int d = 1; d < walk.rank; ++d) {
    if (d == across) continue;
    outer.size[outer.rank] = walk.size[d];
    for (int k = 0; k < 2; ++k) outer.step[k][outer.rank] = walk.step[k][d];
    outer.n *= walk.size[d];
    ++outer.rank;
  }
  launch(transpose_kernel<T>, {tiles, std::min<int64_t>(outer.n, 65535)}, kThreads, p, outer, dst, src);
  return true;
}

char* at(const View& view, int64_t element) { return view.as<char>() + element * size_of(view.dtype); }

void reshape(const KernelArgs& args) {
  const View &x = args.in[0], &out = args.out[0];
  cuda::copy_strided(out.data, contiguous_strides(x.shape), x.data, x.strides, x.shape, size_of(x.dtype));
}

// The view that `apply` would have returned, copied.
void view_kernel(const KernelArgs& args) {
  const View &x = args.in[0], &out = args.out[0];
  Layout layout;
  args.op.view({x.shape, x.strides, 0}, out.shape, args.attrs, layout);
  cuda::copy_strided(out.data, out.strides, at(x, layout.offset), layout.strides, out.shape, size_of(x.dtype));
}

void slice_update(const KernelArgs& args) {
  const View &x = args.in[0], &update = args.in[1], &out = args.out[0];
  if (x.data != out.data) copy_strided(out, x);
  Layout layout;
  find_op("slice").view({out.shape, out.strides, 0}, update.shape, args.attrs, layout);
  cuda::copy_strided(at(out, layout.offset), layout.strides, update.data, update.strides, update.shape,
                     size_of(x.dtype));
}

void concatenate(const KernelArgs& args) {
  const View& out = args.out[0];
  const int axis = normalize_axis(args.attrs.as<ConcatenateAttrs>().axis, out.rank(), "concatenate");
  int64_t offset = 0;
  for (const View& x : args.in) {
    if (x.numel() > 0) cuda::copy_strided(at(out, offset), out.strides, x.data, x.strides, x.shape, size_of(x.dtype));
    offset += x.shape[axis] * out.strides[axis];
  }
}

// ---- pad

struct Padding {
  int rank;
  PadMode mode;
  int64_t n;
  int64_t in_size[kMaxRank], out_size[kMaxRank], low[kMaxRank];
};

/// pad_source of ops/movement.h.
__device__ inline int64_t source_of(PadMode mode, int64_t i, int64_t n) {
  if (i >= 0 && i < n) return i;
  if (mode == PadMode::Constant) return -1;
  if (mode == PadMode::Edge) return i < 0 ? 0 : n - 1;
  if (n == 1) return 0;
  const int64_t period = mode == PadMode::Reflect ? 2 * n - 2 : 2 * n;
  i = (i % period + period) % period;
  return i < n ? i : (mode == PadMode::Reflect ? period : period - 1) - i;
}

template <class T>
__global__ void pad_kernel(Padding p, T* out, const T* x, double value, Dtype dtype) {
  T fill;
  store<double>(&fill, dtype, 0, value);
  for (int64_t i = thread_index(); i < p.n; i += thread_count()) {
    int64_t rest = i, at = 0, step = 1;
    bool inside = true;
    for (int d = p.rank - 1; d >= 0; --d) {
      const int64_t source = source_of(p.mode, rest % p.out_size[d] - p.low[d], p.in_size[d]);
      inside = inside && source >= 0;
      at += source * step;
      rest /= p.out_size[d];
      step *= p.in_size[d];
    }
    out[i] = inside ? x[at] : fill;
  }
}

void pad(const KernelArgs& args) {
  const View &x = args.in[0], &out = args.out[0];
  const PadAttrs& attrs = args.attrs.as<PadAttrs>();
  Padding p{x.rank(), pad_mode(attrs.mode), out.numel(), {}, {}, {}};
  for (int d = 0; d < p.rank; ++d) {
    p.in_size[d] = x.shape[d];
    p.out_size[d] = out.shape[d];
    p.low[d] = attrs.low[d];
  }
  with_bytes(x.dtype, [&](auto tag) {
    using T = decltype(tag);
    launch(pad_kernel<T>, grid_for(p.n), kThreads, p, out.as<T>(), x.as<T>(), attrs.value, x.dtype);
  });
}

}  // namespace

void copy_strided(void* dst, const Strides& dst_strides, const void* src, const Strides& src_strides,
                  const Shape& shape, int64_t item) {
  const Walk<2> walk(shape, {dst_strides, src_strides});
  if (walk.n == 0) return;
  if (walk.is_dense(0) && walk.is_dense(1)) return copy_bytes(dst, src, walk.n * item);
  const auto run = [&](auto tag) {
    using T = decltype(tag);
    T* to = static_cast<T*>(dst);
    const T* from = static_cast<const T*>(src);
    if (!transpose(walk, to, from)) launch(copy_kernel<T>, grid_for(walk.n), kThreads, walk, to, from);
  };
  if (item == 1)
    run(uint8_t());
  else if (item == 2)
    run(uint16_t());
  else if (item == 4)
    run(uint32_t());
  else
    run(uint64_t());
}

void register_movement(OpTable& table) {
  set(table, "reshape", reshape);
  for (const char* name : {"transpose", "broadcast_to", "slice", "flip", "barrier", "shard"})
    set(table, name, view_kernel);
  set(table, "slice_update", slice_update);
  set(table, "concatenate", concatenate);
  set(table, "pad", pad);
}

}  // namespace addax::cuda
