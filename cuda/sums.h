// Sums of values that a functor gives, group by group: the statistics of normalisations and the gradients of their
// parameters. Sums are doubles, cut into chunks by sizes alone, which combine in order.
#pragma once

#include "cuda/block.h"
#include "cuda/launch.h"

namespace addax::cuda {

template <int K>
struct Several {
  double value[K];
};
struct AddSeveral {
  template <int K>
  __device__ Several<K> operator()(Several<K> a, const Several<K>& b) const {
    for (int k = 0; k < K; ++k) a.value[k] += b.value[k];
    return a;
  }
};

struct SumShape {
  int64_t groups, n, chunk, chunks;
};

template <int K, class F>
__global__ void sum_rows_kernel(F f, SumShape s, Several<K>* partial) {
  const int64_t first = blockIdx.y * s.chunk, last = min(first + s.chunk, s.n);
  for (int64_t g = blockIdx.x; g < s.groups; g += gridDim.x) {
    Several<K> total = {};
    for (int64_t i = first + threadIdx.x; i < last; i += kThreads) total = AddSeveral()(total, f(g, i));
    total = block_fold(total, AddSeveral());
    if (threadIdx.x == 0) partial[blockIdx.y * s.groups + g] = total;
  }
}

template <int K, class F>
__global__ void sum_columns_kernel(F f, SumShape s, Several<K>* partial) {
  const int64_t first = blockIdx.y * s.chunk, last = min(first + s.chunk, s.n);
  for (int64_t g = thread_index(); g < s.groups; g += thread_count()) {
    Several<K> total = {};
    for (int64_t i = first; i < last; ++i) total = AddSeveral()(total, f(g, i));
    partial[blockIdx.y * s.groups + g] = total;
  }
}

template <int K, class Finish>
__global__ void finish_sums_kernel(Finish finish, SumShape s, const Several<K>* partial) {
  for (int64_t g = thread_index(); g < s.groups; g += thread_count()) {
    Several<K> total = partial[g];
    for (int64_t c = 1; c < s.chunks; ++c) total = AddSeveral()(total, partial[c * s.groups + g]);
    finish(g, total);
  }
}

/// finish(g, the sum over i < n of f(g, i)) for each group. `across`: memory is in order from group to group.
template <int K, class F, class Finish>
void sum_groups(int64_t groups, int64_t n, bool across, const F& f, const Finish& finish, const char* what) {
  const int64_t wanted = across ? (1 << 16) / groups : 512 / groups, least = across ? 64 : 4096;
  SumShape s{groups, n, 0, std::max<int64_t>(1, std::min(wanted, n / least))};
  s.chunk = std::max<int64_t>(1, ceil_div(n, s.chunks));
  s.chunks = std::max<int64_t>(1, ceil_div(n, s.chunk));
  const Temporary<Several<K>> partial(groups * s.chunks, what);
  if (across)
    launch(sum_columns_kernel<K, F>, {grid_for(groups).x, s.chunks}, kThreads, f, s, partial.get());
  else
    launch(sum_rows_kernel<K, F>, {std::min<int64_t>(groups, 1 << 20), s.chunks}, kThreads, f, s, partial.get());
  launch(finish_sums_kernel<K, Finish>, grid_for(groups), kThreads, finish, s, partial.get());
}

}  // namespace addax::cuda
