// CPU kernels of matmul and matmul_fused: which product goes to bare register tiles, to a matrix-vector loop or to the
// packing gemm depends on sizes and strides alone, and so do the bits.
#include "ops/matmul.h"

#include <algorithm>
#include <array>
#include <utility>

#include "cpu/gemm/product.h"

namespace addax::cpu::ADDAX_ISA {
namespace {

constexpr int64_t kTileWork = 1 << 16;      // multiply-adds up to which packing costs more than it saves
constexpr int64_t kTaskWork = 1 << 17;      // multiply-adds worth handing to a thread
constexpr int64_t kParallelWork = 1 << 23;  // multiply-adds from which one product of a batch is cut by itself

// Copies to row-major memory, converting.
template <class S, class T>
void pack(Matrix<S> from, int64_t rows, int64_t cols, T* to) {
  const int64_t block = std::max<int64_t>(1, kTaskWork / std::max<int64_t>(1, cols));
  parallel_for(rows, block, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const S* row = from.data + i * from.row_step;
      if (from.col_step == 1)
        for (int64_t j = 0; j < cols; ++j) to[i * cols + j] = static_cast<T>(row[j]);
      else
        for (int64_t j = 0; j < cols; ++j) to[i * cols + j] = static_cast<T>(row[j * from.col_step]);
    }
  });
}

template <class T>
class Packed {
 public:
  template <class S>
  Packed(Matrix<S> from, int64_t rows, int64_t cols) : data_(rows * cols, "matmul"), cols_(cols) {
    pack(from, rows, cols, data_.get());
  }
  Matrix<T> matrix() const { return {data_.get(), cols_, 1}; }

 private:
  Scratch<T> data_;
  int64_t cols_;
};

// ---- tiles ----------------------------------------------------------------------------------------------------------

// Covers [0, n), n >= kLanes, with calls f(column, vectors); the last may overlap the one before it.
template <class T, class F>
void cover_columns(int64_t n, F&& f) {
  constexpr int64_t kL = kLanes<T>;
  int64_t j = 0;
  for (; j + 2 * kL <= n; j += 2 * kL) f(j, 2);
  if (j == n) return;
  if (n - j > kL) {
    f(j, 1);
    j += kL;
  }
  f(n - j == kL ? j : n - kL, 1);
}

// b has col_step 1 and at least kLanes columns.
template <class T>
void tile_product(int64_t m, int64_t n, int64_t k, Matrix<T> a, Matrix<T> b, T* c, int64_t ldc) {
  const Run run{0, k};
  cover_columns<T>(n, [&](int64_t j, int vectors) {
    cover_rows(m, [&](int64_t i, int rows) {
      tile_of<T>(rows, vectors)(a.data + i * a.row_step, a.row_step, a.col_step, {&run, 1}, b.data + j, b.row_step,
                                c + i * ldc + j, ldc, false);
    });
  });
}

// Few columns: b is padded to one vector.
template <class T>
void narrow_product(int64_t m, int64_t n, int64_t k, Matrix<T> a, Matrix<T> b, T* c) {
  constexpr int64_t kL = kLanes<T>;
  Scratch<T> padded(k * kL, "matmul");
  for (int64_t p = 0; p < k; ++p)
    for (int64_t j = 0; j < kL; ++j) padded[p * kL + j] = j < n ? b.at(p, j) : T(0);
  const Run run{0, k};
  T result[kTileRows * kL];
  cover_rows(m, [&](int64_t i, int rows) {
    tile_of<T>(rows, 1)(a.data + i * a.row_step, a.row_step, a.col_step, {&run, 1}, padded.get(), kL, result, kL,
                        false);
    for (int r = 0; r < rows; ++r) std::copy_n(result + r * kL, n, c + (i + r) * n);
  });
}

// ---- matrix times vector --------------------------------------------------------------------------------------------

template <class T>
T add_lanes(typename Simd<T>::Vector v) {
  T sum = 0;
  for (int i = 0; i < kLanes<T>; ++i) sum += v[i];
  return sum;
}

