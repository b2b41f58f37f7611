// Products of matrices whose elements a functor reads: matmul reads strided arrays, convolutions read images. A block
// makes a tile of kTileM x kTileN in shared memory, a thread kEach x kEach of it. Sums are taken of kBlockK terms
// first, so that rounding does not grow with their length. Long sums with few tiles are cut into chunks by sizes alone,
// which combine in order. A program of elementwise rows may run over each tile as soon as it is complete.
#pragma once

#include "cuda/launch.h"
#include "cuda/program.h"

namespace addax::cuda {

inline constexpr int kTileM = 64, kTileN = 64, kTileK = 16, kBlockK = 256, kEach = 4;
static_assert((kTileM / kEach) * (kTileN / kEach) == kThreads);

struct ProductShape {
  int64_t m, n, k, batch;
  int64_t chunk, chunks;  // of k
};

/// What runs over a tile: nothing, or a program whose first input is the product, in its place.
struct NoEpilogue {
  template <class P>
  __device__ void tile(const P&, const ProductShape&, int64_t, int64_t, int64_t, void*) const {}
  static constexpr int kMemory = 0;
};
struct Epilogue {
  Program program;
  static constexpr int kMemory = kCellMemory;

  /// The tile at (row, column) of a batch item, which this block has stored.
  template <class P>
  __device__ void tile(const P& p, const ProductShape& s, int64_t item, int64_t row, int64_t column,
                       void* memory) const {
    const int64_t rows = min(kTileM, s.m - row), columns = min(kTileN, s.n - column);
    const int64_t vectors = (columns + kValues - 1) / kValues;
    __syncthreads();
    for (int64_t e = threadIdx.x; e < rows * vectors; e += kThreads) {
      const int64_t j = e % vectors * kValues, at = p.place(item, row + e / vectors, column + j);
      run_program(program, static_cast<char*>(memory), Places(at, min(kValues, columns - j)));
    }
    __syncthreads();  // the next tile uses the memory
  }
};

/// P gives A, the type of sums, a(batch, i, p), b(batch, p, j), place(batch, i, j) and store(place, sum). Places of a
/// row follow each other.
template <class P, class E>
__global__ void product_kernel(P p, const __grid_constant__ E epilogue, ProductShape s, typename P::A* partial) {
  using A = typename P::A;
  struct Tiles {
    A a[kTileK][kTileM + 1], b[kTileK][kTileN + 1];
  };
  alignas(16) __shared__ char memory[sizeof(Tiles) > E::kMemory ? sizeof(Tiles) : E::kMemory];
  auto& a = reinterpret_cast<Tiles*>(memory)->a;
  auto& b = reinterpret_cast<Tiles*>(memory)->b;
  const int64_t tiles_n = (s.n + kTileN - 1) / kTileN;
  const int64_t row = blockIdx.x / tiles_n * kTileM, column = blockIdx.x % tiles_n * kTileN;
  const int thread_row = threadIdx.x / (kTileN / kEach), thread_column = threadIdx.x % (kTileN / kEach);
  for (int64_t z = blockIdx.y; z < s.batch * s.chunks; z += gridDim.y) {
    const int64_t item = z / s.chunks, chunk = z % s.chunks;
    const int64_t first = chunk * s.chunk, last = min(first + s.chunk, s.k);
    A sum[kEach][kEach] = {}, block[kEach][kEach] = {};
    for (int64_t k = first; k < last; k += kTileK) {
      for (int e = threadIdx.x; e < kTileK * kTileM; e += kThreads) {
        const int64_t i = row + e / kTileK, q = k + e % kTileK;
        a[e % kTileK][e / kTileK] = i < s.m && q < last ? p.a(item, i, q) : A(0);
      }
      for (int e = threadIdx.x; e < kTileK * kTileN; e += kThreads) {
        const int64_t q = k + e / kTileN, j = column + e % kTileN;
        b[e / kTileN][e % kTileN] = j < s.n && q < last ? p.b(item, q, j) : A(0);
      }
      __syncthreads();
      for (int q = 0; q < kTileK; ++q) {
        A left[kEach], right[kEach];
#pragma unroll
        for (int i = 0; i < kEach; ++i) left[i] = a[q][thread_row * kEach + i];
#pragma unroll
        for (int j = 0; j < kEach; ++j) right[j] = b[q][thread_column + j * (kTileN / kEach)];
#pragma unroll
        for (int i = 0; i < kEach; ++i)
#pragma unroll
          for (int j = 0; j < kEach; ++j) block[i][j] += left[i] * right[j];
      }
      if ((k - first) % kBlockK == kBlockK - kTileK || k + kTileK >= last) {
#pragma unroll
        for (int i = 0; i < kEach; ++i)
#pragma unroll
          for (int j = 0; j < kEach; ++j) {
            sum[i][j] += block[i][j];
            block[i][j] = A(0);
          }
      }
      __syncthreads();
    }
    for (int i = 0; i < kEach; ++i)
      for (int j = 0; j < kEach; ++j) {
        const int64_t at_row = row + thread_row * kEach + i, at_column = column + thread_column + j * (kTileN / kEach);
        if (at_row >= s.m || at_column >= s.n) continue;
        if (s.chunks == 1)
          p.store(p.place(item, at_row, at_column), sum[i][j]);
        else
          partial[((chunk * s.batch + item) * s.m + at_row) * s.n + at_column] = sum[i][j];
      }
    if (s.chunks == 1) epilogue.tile(p, s, item, row, column, memory);
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
  ProductShape s{m, n, k, batch, 0, 1};
  const int64_t tiles = ceil_div(m, kTileM) * ceil_div(n, kTileN);
  s.chunks = std::max<int64_t>(1, std::min<int64_t>(256 / (tiles * batch), k / 1024));
  s.chunk = std::max<int64_t>(kTileK, ceil_div(ceil_div(k, s.chunks), kTileK) * kTileK);
  s.chunks = std::max<int64_t>(1, ceil_div(k, s.chunk));
  return s;
}
inline Grid grid_of(const ProductShape& s) {
  return {ceil_div(s.m, kTileM) * ceil_div(s.n, kTileN), std::min<int64_t>(s.batch * s.chunks, 65535)};
}

template <class P>
void run_product(const P& p, const ProductShape& s, const char* what) {
  const Temporary<typename P::A> partial(s.chunks == 1 ? 1 : s.chunks * s.batch * s.m * s.n, what);
  launch(product_kernel<P, NoEpilogue>, grid_of(s), kThreads, p, NoEpilogue(), s, partial.get());
  if (s.chunks > 1) launch(combine_product_kernel<P>, grid_for(s.batch * s.m * s.n), kThreads, p, s, partial.get());
}
/// Then runs a program over the product, if one is given.
template <class P>
void run_product(const P& p, const ProductShape& s, const char* what, const ProgramRun* program) {
  if (program && s.chunks == 1)
    return launch(product_kernel<P, Epilogue>, grid_of(s), kThreads, p, Epilogue{program->with(grid_of(s))}, s,
                  static_cast<typename P::A*>(nullptr));
  run_product(p, s, what);
  if (program) program->all();
}

}  // namespace addax::cuda
