// CUDA kernels of the matmul family: the project's own tiles, for any strides and dtypes. 16-bit floats are read into
// float sums.
#include "cuda/convert.h"
#include "cuda/kernels.h"
#include "cuda/product.h"
#include "cuda/walk.h"
#include "ops/matmul.h"

namespace addax::cuda {
namespace {

// S: how elements are stored; void: any integer or bool.
template <class Sum, class S>
struct Matrices {
  using A = Sum;
  Walk<2> batch;
  const void *left, *right;
  void* out;
  int64_t left_row, left_column, right_row, right_column, m, n;
  Dtype dtype;

  __device__ A read(const void* data, int64_t at) const {
    if constexpr (std::is_void_v<S>)
      return load<A>(data, dtype, at);
    else
      return convert<A>(static_cast<const S*>(data)[at]);
  }
  __device__ A a(int64_t item, int64_t i, int64_t p) const {
    int64_t at[2];
    batch.at(item, at);
    return read(left, at[0] + i * left_row + p * left_column);
  }
  __device__ A b(int64_t item, int64_t p, int64_t j) const {
    int64_t at[2];
    batch.at(item, at);
    return read(right, at[1] + p * right_row + j * right_column);
  }
  __device__ int64_t place(int64_t item, int64_t i, int64_t j) const { return (item * m + i) * n + j; }
  __device__ void store(int64_t at, A sum) const {
    if constexpr (std::is_void_v<S>)
      cuda::store<A>(out, dtype, at, sum);
    else
      static_cast<S*>(out)[at] = convert<S>(sum);
  }
};

template <class Sum, class S>
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
  Matrices<Sum, S> p;
  p.batch = Walk<2>(batch, {outer(a), outer(b)});
  p.left = a.data;
  p.right = b.data;
  p.out = out.data;
  p.left_row = a.strides[attrs.transpose_a ? ra - 1 : ra - 2];
  p.left_column = a.strides[attrs.transpose_a ? ra - 2 : ra - 1];
  p.right_row = b.strides[attrs.transpose_b ? rb - 1 : rb - 2];
  p.right_column = b.strides[attrs.transpose_b ? rb - 2 : rb - 1];
  p.m = out.shape[ro - 2];
  p.n = out.shape[ro - 1];
  p.dtype = out.dtype;
  const ProductShape shape = cut_product(p.m, p.n, a.shape[attrs.transpose_a ? ra - 2 : ra - 1], numel(batch));
  if constexpr (std::is_void_v<S>) {  // too few of them for kernels that run programs
    run_product(p, shape, args.op.name);
    if (epilogue) epilogue->all();
  } else {
    run_product(p, shape, args.op.name, epilogue);
  }
}

void product(const KernelArgs& args, const MatmulAttrs& attrs, const View& out, const ProgramRun* epilogue) {
  switch (out.dtype) {
    case Dtype::Float64:
      return run<double, double>(args, attrs, out, epilogue);
    case Dtype::Float32:
      return run<float, float>(args, attrs, out, epilogue);
    case Dtype::Float16:
      return run<float, Float16>(args, attrs, out, epilogue);
    case Dtype::BFloat16:
      return run<float, BFloat16>(args, attrs, out, epilogue);
    default:
      return run<int64_t, void>(args, attrs, out, epilogue);  // sums wrap as they are stored; of bools they count
  }
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