// y[r] = the dot product of row r of the matrix with x, for R rows of unit stride.
template <class T, int R>
void dot_rows(const T* a, int64_t row_step, int64_t k, const T* x, T* y) {
  using S = Simd<T>;
  constexpr int64_t kL = kLanes<T>;
  typename S::Vector sum[R][2] = {};
  int64_t p = 0;
  for (; p + 2 * kL <= k; p += 2 * kL)
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) sum[r][v] += S::load(a + r * row_step + p + v * kL) * S::load(x + p + v * kL);
  for (; p + kL <= k; p += kL)
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) sum[r][0] += S::load(a + r * row_step + p) * S::load(x + p);
  for (int r = 0; r < R; ++r) {
    T total = add_lanes<T>(sum[r][0] + sum[r][1]);
    for (int64_t q = p; q < k; ++q) total += a[r * row_step + q] * x[q];
    y[r] = total;
  }
}

// y = a x for fewer rows of a than lanes, side by side in memory. A vector goes on into what lies behind them, which
// belongs to a but at the very end: there they are read one by one.
template <class T>
void narrow_vector(int64_t m, int64_t k, const T* a, int64_t col_step, const T* x, int64_t x_step, T* y) {
  using S = Simd<T>;
  // Sums would wait for each other: there are four, each of every fourth of the first columns, whatever the strides.
  constexpr int64_t kL = kLanes<T>, kChains = 4;
  const int64_t chained = k / kChains * kChains;
  const int64_t whole = col_step > 0 ? std::max<int64_t>(0, k - ceil_div(kL - m, col_step)) : 0;
  typename S::Vector sums[kChains] = {};
  int64_t p = 0;
  for (; p + kChains <= whole; p += kChains)
#pragma GCC unroll 4
    for (int64_t c = 0; c < kChains; ++c) sums[c] += S::load(a + (p + c) * col_step) * x[(p + c) * x_step];
  T sum[kChains][kL];
  for (int64_t c = 0; c < kChains; ++c) S::store(sum[c], sums[c]);
  for (; p < k; ++p) {
    T* chain = sum[p < chained ? p % kChains : 0];
    for (int64_t j = 0; j < m; ++j) chain[j] += a[p * col_step + j] * x[p * x_step];
  }
  for (int64_t j = 0; j < m; ++j) y[j] = (sum[0][j] + sum[1][j]) + (sum[2][j] + sum[3][j]);
}

constexpr int64_t kWide = 8, kNarrow = 4;  // vectors; fewer sums would wait for each other

// y = a x for unit row_step: sums of whole vectors of rows.
template <class T>
void add_columns(int64_t m, int64_t k, Matrix<T> a, const T* x, int64_t x_step, T* y) {
  constexpr int64_t kL = kLanes<T>;
  const Run run{0, k};
  int64_t i = 0;
  for (; i + kWide * kL <= m; i += kWide * kL)
    tile<T, 1, kWide>(x, 0, x_step, {&run, 1}, a.data + i, a.col_step, y + i, 0, false);
  for (; i + kNarrow * kL <= m; i += kNarrow * kL)
    tile<T, 1, kNarrow>(x, 0, x_step, {&run, 1}, a.data + i, a.col_step, y + i, 0, false);
  if (m - i >= kL)
    cover_columns<T>(m - i, [&](int64_t j, int vectors) {
      tile_of<T>(1, vectors)(x, 0, x_step, {&run, 1}, a.data + i + j, a.col_step, y + i + j, 0, false);
    });
  else if (i < m)
    narrow_vector(m - i, k, a.data + i, a.col_step, x, x_step, y + i);
}

// The same for many rows, which are read from end to end, column after column; y lies in the first cache.
template <class T>
void add_whole_columns(int64_t m, int64_t k, Matrix<T> a, const T* x, int64_t x_step, T* y) {
  using S = Simd<T>;
  constexpr int64_t kL = kLanes<T>, kLine = 64 / int64_t{sizeof(T)};
  std::fill_n(y, m, T(0));
  int64_t p = 0;
  const auto add = [&](auto count) {
    constexpr int64_t kCount = count;
    const T* columns = a.data + p * a.col_step;
    T factors[kCount];
    for (int64_t c = 0; c < kCount; ++c) factors[c] = x[(p + c) * x_step];
    int64_t i = 0;
    for (; i + kLine <= m; i += kLine) {
#pragma GCC unroll 4
      for (int64_t v = i; v < i + kLine; v += kL) {
        typename S::Vector sum = S::load(y + v);
#pragma GCC unroll 8
        for (int64_t c = 0; c < kCount; ++c) sum += S::load(columns + c * a.col_step + v) * factors[c];
        S::store(y + v, sum);
      }
    }
    for (; i < m; ++i)
      for (int64_t c = 0; c < kCount; ++c) y[i] += columns[c * a.col_step + i] * factors[c];
    p += kCount;
  };
  const bool same_sets = a.col_step * static_cast<int64_t>(sizeof(T)) % detail::kSameSets == 0;
  while (!same_sets && p + 8 <= k) add(std::integral_constant<int64_t, 8>());
  while (p + 4 <= k) add(std::integral_constant<int64_t, 4>());
  while (p < k) add(std::integral_constant<int64_t, 1>());
}

