// Products of matrices whose elements a functor reads: matmul reads strided arrays, convolutions read images. A block
// makes a tile of kTileM x kTileN from pieces in shared memory, a thread kEach of its values: by multiply-adds of its
// own, or by its warp's tensor cores: of 16-bit floats, and of float32 where TF32 is allowed. Sums are taken of kBlockK
// terms first, so that rounding does not grow with their length. Long sums with few tiles are cut into chunks by sizes
// alone, which combine in order. A program of elementwise rows may run over each tile as soon as it is complete.
#pragma once

#include "addax/device.h"
#include "cuda/launch.h"
#include "cuda/program.h"
#include "cuda/tensor_cores.h"

namespace addax::cuda {

inline constexpr int kTileM = 64, kTileN = 64, kBlockK = 256, kEach = 16;
static_assert(kTileM * kTileN == kThreads * kEach);

struct ProductShape {
  int64_t m, n, k, batch;
  int64_t chunk, chunks;  // of k
};

/// What of a product a tile takes its next terms from: rows, columns and terms from these on, and where they end.
struct Piece {
  int64_t item, row, column, k, m, n, last;
};

/// Elements of 16 bytes.
template <class S>
inline constexpr int kRun = 16 / sizeof(S);
/// Which elements of a matrix lie one behind the other, kRun of them in 16 aligned bytes: those of terms kRun i to kRun
/// i + kRun - 1, or of rows (columns of the second matrix), or none.
enum class Along : uint8_t { None, Terms, Lines };

template <class S>
using sum_t = std::conditional_t<std::is_integral_v<S>, int64_t, compute_t<S>>;

// ---- tiles

/// A thread has 4 x 4 values.
template <class A>
struct ThreadTile {
  static constexpr int kTileK = 16, kSide = 4;
  A a[kTileK][kTileM + 1], b[kTileK][kTileN + 1];

  template <class P>
  __device__ void fill(const P& p, const Piece& at) {
    for (int e = threadIdx.x; e < kTileK * kTileM; e += kThreads) {
      const int64_t i = at.row + e / kTileK, q = at.k + e % kTileK;
      a[e % kTileK][e / kTileK] = i < at.m && q < at.last ? value(p.a_at(at.item, i, q)) : A(0);
    }
    for (int e = threadIdx.x; e < kTileK * kTileN; e += kThreads) {
      const int64_t q = at.k + e / kTileN, j = at.column + e % kTileN;
      b[e / kTileN][e % kTileN] = j < at.n && q < at.last ? value(p.b_at(at.item, q, j)) : A(0);
    }
  }
  __device__ void multiply(const Piece&, A (&sum)[kEach]) const {
    for (int q = 0; q < kTileK; ++q) {
      A left[kSide], right[kSide];
#pragma unroll
      for (int i = 0; i < kSide; ++i) left[i] = a[q][row(i * kSide)];
#pragma unroll
      for (int j = 0; j < kSide; ++j) right[j] = b[q][column(j)];
#pragma unroll
      for (int v = 0; v < kEach; ++v) sum[v] += left[v / kSide] * right[v % kSide];
    }
  }
  __device__ static int row(int v) { return threadIdx.x / (kTileN / kSide) * kSide + v / kSide; }
  __device__ static int column(int v) { return threadIdx.x % (kTileN / kSide) + v % kSide * (kTileN / kSide); }

 private:
  template <class S>
  __device__ static A value(const S* at) {
    return at ? convert<A>(*at) : A(0);
  }
};

/// A warp has 16 x 32 values.
template <class S>
struct TensorTile {
  static constexpr int kWords = 2 * kMmaWords;
  static constexpr int kTileK = kWords * kPerWord<S>;
  static constexpr int kPitch = (kWords + 4) * kPerWord<S>;  // lanes read their words from banks of their own
  alignas(16) S a[kTileM][kPitch], b[kTileN][kPitch];

