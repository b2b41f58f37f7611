// CUDA kernels of the sort family, and the radix sort that they and scatters share: byte by byte from the lowest, each
// pass stable. A tile of elements is counted by a block; the counts of all tiles, digit by digit, say where a tile puts
// each of its digits; within a tile lanes of equal digits find each other by votes. Rows of an array are sorted
// together: by value first, then by row.
#include "cuda/convert.h"
#include "cuda/kernels.h"
#include "cuda/order.h"
#include "cuda/walk.h"
#include "ops/sort.h"

namespace addax::cuda {
namespace {

constexpr int kDigits = 256, kRounds = 8, kTile = kThreads * kRounds, kWarps = kThreads / kWarp;
static_assert(kDigits == kThreads);

__device__ inline unsigned digit_of(uint64_t key, int shift) { return static_cast<unsigned>(key >> shift) & 255u; }

__global__ void count_kernel(const uint64_t* keys, const uint32_t* order, int64_t n, int shift, int64_t tiles,
                             int64_t* counts) {
  __shared__ int here[kDigits];
  here[threadIdx.x] = 0;
  __syncthreads();
  const int64_t first = blockIdx.x * int64_t(kTile), last = min(first + kTile, n);
  for (int64_t i = first + threadIdx.x; i < last; i += kThreads) atomicAdd(&here[digit_of(keys[order[i]], shift)], 1);
  __syncthreads();
  counts[threadIdx.x * tiles + blockIdx.x] = here[threadIdx.x];
}

// Replaces each number by the sum of those before it. One block.
__global__ void sums_before_kernel(int64_t* values, int64_t n) {
  __shared__ int64_t tile[kThreads];
  int64_t carry = 0;
  for (int64_t first = 0; first < n; first += kThreads) {
    const int64_t i = first + threadIdx.x, own = i < n ? values[i] : 0;
    int64_t sum = own;
    tile[threadIdx.x] = own;
    __syncthreads();
    for (unsigned by = 1; by < kThreads; by *= 2) {
      if (threadIdx.x >= by) sum += tile[threadIdx.x - by];
      __syncthreads();
      tile[threadIdx.x] = sum;
      __syncthreads();
    }
    if (i < n) values[i] = carry + sum - own;
    carry += tile[kThreads - 1];
    __syncthreads();
  }
}

__global__ void spread_kernel(const uint64_t* keys, const uint32_t* order, int64_t n, int shift, int64_t tiles,
                              const int64_t* before, uint32_t* sorted) {
  __shared__ int64_t next[kDigits];           // where the next of a digit goes
  __shared__ int64_t place[kWarps][kDigits];  // in a round: how many a warp has, then where its first goes
  const unsigned lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  next[threadIdx.x] = before[threadIdx.x * tiles + blockIdx.x];
  for (int round = 0; round < kRounds; ++round) {
    for (int w = 0; w < kWarps; ++w) place[w][threadIdx.x] = 0;
    __syncthreads();
    const int64_t i = blockIdx.x * int64_t(kTile) + round * kThreads + threadIdx.x;
    const bool valid = i < n;
    const uint32_t element = valid ? order[i] : 0;
    const unsigned digit = valid ? digit_of(keys[element], shift) : 0;
    unsigned alike = __ballot_sync(kAllLanes, valid);  // lanes of the same digit
    for (int b = 0; b < 8; ++b) {
      const bool bit = digit >> b & 1u;
      const unsigned votes = __ballot_sync(kAllLanes, bit);
      alike &= bit ? votes : ~votes;
    }
    const int earlier = __popc(alike & ((1u << lane) - 1));
    if (valid && earlier == 0) place[warp][digit] = __popc(alike);
    __syncthreads();
    int64_t to = next[threadIdx.x];
    for (int w = 0; w < kWarps; ++w) {
      const int64_t count = place[w][threadIdx.x];
      place[w][threadIdx.x] = to;
      to += count;
    }
    next[threadIdx.x] = to;
    __syncthreads();
    if (valid) sorted[place[warp][digit] + earlier] = element;
    __syncthreads();
  }
}

__global__ void count_up_kernel(uint32_t* order, int64_t n) {
  for (int64_t i = thread_index(); i < n; i += thread_count()) order[i] = static_cast<uint32_t>(i);
}

// ---- rows

// An unsigned integer in the order of the values; zeros are equal, NaNs equal and above infinity.
template <class T>
__device__ inline uint64_t key_of(T value) {
  if constexpr (std::is_same_v<T, bool> || std::is_unsigned_v<T>) {
    return static_cast<uint64_t>(value);
  } else if constexpr (std::is_integral_v<T>) {
    return static_cast<uint64_t>(static_cast<int64_t>(value)) ^ uint64_t { 1 } << 63;
  } else {
    const double x = convert<double>(value);
    if (x != x) return ~uint64_t{0};
    uint64_t bits;
    const double zero_free = x == 0 ? 0.0 : x;
    __builtin_memcpy(&bits, &zero_free, 8);
    return bits >> 63 ? ~bits : bits | uint64_t{1} << 63;
  }
}

// keys[row * n + i] of a strided array whose sorted axis is the innermost of the walk's shape.
template <class T>
__global__ void keys_kernel(Walk<1> walk, const T* x, bool descending, uint64_t* keys) {
  for (int64_t i = thread_index(); i < walk.n; i += thread_count()) {
    const uint64_t key = key_of(x[walk.at(i)]);
    keys[i] = descending ? ~key : key;
  }
}
__global__ void rows_kernel(int64_t total, int64_t n, uint64_t* keys) {
  for (int64_t i = thread_index(); i < total; i += thread_count()) keys[i] = static_cast<uint64_t>(i / n);
}

// The first `count` of each row of n: positions within the row, and values.
template <class T>
__global__ void take_kernel(Walk<1> in, Walk<1> to, int64_t n, int64_t count, const uint32_t* order, const T* x,
                            T* values, int32_t* positions) {
  for (int64_t i = thread_index(); i < to.n; i += thread_count()) {
    const uint32_t from = order[i / count * n + i % count];
    const int64_t at = to.at(i);
    if (values) values[at] = x[in.at(from)];
    if (positions) positions[at] = static_cast<int32_t>(from % n);
  }
}

View axis_last(View view, int axis) {
  const int64_t size = view.shape[axis], step = view.strides[axis];
  view.shape.erase(axis);
  view.strides.erase(axis);
  view.shape.push_back(size);
  view.strides.push_back(step);
  return view;
}

Walk<1> walk_of(const View& view) { return {view.shape, {view.strides}}; }

// `values` and `positions`: where results go, or null.
void sort_rows(const KernelArgs& args, int axis, bool descending, const View* values, const View* positions) {
  const View x = axis_last(args.in[0], axis);
  const int64_t total = x.numel(), n = x.shape.back();
  if (total >= int64_t{1} << 32)
    fail<ValueError>(args.op.name, ": sorts fewer than 2^32 elements on a device, got ", total);
  const View result = axis_last(values ? *values : *positions, axis);
  const Temporary<uint64_t> keys(total, args.op.name);
  const Temporary<uint32_t> order(total, args.op.name);
  count_up(order.get(), total);
  with_any(x.dtype, [&](auto tag) {
    using T = decltype(tag);
    launch(keys_kernel<T>, grid_for(total), kThreads, walk_of(x), x.as<T>(), descending, keys.get());
  });
  stable_order(keys.get(),
               is_float(x.dtype) || size_of(x.dtype) == 8 || kind_of(x.dtype) == addax::Kind::Signed
                   ? 8
                   : static_cast<int>(size_of(x.dtype)),
               order.get(), total, args.op.name);
  if (total > n) {
    launch(rows_kernel, grid_for(total), kThreads, total, n, keys.get());
    stable_order(keys.get(), bytes_for(total / n), order.get(), total, args.op.name);
  }
  with_bytes(x.dtype, [&](auto tag) {
    using T = decltype(tag);
    launch(take_kernel<T>, grid_for(result.numel()), kThreads, walk_of(x), walk_of(result), n, result.shape.back(),
           order.get(), x.as<T>(), values ? values->as<T>() : nullptr, positions ? positions->as<int32_t>() : nullptr);
  });
}

void sort(const KernelArgs& args) {
  const SortAttrs& a = args.attrs.as<SortAttrs>();
  sort_rows(args, normalize_axis(a.axis, args.in[0].rank(), "sort"), a.descending, &args.out[0], nullptr);
}

void argsort(const KernelArgs& args) {
  const SortAttrs& a = args.attrs.as<SortAttrs>();
  sort_rows(args, normalize_axis(a.axis, args.in[0].rank(), "argsort"), a.descending, nullptr, &args.out[0]);
}

void top_k(const KernelArgs& args) { sort_rows(args, args.in[0].rank() - 1, true, &args.out[0], &args.out[1]); }

}  // namespace

void count_up(uint32_t* order, int64_t n) { launch(count_up_kernel, grid_for(n), kThreads, order, n); }

void stable_order(const uint64_t* keys, int bytes, uint32_t* order, int64_t n, const char* what) {
  const int64_t tiles = ceil_div(n, kTile);
  if (tiles == 0) return;
  const Temporary<int64_t> counts(tiles * kDigits, what);
  const Temporary<uint32_t> spare(n, what);
  uint32_t *from = order, *to = spare.get();
  for (int b = 0; b < bytes; ++b) {
    launch(count_kernel, {tiles}, kThreads, keys, from, n, 8 * b, tiles, counts.get());
    launch(sums_before_kernel, {1}, kThreads, counts.get(), tiles * kDigits);
    launch(spread_kernel, {tiles}, kThreads, keys, from, n, 8 * b, tiles, counts.get(), to);
    std::swap(from, to);
  }
  if (from != order) copy_bytes(order, from, n * int64_t{sizeof(uint32_t)});
}

void register_sort(OpTable& table) {
  set(table, "sort", sort);
  set(table, "argsort", argsort);
  set(table, "top_k", top_k);
}

}  // namespace addax::cuda
