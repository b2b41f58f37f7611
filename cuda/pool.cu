// CUDA kernels of the pool family, channels last: a thread per element of the result, which reads all that it depends
// on in order. A maximum is the first one; a NaN counts as largest.
#include <limits>

#include "cuda/convert.h"
#include "cuda/kernels.h"
#include "ops/pool.h"

namespace addax::cuda {
namespace {

struct Pooling {
  int64_t batch, channels;
  int64_t in[3], out[3], window[3], stride[3], low[3];

  Pooling(const Shape& x, const Shape& y, const PoolAttrs& attrs) : batch(x[0]), channels(x.back()) {
    const int rank = x.rank() - 2;
    for (int i = 0; i < 3; ++i) {
      const int d = i - (3 - rank);
      in[i] = d < 0 ? 1 : x[d + 1];
      out[i] = d < 0 ? 1 : y[d + 1];
      window[i] = d < 0 ? 1 : attrs.window[d];
      stride[i] = d < 0 ? 1 : attrs.strides[d];
      low[i] = d < 0 ? 0 : attrs.low[d];
    }
  }
  int64_t taps() const { return window[0] * window[1] * window[2]; }
};

// An element of an array (batch, spatial, channels).
struct Element {
  int64_t image, channel, at[3];
};
__device__ inline Element element_of(int64_t i, const int64_t* size, int64_t channels) {
  Element e;
  e.channel = i % channels;
  i /= channels;
  for (int d = 2; d >= 0; --d) {
    e.at[d] = i % size[d];
    i /= size[d];
  }
  e.image = i;
  return e;
}
__device__ inline int64_t offset(const Element& e, int64_t a, int64_t b, int64_t c, const int64_t* size,
                                 int64_t channels) {
  return (((e.image * size[0] + a) * size[1] + b) * size[2] + c) * channels + e.channel;
}

// What a position of one side reads of the other along each dim: [first, last).
struct Range {
  int64_t first[3], last[3];
};
// The inputs of the window of an output.
__device__ inline Range window_of(const Pooling& s, const int64_t* at) {
  Range r;
  for (int d = 0; d < 3; ++d) {
    const int64_t start = at[d] * s.stride[d] - s.low[d];
    r.first[d] = start < 0 ? 0 : start;
    r.last[d] = min(start + s.window[d], s.in[d]);
  }
  return r;
}
// The outputs whose windows hold an input.
__device__ inline Range windows_with(const Pooling& s, const int64_t* at) {
  Range r;
  for (int d = 0; d < 3; ++d) {
    const int64_t last = at[d] + s.low[d], first = last - s.window[d] + 1;
    r.first[d] = first <= 0 ? 0 : (first + s.stride[d] - 1) / s.stride[d];
    r.last[d] = min(last / s.stride[d] + 1, s.out[d]);
  }
  return r;
}

template <class F>
__device__ inline void each(const Range& r, const F& f) {
  for (int64_t a = r.first[0]; a < r.last[0]; ++a)
    for (int64_t b = r.first[1]; b < r.last[1]; ++b)
      for (int64_t c = r.first[2]; c < r.last[2]; ++c) f(a, b, c);
}

// Where the maximum of a window lies; -1: the window holds no input.
template <class C>
__device__ inline int64_t maximum_of(const Pooling& s, const void* x, Dtype dtype, const Element& output) {
  C best = 0;
  int64_t where = -1;
  each(window_of(s, output.at), [&](int64_t a, int64_t b, int64_t c) {
    const int64_t at = offset(output, a, b, c, s.in, s.channels);
    const C value = load_float<C>(x, dtype, at);
    if (where >= 0 && !(best == best && !(value <= best))) return;
    best = value;
    where = at;
  });
  return where;
}

// y = what `from` holds where x has its maximum.
template <class C>
__global__ void select_kernel(Pooling s, const void* x, const void* from, void* y, Dtype dtype, C empty, int64_t n) {
  for (int64_t i = thread_index(); i < n; i += thread_count()) {
    const int64_t where = maximum_of<C>(s, x, dtype, element_of(i, s.out, s.channels));
    store_float<C>(y, dtype, i, where < 0 ? empty : load_float<C>(from, dtype, where));
  }
}

template <class C>
__global__ void max_grad_kernel(Pooling s, const void* x, const void* g, void* dx, Dtype dtype, int64_t n) {
  for (int64_t i = thread_index(); i < n; i += thread_count()) {
    const Element input = element_of(i, s.in, s.channels);
    C sum = 0;
    each(windows_with(s, input.at), [&](int64_t a, int64_t b, int64_t c) {
      const Element output{input.image, input.channel, {a, b, c}};
      if (maximum_of<C>(s, x, dtype, output) == i)
        sum += load_float<C>(g, dtype, offset(input, a, b, c, s.out, s.channels));
    });
    store_float<C>(dx, dtype, i, sum);
  }
}

__device__ inline int64_t count_of(const Range& r) {
  int64_t n = 1;
  for (int d = 0; d < 3; ++d) n *= r.last[d] > r.first[d] ? r.last[d] - r.first[d] : 0;
  return n;
}

// divisor 0: the elements of the window that lie inside the input.
template <class C>
__global__ void avg_kernel(Pooling s, const void* x, void* y, Dtype dtype, int64_t divisor, int64_t n) {
  for (int64_t i = thread_index(); i < n; i += thread_count()) {
    const Element output = element_of(i, s.out, s.channels);
    const Range window = window_of(s, output.at);
    C sum = 0;
    each(window, [&](int64_t a, int64_t b, int64_t c) {
      sum += load_float<C>(x, dtype, offset(output, a, b, c, s.in, s.channels));
    });
    const int64_t inside = count_of(window);
    store_float<C>(y, dtype, i, sum / static_cast<C>(divisor ? divisor : inside > 0 ? inside : 1));
  }
}

template <class C>
__global__ void avg_grad_kernel(Pooling s, const void* g, void* dx, Dtype dtype, int64_t divisor, int64_t n) {
  for (int64_t i = thread_index(); i < n; i += thread_count()) {
    const Element input = element_of(i, s.in, s.channels);
    C sum = 0;
    each(windows_with(s, input.at), [&](int64_t a, int64_t b, int64_t c) {
      const int64_t at[3] = {a, b, c};
      const C share = load_float<C>(g, dtype, offset(input, a, b, c, s.out, s.channels));
      sum += share / static_cast<C>(divisor ? divisor : count_of(window_of(s, at)));
    });
    store_float<C>(dx, dtype, i, sum);
  }
}

void select(const KernelArgs& k, const View& from, bool maximum) {
  const View &x = k.in[0], &y = k.out[0];
  const Pooling s(x.shape, y.shape, k.attrs.as<PoolAttrs>());
  with_compute(x.dtype, [&](auto c) {
    using C = decltype(c);
    const C empty = maximum ? -std::numeric_limits<C>::infinity() : C(0);
    launch(select_kernel<C>, grid_for(y.numel()), kThreads, s, x.data, from.data, y.data, x.dtype, empty, y.numel());
  });
}

void max_pool(const KernelArgs& k) { select(k, k.in[0], true); }
void max_pool_select(const KernelArgs& k) { select(k, k.in[1], false); }

void max_pool_grad(const KernelArgs& k) {
  const View &x = k.in[0], &g = k.in[1], &dx = k.out[0];
  const Pooling s(x.shape, g.shape, k.attrs.as<PoolAttrs>());
  with_compute(x.dtype, [&](auto c) {
    using C = decltype(c);
    launch(max_grad_kernel<C>, grid_for(dx.numel()), kThreads, s, x.data, g.data, dx.data, x.dtype, dx.numel());
  });
}

void avg_pool(const KernelArgs& k) {
  const View &x = k.in[0], &y = k.out[0];
  const auto& a = k.attrs.as<AvgPoolAttrs>();
  const Pooling s(x.shape, y.shape, a);
  with_compute(x.dtype, [&](auto c) {
    using C = decltype(c);
    launch(avg_kernel<C>, grid_for(y.numel()), kThreads, s, x.data, y.data, x.dtype, a.count_padding ? s.taps() : 0,
           y.numel());
  });
}

void avg_pool_grad(const KernelArgs& k) {
  const View &g = k.in[0], &dx = k.out[0];
  const auto& a = k.attrs.as<AvgPoolGradAttrs>();
  const Pooling s(dx.shape, g.shape, a);
  with_compute(g.dtype, [&](auto c) {
    using C = decltype(c);
    launch(avg_grad_kernel<C>, grid_for(dx.numel()), kThreads, s, g.data, dx.data, g.dtype,
           a.count_padding ? s.taps() : 0, dx.numel());
  });
}

}  // namespace

void register_pool(OpTable& table) {
  set(table, "max_pool", max_pool);
  set(table, "max_pool_select", max_pool_select);
  set(table, "max_pool_grad", max_pool_grad);
  set(table, "avg_pool", avg_pool);
  set(table, "avg_pool_grad", avg_pool_grad);
}

}  // namespace addax::cuda