  template <class P>
  __device__ void fill(const P& p, const Piece& at) {
    fill_lines(a, p.a_along, at.m - at.row, at.last - at.k,
               [&](int line, int term) { return p.a_at(at.item, at.row + line, at.k + term); });
    fill_lines(b, p.b_along, at.n - at.column, at.last - at.k,
               [&](int line, int term) { return p.b_at(at.item, at.k + term, at.column + line); });
  }
  // What a warp has beyond the matrices is left out, which narrow groups of convolutions have most of.
  __device__ void multiply(const Piece& at, float (&sum)[kEach]) const {
    if (at.row + first_row() >= at.m) return;
    const int lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
#pragma unroll
    for (int w = t; w < kWords; w += kMmaWords) {
      const int first = first_row() + g;
      const uint32_t left[4] = {word(a[first], w), word(a[first + 8], w), word(a[first], w + 4),
                                word(a[first + 8], w + 4)};
#pragma unroll
      for (int n = 0; n < kEach / 4; ++n) {
        if (at.column + first_column() + n * kMmaN >= at.n) continue;
        const S* line = b[first_column() + n * kMmaN + g];
        const uint32_t right[2] = {word(line, w), word(line, w + 4)};
        float part[4];
        for (int i = 0; i < 4; ++i) part[i] = sum[n * 4 + i];
        multiply_add<S>(part, left, right);
        for (int i = 0; i < 4; ++i) sum[n * 4 + i] = part[i];
      }
    }
  }
  __device__ static int row(int v) { return first_row() + threadIdx.x % kWarp / 4 + v % 4 / 2 * 8; }
  __device__ static int column(int v) { return first_column() + v / 4 * kMmaN + threadIdx.x % 4 * 2 + v % 2; }

 private:
  __device__ static int first_row() { return threadIdx.x / kWarp / 2 * kMmaM; }
  __device__ static int first_column() { return threadIdx.x / kWarp % 2 * (kTileN / 2); }
  __device__ static uint32_t word(const S* line, int w) { return reinterpret_cast<const uint32_t*>(line)[w]; }
  template <int kLines, class At>
  __device__ static void fill_lines(S (&to)[kLines][kPitch], Along along, int64_t lines, int64_t terms, const At& at) {
    constexpr int kRun = cuda::kRun<S>;
    for (int e = threadIdx.x * kRun; e < kLines * kTileK; e += kThreads * kRun) {
      const bool by_lines = along == Along::Lines;
      const int line = by_lines ? e % kLines : e / kTileK, term = by_lines ? e / kLines : e % kTileK;
      const bool whole = line + (by_lines ? kRun : 1) <= lines && term + (by_lines ? 1 : kRun) <= terms;
      S values[kRun] = {};
      if (along != Along::None && whole) {
        if (const S* from = at(line, term)) {
          const auto block = *reinterpret_cast<const Bytes<kRun * sizeof(S)>*>(from);
          __builtin_memcpy(values, &block, sizeof block);
        }
      } else {
        for (int r = 0; r < kRun; ++r) {
          const int i = line + (by_lines ? r : 0), q = term + (by_lines ? 0 : r);
          const S* from = i < lines && q < terms ? at(i, q) : nullptr;
          if (from) values[r] = *from;
        }
      }
      for (int r = 0; r < kRun; ++r) to[line + (by_lines ? r : 0)][term + (by_lines ? 0 : r)] = tensor_value(values[r]);
    }
  }
};

/// Calls f with the tile of a product, which tells its type.
template <class P, class F>
void with_tile(const F& f) {
  using S = typename P::Stored;
  if constexpr (is_half<S>) return f(static_cast<TensorTile<S>*>(nullptr));
  if constexpr (std::is_same_v<S, float>)
    if (tf32() && compute_capability() >= 80) return f(static_cast<TensorTile<S>*>(nullptr));
  if constexpr (!is_half<S>) f(static_cast<ThreadTile<typename P::A>*>(nullptr));
}

// ---- what runs over a tile: nothing, or a program whose first input is the product, in its place

struct NoEpilogue {
  static constexpr size_t kMemory = 0;
  template <class P>
  __device__ void tile(const P&, const Piece&, char*) const {}
};
struct Epilogue {
  static constexpr size_t kMemory = kCellMemory;
  Program program;

