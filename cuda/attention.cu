// CUDA kernels of attention, after T. Dao et al., "FlashAttention" (2022) and T. Dao, "FlashAttention-2" (2023): tiles
// of scores are made in registers, a block of keys at a time, and never reach memory; the gradient makes them again.
//
// A block has a tile of queries and up to kWide columns of the result. The gradient of the queries goes through the
// keys as the forward kernel does; those of keys and values go, for a tile of keys, through all queries of the heads
// that share them. So every sum has one block and one order, and nothing is added to memory.
//
// As on the CPU the largest score of a row and its sum are kept, so a row whose scores are all huge weighs its keys
// exactly.
#include "cuda/block.h"
#include "cuda/convert.h"
#include "cuda/kernels.h"
#include "cuda/random.h"
#include "ops/attention.h"
#include "ops/random.h"

namespace addax::cuda {
namespace {

constexpr int kSide = 16;     // threads are kSide x kSide
constexpr int kColumns = 64;  // of a tile of scores
constexpr int kWide = 128;    // columns of a block's result
constexpr int kDeep = 16;     // terms of sums in shared memory at a time
constexpr int kEachColumn = kColumns / kSide, kEachWide = kWide / kSide;
static_assert(kSide * kSide == kThreads);

template <class C>
inline constexpr int kRows = sizeof(C) == 8 ? 32 : 64;  // of a tile: as shared memory allows
template <class C>
inline constexpr int kEachRow = kRows<C> / kSide;

// An array (batch, length, heads, dim).
struct Heads {
  void* data;
  Dtype dtype;
  int64_t length, heads, dim;

  Heads() = default;
  explicit Heads(const View& v)
      : data(v.data), dtype(v.dtype), length(v.shape[1]), heads(v.shape[2]), dim(v.shape[3]) {}
  __device__ int64_t at(int64_t batch, int64_t i, int64_t head, int64_t d) const {
    return ((batch * length + i) * heads + head) * dim + d;
  }
  template <class C>
  __device__ C read(int64_t batch, int64_t i, int64_t head, int64_t d) const {
    return i < length && d < dim ? load_float<C>(data, dtype, at(batch, i, head, d)) : C(0);
  }
  template <class C>
  __device__ void write(int64_t batch, int64_t i, int64_t head, int64_t d, C value) const {
    if (i < length && d < dim) store_float<C>(data, dtype, at(batch, i, head, d), value);
  }
};

// What broadcasts to the scores (batch, heads, queries, keys).
struct Spread {
  const void* data = nullptr;
  Dtype dtype = Dtype::Bool;
  int64_t step[4] = {};

  Spread() = default;
  explicit Spread(const View& v) : data(v.data), dtype(v.dtype) {
    for (int d = 0; d < v.rank(); ++d)
      if (v.shape[d] != 1) step[4 - v.rank() + d] = v.strides[d];
  }
  __device__ int64_t at(int64_t batch, int64_t head, int64_t i, int64_t j) const {
    return batch * step[0] + head * step[1] + i * step[2] + j * step[3];
  }
};

struct Attention {
  Heads q, k, v;
  Spread bias, mask;
  double scale, keep;  // keep: the part that dropout leaves
  bool causal;
  const uint32_t* random_key = nullptr;  // of dropout, if there is any
  int32_t kept;
  int64_t batch, shared;  // query heads of a key head

  explicit Attention(const KernelArgs& args) : q(args.in[0]), k(args.in[1]), v(args.in[2]) {
    const auto& a = args.attrs.as<AttentionAttrs>();
    if (a.bias) bias = Spread(args.in[3]);
    if (a.mask) mask = Spread(args.in[a.mask_at()]);
    scale = a.scale;
    causal = a.causal;
    keep = 1 - a.dropout;
    if (a.dropout != 0) random_key = args.in[a.random_key_at()].as<uint32_t>();
    kept = kept_below(a.dropout);
    batch = args.in[0].shape[0];
    shared = q.heads / k.heads;
  }
  /// The place of a query among those of all heads: in (batch, heads, queries).
  __device__ int64_t row(int64_t item, int64_t head, int64_t i) const { return (item * q.heads + head) * q.length + i; }

  /// Whether dropout leaves the weight of a pair.
  __device__ bool leaves(int64_t item, int64_t head, int64_t i, int64_t j) const {
    return !random_key || is_kept(random_key, row(item, head, i) * k.length + j, kept);
  }