// y = a x with a (m, k), for either unit stride of a.
template <class T>
void matrix_vector(int64_t m, int64_t k, Matrix<T> a, const T* x, int64_t x_step, T* y) {
  const int64_t tasks = ceil_div(m * k, kTaskWork);
  if (a.col_step != 1 && a.row_step == 1) {
    constexpr int64_t kMost = 2048, kPartWork = 1 << 18, kMostParts = 8, kGroup = kWide * kLanes<T>;
    if (m <= kMost && tasks > 1) {
      // Cut along the sums: each thread then reads memory from end to end. Parts of the rows would lie in a part of the
      // sets of its cache. The sums of a part go from one core to another, which takes as long as reading 50 KB.
      const int64_t parts = std::clamp<int64_t>(m * k / kPartWork, 2, kMostParts);
      Scratch<T> sums(parts * m, "matmul");
      parallel_for(parts, 1, [&](int64_t begin, int64_t end) {
        for (int64_t part = begin; part < end; ++part) {
          const int64_t first = part * k / parts, last = (part + 1) * k / parts;
          (m < kGroup ? add_columns<T> : add_whole_columns<T>)(m, last - first, a.from(0, first), x + first * x_step,
                                                               x_step, sums.get() + part * m);
        }
      });
      for (int64_t i = 0; i < m; ++i) {
        T sum = sums[i];
        for (int64_t part = 1; part < parts; ++part) sum += sums[part * m + i];
        y[i] = sum;
      }
      return;
    }
    const int64_t block = ceil_div(ceil_div(m, tasks), kGroup) * kGroup;
    parallel_for(m, block, [&](int64_t begin, int64_t end) {
      add_columns(end - begin, k, a.from(begin, 0), x, x_step, y + begin);
    });
    return;
  }
  if (x_step != 1) return matrix_vector(m, k, a, Packed<T>(Matrix<T>{x, x_step, 1}, k, 1).matrix().data, 1, y);
  if (a.col_step != 1) return matrix_vector(m, k, Packed<T>(a, m, k).matrix(), x, 1, y);
  parallel_for(m, ceil_div(m, tasks), [&](int64_t begin, int64_t end) {
    for (; begin + 4 <= end; begin += 4) dot_rows<T, 4>(a.data + begin * a.row_step, a.row_step, k, x, y + begin);
    for (; begin < end; ++begin) dot_rows<T, 1>(a.data + begin * a.row_step, 0, k, x, y + begin);
  });
}

// ---- float and double -----------------------------------------------------------------------------------------------

// False: it is a product for gemm.
template <class T>
bool small_product(int64_t m, int64_t n, int64_t k, Matrix<T> a, Matrix<T> b, T* c) {
  if (n == 1) {
    matrix_vector(m, k, a, b.data, b.row_step, c);
  } else if (m == 1) {
    matrix_vector(n, k, b.transposed(), a.data, a.col_step, c);
  } else if (m * n * k <= kTileWork) {
    if (n < kLanes<T>)
      narrow_product(m, n, k, a, b, c);
    else if (b.col_step != 1)
      tile_product(m, n, k, a, Packed<T>(b, k, n).matrix(), c, n);
    else
      tile_product(m, n, k, a, b, c, n);
  } else if (m <= kTileRows && b.col_step == 1 && n >= kLanes<T>) {
    const int64_t block = ceil_div(ceil_div(kTaskWork, m * k), kLanes<T>) * kLanes<T>;
    const int64_t pieces = std::max<int64_t>(1, n / block);  // the last takes what is left, so that none is narrow
    parallel_for(pieces, 1, [&](int64_t begin, int64_t end) {
      const int64_t first = begin * block, last = end == pieces ? n : end * block;
      tile_product(m, last - first, k, a, b.from(0, first), c + first, n);
    });
  } else {
    return false;
  }
  return true;
}