  /// The tile at `at`, which this block has stored.
  template <class P>
  __device__ void tile(const P& p, const Piece& at, char* memory) const {
    const int64_t rows = min(kTileM, at.m - at.row), columns = min(kTileN, at.n - at.column);
    const int64_t vectors = (columns + kValues - 1) / kValues;
    __syncthreads();
    for (int64_t e = threadIdx.x; e < rows * vectors; e += kThreads) {
      const int64_t j = e % vectors * kValues, place = p.place(at.item, at.row + e / vectors, at.column + j);
      run_program(program, memory, Places(place, min(kValues, columns - j)));
    }
    __syncthreads();  // the next tile uses the memory
  }
};

// ---- kernels

/// P gives A, the type of sums, and Stored, that of elements; where they lie: a_at(item, i, p) and b_at(item, p, j),
/// null for a zero, and a_along and b_along; and place(item, i, j) and store(place, sum). Places of a row follow each
/// other.
template <class Tile, class P, class E>
__global__ void __launch_bounds__(kThreads, 2)
    product_kernel(P p, const __grid_constant__ E epilogue, ProductShape s, typename P::A* partial) {
  using A = typename P::A;
  alignas(16) __shared__ char memory[sizeof(Tile) > E::kMemory ? sizeof(Tile) : E::kMemory];
  Tile& tile = *reinterpret_cast<Tile*>(memory);
  const int64_t tiles_n = (s.n + kTileN - 1) / kTileN;
  for (int64_t z = blockIdx.y; z < s.batch * s.chunks; z += gridDim.y) {
    const int64_t item = z / s.chunks, chunk = z % s.chunks, first = chunk * s.chunk;
    Piece at{item, blockIdx.x / tiles_n * kTileM, blockIdx.x % tiles_n * kTileN, first, s.m,
             s.n,  min(first + s.chunk, s.k)};
    A sum[kEach] = {}, block[kEach] = {};
    for (; at.k < at.last; at.k += Tile::kTileK) {
      tile.fill(p, at);
      __syncthreads();
      tile.multiply(at, block);
      if ((at.k - first) % kBlockK == kBlockK - Tile::kTileK || at.k + Tile::kTileK >= at.last) {
#pragma unroll
        for (int v = 0; v < kEach; ++v) {
          sum[v] += block[v];
          block[v] = A(0);
        }
      }
      __syncthreads();
    }
#pragma unroll
    for (int v = 0; v < kEach; ++v) {
      const int64_t i = at.row + Tile::row(v), j = at.column + Tile::column(v);
      if (i >= s.m || j >= s.n) continue;
      if (s.chunks == 1)
        p.store(p.place(item, i, j), sum[v]);
      else
        partial[((chunk * s.batch + item) * s.m + i) * s.n + j] = sum[v];
    }
    if (s.chunks == 1) epilogue.tile(p, at, memory);
  }
}

template <class P>
__global__ void combine_product_kernel(P p, ProductShape s, const typename P::A* partial) {
  const int64_t total = s.batch * s.m * s.n;
  for (int64_t i = thread_index(); i < total; i += thread_count()) {
    typename P::A sum = partial[i];
    for (int64_t c = 1; c < s.chunks; ++c) sum += partial[c * total + i];
    p.store(p.place(i / (s.m * s.n), i / s.n % s.m, i % s.n), sum);
  }
}

/// How a product is cut.
inline ProductShape cut_product(int64_t m, int64_t n, int64_t k, int64_t batch) {
  constexpr int64_t kWhole = 32;  // terms of any tile
  ProductShape s{m, n, k, batch, 0, 1};
  const int64_t tiles = ceil_div(m, kTileM) * ceil_div(n, kTileN);
  s.chunks = std::max<int64_t>(1, std::min<int64_t>(256 / (tiles * batch), k / 1024));
  s.chunk = std::max<int64_t>(kWhole, ceil_div(ceil_div(k, s.chunks), kWhole) * kWhole);
  s.chunks = std::max<int64_t>(1, ceil_div(k, s.chunk));
  return s;
}
inline Grid grid_of(const ProductShape& s) {
  return {ceil_div(s.m, kTileM) * ceil_div(s.n, kTileN), std::min<int64_t>(s.batch * s.chunks, 65535)};
}

template <class P>
void run_product(const P& p, const ProductShape& s, const char* what) {
  const Temporary<typename P::A> partial(s.chunks == 1 ? 1 : s.chunks * s.batch * s.m * s.n, what);
  with_tile<P>([&](auto* tile) {
    using Tile = std::remove_pointer_t<decltype(tile)>;
    launch(product_kernel<Tile, P, NoEpilogue>, grid_of(s), kThreads, p, NoEpilogue(), s, partial.get());
  });
  if (s.chunks > 1) launch(combine_product_kernel<P>, grid_for(s.batch * s.m * s.n), kThreads, p, s, partial.get());
}
/// Then runs a program over the product, if one is given: tile by tile for the types that models have.
template <class P>
void run_product(const P& p, const ProductShape& s, const char* what, const ProgramRun* program) {
  if constexpr (sizeof(typename P::A) == 4)
    if (program && program->fits() && s.chunks == 1)
      return with_tile<P>([&](auto* tile) {
        using Tile = std::remove_pointer_t<decltype(tile)>;
        launch(product_kernel<Tile, P, Epilogue>, grid_of(s), kThreads, p, Epilogue{program->with(grid_of(s))}, s,
               static_cast<typename P::A*>(nullptr));
      });
  run_product(p, s, what);
  if (program) program->all();
}

}  // namespace addax::cuda
