// CUDA kernels of the matmul family: cuBLASLt, where it is and takes the product, else the project's own tiles, for any
// strides and dtypes. 16-bit floats have float sums.
#include "cuda/convert.h"
#include "cuda/cublaslt.h"
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
    for (int d = 0; d < batch.rank; ++d) whole = whole && batch.step[k][d] % kRun<S> == 0;
    if (whole && term == 1 && line % kRun<S> == 0) return Along::Terms;
    return whole && line == 1 && term % kRun<S> == 0 ? Along::Lines : Along::None;
  }
};

// The product as cuBLASLt is asked for it; none if its batch is more than one step from item to item.
template <class S>
std::optional<LtProduct> for_lt(const Matrices<S>& p, int64_t k, Dtype dtype) {
  if (p.batch.rank > 1) return std::nullopt;
  const auto step = [&](int side) { return p.batch.rank ? p.batch.step[side][0] : 0; };
  return LtProduct{dtype,
                   p.batch.n,
                   p.m,
                   p.n,
                   k,
                   {p.left, p.left_row, p.left_column, step(0)},
                   {p.right, p.right_row, p.right_column, step(1)},
                   p.out};
}

// A program that cuBLASLt runs itself: a row is added to the product, and relu may follow. No row: it is another one.
LtBias bias_of(const KernelArgs& args, const FusedAttrs& attrs) {
  const FusedProgram& program = attrs.parsed();
  const auto is = [&](size_t step, std::string_view name) { return program.steps[step].op->name == name; };
  const size_t steps = program.steps.size();
  if (program.inputs.size() != 2 || steps > 2 || !is(0, "add") || (steps == 2 && !is(1, "relu"))) return {};
  const FusedStep& add = program.steps[0];
  if (add.in[0] + add.in[1] != 1 || program.inputs[1] != program.inputs[0]) return {};
  if (steps == 2 && program.steps[1].in[0] != 2) return {};
  if (attrs.results.rank() != 1 || attrs.results[0] != static_cast<int64_t>(steps) + 1) return {};
  const View &row = args.in[2], &out = args.out[0];
  const int64_t n = out.shape.back();
  if (row.rank() == 0 || row.shape.back() != n || numel(row.shape) != n) return {};
  if ((n > 1 && row.strides[row.rank() - 1] != 1) || !is_vector(row.data)) return {};
  return {row.data, steps == 2};
}

template <class S>
void run(const KernelArgs& args, const MatmulAttrs& attrs, const View& out, const ProgramRun* epilogue = nullptr,
         const LtBias& bias = {}) {
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
  const int64_t k = a.shape[attrs.transpose_a ? ra - 2 : ra - 1];
  if (std::optional<LtProduct> asked = for_lt(p, k, out.dtype)) {
    asked->bias = bias;
    if (bias.row && lt_product(*asked, args.op.name)) return;
    asked->bias = {};
    if (lt_product(*asked, args.op.name)) {
      if (epilogue) epilogue->all();
      return;
    }
  }
  run_product(p, cut_product(p.m, p.n, k, p.batch.n), args.op.name, epilogue);
}

void matmul(const KernelArgs& args) {
  const View& out = args.out[0];
  with_any(out.dtype, [&](auto tag) { run<decltype(tag)>(args, args.attrs.as<MatmulAttrs>(), out); });
}

void matmul_fused(const KernelArgs& args) {
  const auto& attrs = args.attrs.as<EpilogueAttrs<MatmulAttrs>>();
  const ProductEpilogue epilogue(args, attrs.epilogue);
  const LtBias bias = bias_of(args, attrs.epilogue);
  const View& out = epilogue.product;
  with_any(out.dtype, [&](auto tag) { run<decltype(tag)>(args, attrs.product, out, &epilogue.run, bias); });
}

}  // namespace

void register_matmul(OpTable& table) {
  set(table, "matmul", matmul);
  set(table, "matmul_fused", matmul_fused);
}

}  // namespace addax::cuda
