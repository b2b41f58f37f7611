// CUDA kernels of the matmul family: the project's own tiles, for any strides and dtypes. 16-bit floats have float
// sums.
#include "cuda/convert.h"
#include "cuda/kernels.h"
#include "cuda/product.h"
#include "cuda/walk.h"
#include "ops/matmul.h"

namespace addax::cuda {
namespace {

template <class S>
struct Matrices {
  using A = sum_t<S>;  // sums of integers wrap as they are stored; of bools they count
  using Stored = S;
  Walk<2> batch;
  const S *left, *right;
  S* out;
  int64_t left_row, left_column, right_row, right_column, m, n;
  Along a_along, b_along;

  __device__ const S* a_at(int64_t item, int64_t i, int64_t p) const {
    int64_t at[2];
    batch.at(item, at);
    return left + at[0] + i * left_row + p * left_column;
  }
  __device__ const S* b_at(int64_t item, int64_t p, int64_t j) const {
    int64_t at[2];
    batch.at(item, at);
    return right + at[1] + p * right_row + j * right_column;
  }
  __device__ int64_t place(int64_t item, int64_t i, int64_t j) const { return (item * m + i) * n + j; }
  __device__ void store(int64_t at, A sum) const { out[at] = convert<S>(sum); }

  // How the matrix that is array k of the walk lies, by its steps from term to term and from line to line.
  Along along(int k, const void* data, int64_t term, int64_t line) const {
    bool whole = is_vector(data);
    for (int d = 0; d < batch.rank; ++d) whole = whole && batch.step[k][d] % 8 == 0;
    if (whole && term == 1 && line % 8 == 0) return Along::Terms;
    return whole && line == 1 && term % 8 == 0 ? Along::Lines : Along::None;
  }
};

template <class S>
void run(const KernelArgs& args, const MatmulAttrs& attrs, const View& out, const ProgramRun* epilogue) {
  const View &a = args.in[0], &b = args.in[1];
  const int ra = a.rank(), rb = b.rank(), ro = out.rank();
  const Shape batch(out.shape.begin(), out.shape.end() - 2);
  const auto outer = [&](const View& x) {
    View y = x;
    for (int i = 0; i < 2; ++i) {
      y.shape.pop_back();
      y.strides.pop_back();
    }
    return broadcast_strides(y, batch);
  };
  Matrices<S> p;
  p.batch = Walk<2>(batch, {outer(a), outer(b)});
  p.left = a.as<S>();
  p.right = b.as<S>();
  p.out = out.as<S>();
  p.left_row = a.strides[attrs.transpose_a ? ra - 1 : ra - 2];
  p.left_column = a.strides[attrs.transpose_a ? ra - 2 : ra - 1];
  p.right_row = b.strides[attrs.transpose_b ? rb - 1 : rb - 2];
  p.right_column = b.strides[attrs.transpose_b ? rb - 2 : rb - 1];
  p.m = out.shape[ro - 2];
  p.n = out.shape[ro - 1];
  p.a_along = p.along(0, p.left, p.left_column, p.left_row);
  p.b_along = p.along(1, p.right, p.right_row, p.right_column);
  run_product(p, cut_product(p.m, p.n, a.shape[attrs.transpose_a ? ra - 2 : ra - 1], numel(batch)), args.op.name,
              epilogue);
}

void product(const KernelArgs& args, const MatmulAttrs& attrs, const View& out, const ProgramRun* epilogue) {
  with_any(out.dtype, [&](auto tag) { run<decltype(tag)>(args, attrs, out, epilogue); });
}

void matmul(const KernelArgs& args) { product(args, args.attrs.as<MatmulAttrs>(), args.out[0], nullptr); }

void matmul_fused(const KernelArgs& args) {
  const auto& attrs = args.attrs.as<EpilogueAttrs<MatmulAttrs>>();
  const ProductEpilogue epilogue(args, attrs.epilogue);
  product(args, attrs.product, epilogue.product, &epilogue.run);
}

}  // namespace

void register_matmul(OpTable& table) {
  set(table, "matmul", matmul);
  set(table, "matmul_fused", matmul_fused);
}

}  // namespace addax::cuda