// ---- integers, which wrap around, and bool --------------------------------------------------------------------------

template <class T, class MultiplyAdd>
void integer_product(int64_t m, int64_t n, int64_t k, Matrix<T> a, Matrix<T> b, T* c, MultiplyAdd&& multiply_add) {
  if (b.col_step != 1 && n > 1) return integer_product(m, n, k, a, Packed<T>(b, k, n).matrix(), c, multiply_add);
  constexpr int64_t kRows = 4, kCols = 512;
  parallel_for(m, std::max(kRows, ceil_div(kTaskWork, n * k) / kRows * kRows), [&](int64_t begin, int64_t end) {
    for (int64_t j = 0; j < n; j += kCols) {
      const int64_t cols = std::min(kCols, n - j);
      for (int64_t i = begin; i < end; i += kRows) {
        T sum[kRows][kCols];
        for (auto& row : sum) std::fill_n(row, cols, T(0));
        for (int64_t p = 0; p < k; ++p)
          for (int64_t r = 0; r < std::min(kRows, end - i); ++r) {
            const T value = a.at(i + r, p);
            const T* row = b.data + p * b.row_step + j;
            for (int64_t q = 0; q < cols; ++q) sum[r][q] = multiply_add(sum[r][q], value, row[q]);
          }
        for (int64_t r = 0; r < std::min(kRows, end - i); ++r) std::copy_n(sum[r], cols, c + (i + r) * n + j);
      }
    }
  });
}

// ---- batches --------------------------------------------------------------------------------------------------------

// The product with its transpose flags resolved, its batch dims merged where strides allow, and those that only a
// moves along folded into the rows of a.
struct Plan {
  int64_t m, n, k;
  int64_t a_row, a_col, b_row, b_col;
  int64_t count = 1;
  Dims batch, a_batch, b_batch;  // sizes and steps

  Plan(const View& a, const View& b, const View& out, const MatmulAttrs& attrs) {
    const int ra = a.rank(), rb = b.rank(), ro = out.rank();
    m = out.shape[ro - 2];
    n = out.shape[ro - 1];
    k = a.shape[attrs.transpose_a ? ra - 2 : ra - 1];
    a_row = a.strides[attrs.transpose_a ? ra - 1 : ra - 2];
    a_col = a.strides[attrs.transpose_a ? ra - 2 : ra - 1];
    b_row = b.strides[attrs.transpose_b ? rb - 1 : rb - 2];
    b_col = b.strides[attrs.transpose_b ? rb - 2 : rb - 1];
    for (int i = 0; i < ro - 2; ++i) {
      const int64_t size = out.shape[i];
      if (size == 1) continue;
      const int64_t a_step = batch_step(a, i - (ro - ra)), b_step = batch_step(b, i - (ro - rb));
      if (!batch.empty() && a_batch.back() == a_step * size && b_batch.back() == b_step * size) {
        batch.back() *= size;
        a_batch.back() = a_step;
        b_batch.back() = b_step;
      } else {
        batch.push_back(size);
        a_batch.push_back(a_step);
        b_batch.push_back(b_step);
      }
    }
    while (!batch.empty() && b_batch.back() == 0 && (m == 1 || a_batch.back() == m * a_row)) {
      if (m == 1) a_row = a_batch.back();
      m *= batch.back();
      batch.pop_back();
      a_batch.pop_back();
      b_batch.pop_back();
    }
    for (int64_t size : batch) count *= size;
  }

  static int64_t batch_step(const View& x, int dim) { return dim < 0 || x.shape[dim] == 1 ? 0 : x.strides[dim]; }

  // Where product i starts in a and in b.
  std::pair<int64_t, int64_t> offsets(int64_t i) const {
    int64_t a = 0, b = 0;
    for (int d = batch.rank() - 1; d >= 0; --d) {
      a += i % batch[d] * a_batch[d];
      b += i % batch[d] * b_batch[d];
      i /= batch[d];
    }
    return {a, b};
  }
};