  /// The score of a pair from its product.
  template <class C>
  __device__ C score(int64_t item, int64_t head, int64_t i, int64_t j, C product) const {
    if (causal && j > i) return C(kMaskedScore);
    if (bias.data) product += load_float<C>(bias.data, bias.dtype, bias.at(item, head, i, j));
    if (mask.data && !static_cast<const bool*>(mask.data)[mask.at(item, head, i, j)]) return C(kMaskedScore);
    return product;
  }
  /// Whether a row whose largest score is this sees no key. Such a row weighs all of them, also those behind its own
  /// position, and its scores are constants.
  template <class C>
  __device__ bool sees_none(C largest) const {
    return mask.data && largest == C(kMaskedScore);
  }
};

template <class C>
__device__ inline C finite_or_zero(C x) {
  return scalar::abs(x) < scalar::infinity(C(0)) ? x : C(0);
}

template <class C>
struct TileMemory {
  C a[kDeep][kRows<C> + 1], b[kDeep][kColumns + 1], wide[kDeep][kWide + 1], weights[kRows<C>][kColumns + 1];
};

__device__ inline int row_of_thread() { return threadIdx.x / kSide; }
__device__ inline int column_of_thread() { return threadIdx.x % kSide; }

/// out[i][j] = the sum over d < depth of a(row, d) b(column, d), for this thread's rows and columns of a tile.
template <class C, class ReadA, class ReadB>
__device__ inline void multiply(TileMemory<C>& m, int64_t depth, const ReadA& a, const ReadB& b,
                                C (&out)[kEachRow<C>][kEachColumn]) {
#pragma unroll
  for (auto& row : out)
#pragma unroll
    for (C& x : row) x = C(0);
  for (int64_t first = 0; first < depth; first += kDeep) {
    for (int e = threadIdx.x; e < kDeep * kRows<C>; e += kThreads)
      m.a[e % kDeep][e / kDeep] = a(e / kDeep, first + e % kDeep);
    for (int e = threadIdx.x; e < kDeep * kColumns; e += kThreads)
      m.b[e % kDeep][e / kDeep] = b(e / kDeep, first + e % kDeep);
    __syncthreads();
    for (int d = 0; d < kDeep; ++d) {
#pragma unroll
      for (int i = 0; i < kEachRow<C>; ++i)
#pragma unroll
        for (int j = 0; j < kEachColumn; ++j)
          out[i][j] += m.a[d][row_of_thread() * kEachRow<C> + i] * m.b[d][column_of_thread() + j * kSide];
    }
    __syncthreads();
  }
}

/// to[i][j] += the sum over the tile's columns c of weights(row, c) x(c, wide column).
template <class C, class Read>
__device__ inline void accumulate(TileMemory<C>& m, const C (&weights)[kEachRow<C>][kEachColumn], const Read& x,
                                  C (&to)[kEachRow<C>][kEachWide]) {
#pragma unroll
  for (int i = 0; i < kEachRow<C>; ++i)
#pragma unroll
    for (int j = 0; j < kEachColumn; ++j)
      m.weights[row_of_thread() * kEachRow<C> + i][column_of_thread() + j * kSide] = weights[i][j];
  for (int first = 0; first < kColumns; first += kDeep) {
    for (int e = threadIdx.x; e < kDeep * kWide; e += kThreads)
      m.wide[e / kWide][e % kWide] = x(first + e / kWide, e % kWide);
    __syncthreads();
    for (int c = 0; c < kDeep; ++c) {
#pragma unroll
      for (int i = 0; i < kEachRow<C>; ++i)
#pragma unroll
        for (int j = 0; j < kEachWide; ++j)
          to[i][j] +=
              m.weights[row_of_thread() * kEachRow<C> + i][first + c] * m.wide[c][column_of_thread() + j * kSide];
    }
    __syncthreads();
  }
}

/// Folds over the threads of a tile's row.
template <class C, class Apply>
__device__ inline C fold_row(C value, const Apply& apply) {
  for (int mask = kSide / 2; mask > 0; mask /= 2) value = apply(value, __shfl_xor_sync(kAllLanes, value, mask));
  return value;
}

// blockIdx.x: tile of queries and chunk of the result's columns; blockIdx.y: batch and head.
struct Block {
  int64_t row, first_column;
  __device__ Block(int rows, int64_t chunks)
      : row(blockIdx.x / chunks * rows), first_column(blockIdx.x % chunks * kWide) {}
};

template <class C>
__global__ void __launch_bounds__(kThreads, 2)
    forward_kernel(Attention p, int64_t chunks, Heads y, C* largests, C* totals) {
  __shared__ TileMemory<C> memory;
  const Block block(kRows<C>, chunks);
  const C scale = static_cast<C>(p.scale);
  for (int64_t z = blockIdx.y; z < p.batch * p.q.heads; z += gridDim.y) {
    const int64_t item = z / p.q.heads, head = z % p.q.heads, key_head = head / p.shared;
    C largest[kEachRow<C>], result[kEachRow<C>][kEachWide] = {};
    double total[kEachRow<C>] = {};
#pragma unroll
    for (C& x : largest) x = -scalar::infinity(C(0));
    int64_t limit = p.causal ? min(p.k.length, block.row + kRows<C>) : p.k.length;
    for (int64_t first = 0;; first += kColumns) {
      if (first >= limit) {
        int none = 0;
#pragma unroll
        for (int i = 0; i < kEachRow<C>; ++i)
          if (block.row + row_of_thread() * kEachRow<C> + i < p.q.length) none |= p.sees_none(largest[i]);
        if (limit == p.k.length || block_fold(none, Most()) == 0) break;
        limit = p.k.length;
      }
      C weight[kEachRow<C>][kEachColumn];
      multiply<C>(
          memory, p.q.dim, [&](int row, int64_t d) { return p.q.read<C>(item, block.row + row, head, d) * scale; },
          [&](int column, int64_t d) { return p.k.read<C>(item, first + column, key_head, d); }, weight);
#pragma unroll
      for (int i = 0; i < kEachRow<C>; ++i) {
        const int64_t query = block.row + row_of_thread() * kEachRow<C> + i;
        C most = -scalar::infinity(C(0));
#pragma unroll
        for (int j = 0; j < kEachColumn; ++j) {
          const int64_t key = first + column_of_thread() + j * kSide;
          C& s = weight[i][j];
          s = query < p.q.length && key < p.k.length ? p.score(item, head, query, key, s) : -scalar::infinity(C(0));
          most = s > most ? s : most;
        }
        const C before = largest[i];
        most = fold_row(most, [](C a, C b) { return a > b ? a : b; });
        largest[i] = most > before ? most : before;
        const C shift = finite_or_zero(largest[i]), fade = first ? scalar::exp(before - shift) : C(0);
        C sum = C(0);
#pragma unroll
        for (int j = 0; j < kEachColumn; ++j) {
          weight[i][j] = scalar::exp(weight[i][j] - shift);
          sum += weight[i][j];
          if (!p.leaves(item, head, query, first + column_of_thread() + j * kSide)) weight[i][j] = C(0);
        }
        total[i] = total[i] * fade + fold_row(sum, Plus());
#pragma unroll
        for (int j = 0; j < kEachWide; ++j) result[i][j] *= fade;
      }
      accumulate<C>(
          memory, weight,
          [&](int key, int column) { return p.v.read<C>(item, first + key, key_head, block.first_column + column); },
          result);
    }
#pragma unroll
    for (int i = 0; i < kEachRow<C>; ++i) {
      const int64_t query = block.row + row_of_thread() * kEachRow<C> + i;
      if (query >= p.q.length) continue;
      const C share = static_cast<C>(1 / (total[i] * p.keep));
#pragma unroll
      for (int j = 0; j < kEachWide; ++j)
        y.write(item, query, head, block.first_column + column_of_thread() + j * kSide, result[i][j] * share);
      if (block.first_column == 0 && column_of_thread() == 0) {
        largests[p.row(item, head, query)] = largest[i];
        totals[p.row(item, head, query)] = static_cast<C>(total[i]);
      }
    }
  }
}

/// Blocks for so many rows of each pair of batch item and head.
template <class C>
Grid grid_of(int64_t rows, int64_t chunks, int64_t pairs) {
  return {ceil_div(rows, kRows<C>) * chunks, std::min<int64_t>(pairs, 65535)};
}

template <class C>
void forward(const KernelArgs& args) {
  const Attention p(args);
  const int64_t chunks = std::max<int64_t>(1, ceil_div(p.v.dim, kWide));
  launch(forward_kernel<C>, grid_of<C>(p.q.length, chunks, p.batch * p.q.heads), kThreads, p, chunks,
         Heads(args.out[0]), args.out[1].as<C>(), args.out[2].as<C>());
}

// ---- Backward. With p = exp(s - largest), not divided by the row's total, d what dropout leaves, 0 or 1, and g
// divided by the total and the part that is kept: dv = (d p)^T g, ds = p (d (g v^T) - the part that is kept times the
// row's sum of g y), dq = scale ds k, dk = ds^T (scale q).

template <class C>
struct Rest {
  Heads y, g;
  const void *largest, *total;
  Dtype largest_dtype, total_dtype;
  C* level;  // of each row: what is taken off its slopes
  C keep;

