// CUDA kernels of the loss family: a block per example, log-sum-exp inside.
#include "cuda/block.h"
#include "cuda/convert.h"
#include "cuda/kernels.h"

namespace addax::cuda {
namespace {

struct Loss {
  int64_t rows, n;
  const void *logits, *targets, *g;
  void* out;
  Dtype dtype, target_dtype;  // of targets, or of labels
  bool sparse;
  int op;
};

// A label that is no class is left for the host.
__device__ inline int64_t label_of(const Loss& t, int64_t row, Fault* fault) {
  int64_t label = load<int64_t>(t.targets, t.target_dtype, row);
  if (label >= 0 && label < t.n) return label;
  if (threadIdx.x == 0 && atomicCAS(&fault->found, 0, Fault::kLabel) == 0) {
    fault->op = t.op;
    fault->axis = static_cast<int>(row);
    fault->index = label;
    fault->size = t.n;
  }
  return 0;
}

template <class C>
struct LogSum {
  C largest;
  double sum;
};
template <class C>
__device__ inline LogSum<C> log_sum(const Loss& t, int64_t start) {
  C largest = -scalar::infinity(C(0));
  for (int64_t i = threadIdx.x; i < t.n; i += kThreads)
    largest = Most()(largest, load_float<C>(t.logits, t.dtype, start + i));
  largest = block_fold(largest, Most());
  double sum = 0;
  for (int64_t i = threadIdx.x; i < t.n; i += kThreads)
    sum += static_cast<double>(scalar::exp(load_float<C>(t.logits, t.dtype, start + i) - largest));
  return {largest, block_fold(sum, Plus())};
}

template <class C>
__global__ void loss_kernel(Loss t, Fault* fault) {
  for (int64_t row = blockIdx.x; row < t.rows; row += gridDim.x) {
    const int64_t start = row * t.n;
    const LogSum<C> s = log_sum<C>(t, start);
    const C log_of_sum = static_cast<C>(::log(s.sum));
    if (t.sparse) {
      const int64_t label = label_of(t, row, fault);
      if (threadIdx.x == 0)
        store_float<C>(t.out, t.dtype, row, log_of_sum - (load_float<C>(t.logits, t.dtype, start + label) - s.largest));
      continue;
    }
    double sum = 0;
    for (int64_t i = threadIdx.x; i < t.n; i += kThreads) {
      const C x = load_float<C>(t.logits, t.dtype, start + i), target = load_float<C>(t.targets, t.dtype, start + i);
      sum += static_cast<double>(target * (log_of_sum - (x - s.largest)));
    }
    sum = block_fold(sum, Plus());
    if (threadIdx.x == 0) store_float<C>(t.out, t.dtype, row, static_cast<C>(sum));
  }
}

template <class C>
__global__ void loss_grad_kernel(Loss t, Fault* fault) {
  for (int64_t row = blockIdx.x; row < t.rows; row += gridDim.x) {
    const int64_t start = row * t.n;
    const C scale = load_float<C>(t.g, t.dtype, row);
    const LogSum<C> s = log_sum<C>(t, start);
    int64_t label = -1;
    C total = 1;
    if (t.sparse) {
      label = label_of(t, row, fault);
    } else {
      double sum = 0;
      for (int64_t i = threadIdx.x; i < t.n; i += kThreads)
        sum += static_cast<double>(load_float<C>(t.targets, t.dtype, start + i));
      total = static_cast<C>(block_fold(sum, Plus()));
    }
    const C factor = static_cast<C>(static_cast<double>(scale * total) / s.sum);
    for (int64_t i = threadIdx.x; i < t.n; i += kThreads) {
      const C p = scalar::exp(load_float<C>(t.logits, t.dtype, start + i) - s.largest) * factor;
      const C target = t.sparse ? C(i == label) : load_float<C>(t.targets, t.dtype, start + i);
      store_float<C>(t.out, t.dtype, start + i, p - scale * target);
    }
  }
}

template <bool kSparse, bool kGrad>
void loss(const KernelArgs& k) {
  const View &logits = k.in[0], &targets = k.in[1];
  const int64_t n = logits.shape.back(), rows = logits.numel() / n;
  const Loss t{
      rows,          n,       logits.data, targets.data, kGrad ? k.in[2].data : nullptr, k.out[0].data, logits.dtype,
      targets.dtype, kSparse, k.op.index};
  const Grid grid{std::min<int64_t>(rows, 1 << 20)};
  with_compute(logits.dtype, [&](auto c) {
    using C = decltype(c);
    if constexpr (kGrad)
      launch(loss_grad_kernel<C>, grid, kThreads, t, fault());
    else
      launch(loss_kernel<C>, grid, kThreads, t, fault());
  });
}

}  // namespace

void register_loss(OpTable& table) {
  set(table, "softmax_cross_entropy", loss<false, false>);
  set(table, "softmax_cross_entropy_grad", loss<false, true>);
  set(table, "sparse_softmax_cross_entropy", loss<true, false>);
  set(table, "sparse_softmax_cross_entropy_grad", loss<true, true>);
}

}  // namespace addax::cuda