template <class T>
void one(const Plan& p, Matrix<T> a, Matrix<T> b, T* c, const Epilogue* epilogue, Storage* weights) {
  if constexpr (!std::is_integral_v<T>)
    return product(p.m, p.n, p.k, a, b, c, epilogue, weights);
  else if constexpr (std::is_same_v<T, bool>)
    integer_product(p.m, p.n, p.k, a, b, c, [](bool sum, bool x, bool y) { return sum | (x & y); });
  else
    integer_product(p.m, p.n, p.k, a, b, c, [](T sum, T x, T y) { return static_cast<T>(sum + x * y); });
  if (epilogue) epilogue->all(c, p.m * p.n);
}

template <class T>
void run(const Plan& p, const T* a, const T* b, T* c, const Epilogue* epilogue, Storage* weights) {
  const auto nth = [&](int64_t i) {
    const auto [a_offset, b_offset] = p.offsets(i);
    one<T>(p, {a + a_offset, p.a_row, p.a_col}, {b + b_offset, p.b_row, p.b_col}, c + i * p.m * p.n, epilogue,
           p.count == 1 ? weights : nullptr);
  };
  const int64_t work = p.m * p.n * p.k;
  if (p.count == 1 || work >= kParallelWork)
    for (int64_t i = 0; i < p.count; ++i) nth(i);
  else
    parallel_for(p.count, ceil_div(kTaskWork, work), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) nth(i);
    });
}

void products(const KernelArgs& args, const MatmulAttrs& attrs, const View& out, const Epilogue* epilogue) {
  const Plan plan(args.in[0], args.in[1], out, attrs);
  if (plan.k == 0) {
    std::memset(out.data, 0, static_cast<size_t>(out.numel() * size_of(out.dtype)));
    if (epilogue) epilogue->all(out.data, out.numel());
    return;
  }
  with_any(out.dtype, [&](auto tag) {
    using T = decltype(tag);
    run(plan, args.in[0].as<const T>(), args.in[1].as<const T>(), out.as<T>(), epilogue, args.weights);
  });
}

void matmul(const KernelArgs& args) { products(args, args.attrs.as<MatmulAttrs>(), args.out[0], nullptr); }

void matmul_fused(const KernelArgs& args) {
  const auto& attrs = args.attrs.as<EpilogueAttrs<MatmulAttrs>>();
  const Epilogue epilogue(args, attrs.epilogue);
  products(args, attrs.product, epilogue.product(), &epilogue);
}

template <class T, int... I>
constexpr std::array<std::array<Tile<T>, 2>, sizeof...(I)> tiles(std::integer_sequence<int, I...>) {
  return {{{tile<T, I + 1, 1>, tile<T, I + 1, 2>}...}};
}

}  // namespace

template <class S>
void product(int64_t m, int64_t n, int64_t k, Matrix<S> a, Matrix<S> b, S* c, const Epilogue* epilogue,
             Storage* weights) {
  if constexpr (std::is_floating_point_v<S>)
    if (small_product(m, n, k, a, b, c)) {
      if (epilogue) epilogue->all(c, m * n);
      return;
    }
  gemm(m, n, k, a, b, c, n, epilogue, weights);
}
template void product(int64_t, int64_t, int64_t, Matrix<float>, Matrix<float>, float*, const Epilogue*, Storage*);
template void product(int64_t, int64_t, int64_t, Matrix<double>, Matrix<double>, double*, const Epilogue*, Storage*);
template void product(int64_t, int64_t, int64_t, Matrix<Float16>, Matrix<Float16>, Float16*, const Epilogue*, Storage*);
template void product(int64_t, int64_t, int64_t, Matrix<BFloat16>, Matrix<BFloat16>, BFloat16*, const Epilogue*,
                      Storage*);

template <class T>
Tile<T> tile_of(int rows, int vectors) {
  static constexpr auto kTiles = tiles<T>(std::make_integer_sequence<int, kTileRows>());
  return kTiles[static_cast<size_t>(rows - 1)][static_cast<size_t>(vectors - 1)];
}
template Tile<float> tile_of(int, int);
template Tile<double> tile_of(int, int);

void register_matmul(KernelSink& sink) {
  sink.set("matmul", matmul);
  sink.set("matmul_fused", matmul_fused);
}

}  // namespace addax::cpu::ADDAX_ISA