  __device__ C largest_of(int64_t row) const { return load_float<C>(largest, largest_dtype, row); }
  __device__ C share_of(int64_t row) const { return C(1) / (load_float<C>(total, total_dtype, row) * keep); }
};

template <class C>
__global__ void level_kernel(Attention p, Rest<C> rest) {
  for (int64_t row = thread_index(); row < p.batch * p.q.heads * p.q.length; row += thread_count()) {
    const int64_t i = row % p.q.length, head = row / p.q.length % p.q.heads, item = row / p.q.length / p.q.heads;
    const C share = rest.share_of(row);
    C sum = C(0);
    for (int64_t d = 0; d < p.v.dim; ++d)
      sum += rest.g.template read<C>(item, i, head, d) * share * rest.y.template read<C>(item, i, head, d);
    rest.level[row] = sum * rest.keep;
  }
}

/// From products of a pair to its weight, in place of the score, and the slope of its score.
template <class C>
__device__ inline void weigh(const Attention& p, const Rest<C>& rest, int64_t item, int64_t head, int64_t query,
                             int64_t key, C& weight, C& slope) {
  if (query >= p.q.length || key >= p.k.length) {
    weight = slope = C(0);
    return;
  }
  const int64_t row = p.row(item, head, query);
  const C largest = rest.largest_of(row);
  weight = scalar::exp(p.score(item, head, query, key, weight) - finite_or_zero(largest));
  const bool left = p.leaves(item, head, query, key);
  slope = p.sees_none(largest) ? C(0) : weight * ((left ? slope : C(0)) - rest.level[row]);
  if (!left) weight = C(0);
}

template <class C>
__global__ void __launch_bounds__(kThreads, 2) query_grad_kernel(Attention p, Rest<C> rest, int64_t chunks, Heads dq) {
  __shared__ TileMemory<C> memory;
  const Block block(kRows<C>, chunks);
  const C scale = static_cast<C>(p.scale);
  for (int64_t z = blockIdx.y; z < p.batch * p.q.heads; z += gridDim.y) {
    const int64_t item = z / p.q.heads, head = z % p.q.heads, key_head = head / p.shared;
    int none = 0;
    for (int row = threadIdx.x; row < kRows<C>; row += kThreads)
      if (block.row + row < p.q.length) none |= p.sees_none(rest.largest_of(p.row(item, head, block.row + row)));
    none = block_fold(none, Most());
    const int64_t limit = p.causal && none == 0 ? min(p.k.length, block.row + kRows<C>) : p.k.length;
    C result[kEachRow<C>][kEachWide] = {};
    for (int64_t first = 0; first < limit; first += kColumns) {
      C weight[kEachRow<C>][kEachColumn], slope[kEachRow<C>][kEachColumn];
      const auto key = [&](int column, int64_t d) { return p.k.read<C>(item, first + column, key_head, d); };
      multiply<C>(
          memory, p.q.dim, [&](int row, int64_t d) { return p.q.read<C>(item, block.row + row, head, d) * scale; }, key,
          weight);
      multiply<C>(
          memory, p.v.dim,
          [&](int row, int64_t d) {
            const int64_t i = block.row + row;
            return i < p.q.length ? rest.g.template read<C>(item, i, head, d) * rest.share_of(p.row(item, head, i))
                                  : C(0);
          },
          [&](int column, int64_t d) { return p.v.read<C>(item, first + column, key_head, d); }, slope);
#pragma unroll
      for (int i = 0; i < kEachRow<C>; ++i)
#pragma unroll
        for (int j = 0; j < kEachColumn; ++j)
          weigh(p, rest, item, head, block.row + row_of_thread() * kEachRow<C> + i,
                first + column_of_thread() + j * kSide, weight[i][j], slope[i][j]);
      accumulate<C>(memory, slope, [&](int column, int d) { return key(column, block.first_column + d); }, result);
    }
#pragma unroll
    for (int i = 0; i < kEachRow<C>; ++i)
#pragma unroll
      for (int j = 0; j < kEachWide; ++j)
        dq.write(item, block.row + row_of_thread() * kEachRow<C> + i, head,
                 block.first_column + column_of_thread() + j * kSide, result[i][j] * scale);
  }
}

// Rows of a tile are keys, its columns queries.
template <class C>
__global__ void __launch_bounds__(kThreads, 2)
    key_grad_kernel(Attention p, Rest<C> rest, int64_t chunks, Heads dk, Heads dv) {
  __shared__ TileMemory<C> memory;
  const Block block(kRows<C>, chunks);
  const C scale = static_cast<C>(p.scale);
  for (int64_t z = blockIdx.y; z < p.batch * p.k.heads; z += gridDim.y) {
    const int64_t item = z / p.k.heads, key_head = z % p.k.heads;
    C of_keys[kEachRow<C>][kEachWide] = {}, of_values[kEachRow<C>][kEachWide] = {};
    // Queries before the tile see none of it, unless they may see nothing at all.
    const int64_t start = p.causal && !p.mask.data ? block.row / kColumns * kColumns : 0;
    for (int64_t head = key_head * p.shared; head < (key_head + 1) * p.shared; ++head)
      for (int64_t first = start; first < p.q.length; first += kColumns) {
        C weight[kEachRow<C>][kEachColumn], slope[kEachRow<C>][kEachColumn];
        const auto query = [&](int column, int64_t d) { return p.q.read<C>(item, first + column, head, d) * scale; };
        const auto grad = [&](int column, int64_t d) {
          const int64_t i = first + column;
          return i < p.q.length ? rest.g.template read<C>(item, i, head, d) * rest.share_of(p.row(item, head, i))
                                : C(0);
        };
        multiply<C>(
            memory, p.q.dim, [&](int row, int64_t d) { return p.k.read<C>(item, block.row + row, key_head, d); }, query,
            weight);
        multiply<C>(
            memory, p.v.dim, [&](int row, int64_t d) { return p.v.read<C>(item, block.row + row, key_head, d); }, grad,
            slope);
#pragma unroll
        for (int i = 0; i < kEachRow<C>; ++i)
#pragma unroll
          for (int j = 0; j < kEachColumn; ++j)
            weigh(p, rest, item, head, first + column_of_thread() + j * kSide,
                  block.row + row_of_thread() * kEachRow<C> + i, weight[i][j], slope[i][j]);
        accumulate<C>(
            memory, weight, [&](int column, int d) { return grad(column, block.first_column + d); }, of_values);
        accumulate<C>(memory, slope, [&](int column, int d) { return query(column, block.first_column + d); }, of_keys);
      }
#pragma unroll
    for (int i = 0; i < kEachRow<C>; ++i)
#pragma unroll
      for (int j = 0; j < kEachWide; ++j) {
        const int64_t key = block.row + row_of_thread() * kEachRow<C> + i,
                      d = block.first_column + column_of_thread() + j * kSide;
        dk.write(item, key, key_head, d, of_keys[i][j]);
        dv.write(item, key, key_head, d, of_values[i][j]);
      }
  }
}

template <class C>
void backward(const KernelArgs& args) {
  const Attention p(args);
  const View* given = args.in.data() + args.in.size() - 4;
  const int64_t rows = p.batch * p.q.heads * p.q.length;
  const Temporary<C> level(rows, args.op.name);
  const Rest<C> rest{Heads(given[0]), Heads(given[3]), given[1].data, given[2].data,
                     given[1].dtype,  given[2].dtype,  level.get(),   static_cast<C>(p.keep)};
  if (rows > 0) {
    launch(level_kernel<C>, grid_for(rows), kThreads, p, rest);
    const int64_t chunks = ceil_div(p.q.dim, kWide);
    launch(query_grad_kernel<C>, grid_of<C>(p.q.length, chunks, p.batch * p.q.heads), kThreads, p, rest, chunks,
           Heads(args.out[0]));
  }
  const int64_t chunks = ceil_div(std::max(p.q.dim, p.v.dim), kWide);
  launch(key_grad_kernel<C>, grid_of<C>(p.k.length, chunks, p.batch * p.k.heads), kThreads, p, rest, chunks,
         Heads(args.out[1]), Heads(args.out[2]));
}

void attention(const KernelArgs& args) {
  with_compute(args.in[0].dtype, [&](auto c) { forward<decltype(c)>(args); });
}
void attention_grad(const KernelArgs& args) {
  with_compute(args.in[0].dtype, [&](auto c) { backward<decltype(c)>(args); });
}

}  // namespace

void register_attention(OpTable& table) {
  set(table, "attention", attention);
  set(table, "attention_grad", attention_grad);
}

}  // namespace addax::cuda
