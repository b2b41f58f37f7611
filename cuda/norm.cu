// CUDA kernels of the norm family. Statistics never come from E[x^2] - E[x]^2: values are read again once their mean is
// known. Sums are doubles; everything else is computed in float, or in double for float64.
#include "cuda/block.h"
#include "cuda/convert.h"
#include "cuda/kernels.h"
#include "cuda/sums.h"
#include "cuda/walk.h"
#include "ops/norm.h"

namespace addax::cuda {
namespace {

// An array of a floating dtype, read and written as C.
template <class C>
struct Floats {
  void* data;
  Dtype dtype;

  Floats() = default;
  Floats(const View& v) : data(v.data), dtype(v.dtype) {}
  __device__ C operator[](int64_t i) const { return load_float<C>(data, dtype, i); }
  __device__ void set(int64_t i, C value) const { store_float<C>(data, dtype, i, value); }
};

Grid rows_grid(int64_t rows) { return {std::min<int64_t>(rows, 1 << 20)}; }

// ---- softmax: lines of n values, `inner` apart

struct Lines {
  int64_t count, n, inner;
  Lines(const Shape& shape, int axis)
      : count(product(shape, 0, axis) * product(shape, axis + 1, shape.rank())),
        n(shape[axis]),
        inner(product(shape, axis + 1, shape.rank())) {}
  Lines() = default;
  __device__ int64_t start(int64_t line) const { return line / inner * n * inner + line % inner; }
};

// A line is a block's, or a thread's where neighbours of a line lie apart: then threads read side by side.
struct ByBlock {
  static constexpr bool kBlock = true;
  template <class T, class Apply>
  __device__ static T fold(T value, const Apply& apply) {
    return block_fold(value, apply);
  }
};
struct ByThread {
  static constexpr bool kBlock = false;
  template <class T, class Apply>
  __device__ static T fold(T value, const Apply&) {
    return value;
  }
};

template <class Way, class F>
__device__ inline void each_line(int64_t count, const F& f) {
  if constexpr (Way::kBlock)
    for (int64_t line = blockIdx.x; line < count; line += gridDim.x) f(line, int64_t(threadIdx.x), int64_t(kThreads));
  else
    for (int64_t line = thread_index(); line < count; line += thread_count()) f(line, int64_t(0), int64_t(1));
}

template <class C, class Way>
__global__ void softmax_kernel(Lines s, Floats<C> x, Floats<C> y, bool log) {
  each_line<Way>(s.count, [&](int64_t line, int64_t first, int64_t step) {
    const int64_t start = s.start(line);
    C largest = -scalar::infinity(C(0));
    for (int64_t i = first; i < s.n; i += step) largest = Most()(largest, x[start + i * s.inner]);
    largest = Way::fold(largest, Most());
    double sum = 0;
    for (int64_t i = first; i < s.n; i += step)
      sum += static_cast<double>(scalar::exp(x[start + i * s.inner] - largest));
    sum = Way::fold(sum, Plus());
    const C log_sum = static_cast<C>(::log(sum)), factor = static_cast<C>(1 / sum);
    for (int64_t i = first; i < s.n; i += step) {
      const int64_t at = start + i * s.inner;
      const C d = x[at] - largest;
      y.set(at, log ? d - log_sum : scalar::exp(d) * factor);
    }
  });
}

template <class C, class Way>
__global__ void softmax_grad_kernel(Lines s, Floats<C> y, Floats<C> g, Floats<C> dx, bool log) {
  each_line<Way>(s.count, [&](int64_t line, int64_t first, int64_t step) {
    const int64_t start = s.start(line);
    double sum = 0;
    for (int64_t i = first; i < s.n; i += step) {
      const int64_t at = start + i * s.inner;
      sum += static_cast<double>(g[at]) * (log ? 1.0 : static_cast<double>(y[at]));
    }
    const C total = static_cast<C>(Way::fold(sum, Plus()));
    for (int64_t i = first; i < s.n; i += step) {
      const int64_t at = start + i * s.inner;
      dx.set(at, log ? g[at] - scalar::exp(y[at]) * total : y[at] * (g[at] - total));
    }
  });
}

template <bool kLog>
void softmax(const KernelArgs& k) {
  const View& x = k.in[0];
  const Lines s(x.shape, normalize_axis(k.attrs.as<SoftmaxAttrs>().axis, x.rank(), k.op.name));
  with_compute(x.dtype, [&](auto c) {
    using C = decltype(c);
    if (s.inner == 1)
      launch(softmax_kernel<C, ByBlock>, rows_grid(s.count), kThreads, s, Floats<C>(x), Floats<C>(k.out[0]), kLog);
    else
      launch(softmax_kernel<C, ByThread>, grid_for(s.count), kThreads, s, Floats<C>(x), Floats<C>(k.out[0]), kLog);
  });
}

template <bool kLog>
void softmax_grad(const KernelArgs& k) {
  const View& y = k.in[0];
  const Lines s(y.shape, normalize_axis(k.attrs.as<SoftmaxAttrs>().axis, y.rank(), k.op.name));
  with_compute(y.dtype, [&](auto c) {
    using C = decltype(c);
    const Floats<C> values(y), g(k.in[1]), dx(k.out[0]);
    if (s.inner == 1)
      launch(softmax_grad_kernel<C, ByBlock>, rows_grid(s.count), kThreads, s, values, g, dx, kLog);
    else
      launch(softmax_grad_kernel<C, ByThread>, grid_for(s.count), kThreads, s, values, g, dx, kLog);
  });
}

// ---- layer_norm and rms_norm: rows of n values, a block each

template <class C>
__global__ void layer_norm_kernel(int64_t rows, int64_t n, Floats<C> x, Floats<C> gamma, Floats<C> beta, bool centered,
                                  double epsilon, Floats<C> y, Floats<C> means, Floats<C> rstds) {
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const int64_t start = row * n;
    C mean = 0;
    if (centered) {
      double sum = 0;
      for (int64_t i = threadIdx.x; i < n; i += kThreads) sum += static_cast<double>(x[start + i]);
      mean = static_cast<C>(block_fold(sum, Plus()) / static_cast<double>(n));
    }
    double squares = 0;
    for (int64_t i = threadIdx.x; i < n; i += kThreads) {
      const C d = x[start + i] - mean;
      squares += static_cast<double>(d * d);
    }
    squares = block_fold(squares, Plus());
    const C rstd = static_cast<C>(1 / ::sqrt(squares / static_cast<double>(n) + epsilon));
    if (threadIdx.x == 0) {
      if (centered) means.set(row, mean);
      rstds.set(row, rstd);
    }
    for (int64_t i = threadIdx.x; i < n; i += kThreads) {
      const C normal = (x[start + i] - mean) * rstd * gamma[i];
      y.set(start + i, centered ? normal + beta[i] : normal);
    }
  }
}

void layer_norm(const KernelArgs& k) {
  const int64_t rows = k.out[1].numel(), n = k.in[1].numel();
  with_compute(k.in[0].dtype, [&](auto c) {
    using F = Floats<decltype(c)>;
    launch(layer_norm_kernel<decltype(c)>, rows_grid(rows), kThreads, rows, n, F(k.in[0]), F(k.in[1]), F(k.in[2]), true,
           k.attrs.as<LayerNormAttrs>().epsilon, F(k.out[0]), F(k.out[1]), F(k.out[2]));
  });
}

void rms_norm(const KernelArgs& k) {
  const int64_t rows = k.out[1].numel(), n = k.in[1].numel();
  with_compute(k.in[0].dtype, [&](auto c) {
    using F = Floats<decltype(c)>;
    launch(layer_norm_kernel<decltype(c)>, rows_grid(rows), kThreads, rows, n, F(k.in[0]), F(k.in[1]), F(k.in[1]),
           false, k.attrs.as<LayerNormAttrs>().epsilon, F(k.out[0]), F(k.out[1]), F(k.out[1]));
  });
}

// The gradient's inputs; a row's statistics are read once.
template <class C>
struct RowGrad {
  int64_t rows, n;
  bool centered;
  Floats<C> x, gamma, means, rstds, g;
  __device__ C mean(int64_t row) const { return centered ? means[row] : C(0); }
};

template <class C>
__global__ void layer_norm_grad_kernel(RowGrad<C> t, Floats<C> dx) {
  const double n = static_cast<double>(t.n);
  for (int64_t row = blockIdx.x; row < t.rows; row += gridDim.x) {
    const int64_t start = row * t.n;
    const C mean = t.mean(row), rstd = t.rstds[row];
    Several<2> sum = {};
    for (int64_t i = threadIdx.x; i < t.n; i += kThreads) {
      const C scaled = t.g[start + i] * t.gamma[i], normal = (t.x[start + i] - mean) * rstd;
      sum.value[0] += static_cast<double>(scaled);
      sum.value[1] += static_cast<double>(scaled * normal);
    }
    sum = block_fold(sum, AddSeveral());
    const C average = t.centered ? static_cast<C>(sum.value[0] / n) : C(0), slope = static_cast<C>(sum.value[1] / n);
    for (int64_t i = threadIdx.x; i < t.n; i += kThreads) {
      const C scaled = t.g[start + i] * t.gamma[i], normal = (t.x[start + i] - mean) * rstd;
      dx.set(start + i, rstd * (scaled - average - normal * slope));
    }
  }
}

template <class C>
struct ParameterTerms {
  RowGrad<C> t;
  __device__ Several<2> operator()(int64_t column, int64_t row) const {
    const int64_t at = row * t.n + column;
    const C g = t.g[at], normal = (t.x[at] - t.mean(row)) * t.rstds[row];
    return {{static_cast<double>(g * normal), static_cast<double>(g)}};
  }
};
template <class C>
struct StoreBoth {
  Floats<C> first, second;
  bool both;
  __device__ void operator()(int64_t group, const Several<2>& sum) const {
    first.set(group, static_cast<C>(sum.value[0]));
    if (both) second.set(group, static_cast<C>(sum.value[1]));
  }
};

template <class C>
void row_grad(const KernelArgs& k, const RowGrad<C>& t) {
  if (t.rows > 0 && t.n > 0) launch(layer_norm_grad_kernel<C>, rows_grid(t.rows), kThreads, t, Floats<C>(k.out[0]));
  const StoreBoth<C> store{k.out[1], k.out[t.centered ? 2 : 1], t.centered};
  if (t.n > 0) sum_groups<2>(t.n, t.rows, true, ParameterTerms<C>{t}, store, k.op.name);
}

void layer_norm_grad(const KernelArgs& k) {
  with_compute(k.in[0].dtype, [&](auto c) {
    row_grad(k,
             RowGrad<decltype(c)>{k.in[2].numel(), k.in[1].numel(), true, k.in[0], k.in[1], k.in[2], k.in[3], k.in[4]});
  });
}

void rms_norm_grad(const KernelArgs& k) {
  with_compute(k.in[0].dtype, [&](auto c) {
    row_grad(
        k, RowGrad<decltype(c)>{k.in[2].numel(), k.in[1].numel(), false, k.in[0], k.in[1], k.in[2], k.in[2], k.in[3]});
  });
}

// ---- batch_norm: an array (outer, channels, inner)

struct Channels {
  int64_t count, inner, n;  // n: values of a channel
  Channels(const View& x, int64_t given, const char* name) {
    const int axis = normalize_axis(given, x.rank(), name);
    count = x.shape[axis];
    inner = product(x.shape, axis + 1, x.rank());
    n = product(x.shape, 0, axis) * inner;
  }
  Channels() = default;
  __device__ int64_t place(int64_t channel, int64_t i) const {
    return (i / inner * count + channel) * inner + i % inner;
  }
  __device__ int64_t channel_of(int64_t at) const { return at / inner % count; }
  bool across() const { return inner == 1 && count >= 32; }
};

template <class C>
struct ValueTerm {
  Channels s;
  Floats<C> x;
  __device__ Several<1> operator()(int64_t channel, int64_t i) const {
    return {{static_cast<double>(x[s.place(channel, i)])}};
  }
};
template <class C>
struct SquareTerm {
  Channels s;
  Floats<C> x, mean;
  __device__ Several<1> operator()(int64_t channel, int64_t i) const {
    const C d = x[s.place(channel, i)] - mean[channel];
    return {{static_cast<double>(d * d)}};
  }
};
template <class C>
struct StoreAverage {
  Floats<C> out;
  double n;
  __device__ void operator()(int64_t channel, const Several<1>& sum) const {
    out.set(channel, static_cast<C>(sum.value[0] / n));
  }
};

template <class C>
__global__ void batch_norm_kernel(Channels s, Floats<C> x, Floats<C> mean, Floats<C> variance, Floats<C> gamma,
                                  Floats<C> beta, double epsilon, Floats<C> y) {
  for (int64_t at = thread_index(); at < s.count * s.n; at += thread_count()) {
    const int64_t c = s.channel_of(at);
    const C scale = static_cast<C>(1 / ::sqrt(static_cast<double>(variance[c]) + epsilon)) * gamma[c];
    y.set(at, (x[at] - mean[c]) * scale + beta[c]);
  }
}

void batch_norm(const KernelArgs& k) {
  const auto& a = k.attrs.as<BatchNormAttrs>();
  const Channels s(k.in[0], a.axis, k.op.name);
  if (s.count == 0) return;
  with_compute(k.in[0].dtype, [&](auto c) {
    using C = decltype(c);
    const Floats<C> x(k.in[0]), mean(k.out[1]), variance(k.out[2]);
    const double n = static_cast<double>(s.n);
    sum_groups<1>(s.count, s.n, s.across(), ValueTerm<C>{s, x}, StoreAverage<C>{mean, n}, k.op.name);
    sum_groups<1>(s.count, s.n, s.across(), SquareTerm<C>{s, x, mean}, StoreAverage<C>{variance, n}, k.op.name);
    launch(batch_norm_kernel<C>, grid_for(s.count * s.n), kThreads, s, x, mean, variance, Floats<C>(k.in[1]),
           Floats<C>(k.in[2]), a.epsilon, Floats<C>(k.out[0]));
  });
}

void batch_norm_inference(const KernelArgs& k) {
  const auto& a = k.attrs.as<BatchNormAttrs>();
  const Channels s(k.in[0], a.axis, k.op.name);
  with_compute(k.in[0].dtype, [&](auto c) {
    using C = decltype(c);
    launch(batch_norm_kernel<C>, grid_for(s.count * s.n), kThreads, s, Floats<C>(k.in[0]), Floats<C>(k.in[1]),
           Floats<C>(k.in[2]), Floats<C>(k.in[3]), Floats<C>(k.in[4]), a.epsilon, Floats<C>(k.out[0]));
  });
}

template <class C>
struct ChannelGrad {
  Channels s;
  Floats<C> x, gamma, mean, variance, g;
  double epsilon;
  __device__ C rstd(int64_t c) const { return static_cast<C>(1 / ::sqrt(static_cast<double>(variance[c]) + epsilon)); }
  __device__ Several<2> operator()(int64_t channel, int64_t i) const {
    const int64_t at = s.place(channel, i);
    const C value = g[at], normal = (x[at] - mean[channel]) * rstd(channel);
    return {{static_cast<double>(value * normal), static_cast<double>(value)}};
  }
};
// The sums as they are, and as dgamma and dbeta.
template <class C>
struct StoreChannel {
  Several<2>* sums;
  Floats<C> dgamma, dbeta;
  __device__ void operator()(int64_t channel, const Several<2>& sum) const {
    sums[channel] = sum;
    dgamma.set(channel, static_cast<C>(sum.value[0]));
    dbeta.set(channel, static_cast<C>(sum.value[1]));
  }
};
template <class C>
__global__ void batch_norm_grad_kernel(ChannelGrad<C> t, const Several<2>* sums, Floats<C> dx) {
  const double n = static_cast<double>(t.s.n);
  for (int64_t at = thread_index(); at < t.s.count * t.s.n; at += thread_count()) {
    const int64_t c = t.s.channel_of(at);
    const C rstd = t.rstd(c), normal = (t.x[at] - t.mean[c]) * rstd;
    const C slope = static_cast<C>(sums[c].value[0] / n), average = static_cast<C>(sums[c].value[1] / n);
    dx.set(at, rstd * t.gamma[c] * (t.g[at] - average - normal * slope));
  }
}

void batch_norm_grad(const KernelArgs& k) {
  const auto& a = k.attrs.as<BatchNormAttrs>();
  const Channels s(k.in[0], a.axis, k.op.name);
  if (s.count == 0) return;
  with_compute(k.in[0].dtype, [&](auto c) {
    using C = decltype(c);
    const Temporary<Several<2>> sums(s.count, k.op.name);
    const ChannelGrad<C> t{s, k.in[0], k.in[1], k.in[2], k.in[3], k.in[4], a.epsilon};
    sum_groups<2>(s.count, s.n, s.across(), t, StoreChannel<C>{sums.get(), k.out[1], k.out[2]}, k.op.name);
    launch(batch_norm_grad_kernel<C>, grid_for(s.count * s.n), kThreads, t, sums.get(), Floats<C>(k.out[0]));
  });
}

}  // namespace

void register_norm(OpTable& table) {
  set(table, "softmax", softmax<false>);
  set(table, "log_softmax", softmax<true>);
  set(table, "softmax_grad", softmax_grad<false>);
  set(table, "log_softmax_grad", softmax_grad<true>);
  set(table, "layer_norm", layer_norm);
  set(table, "layer_norm_grad", layer_norm_grad);
  set(table, "rms_norm", rms_norm);
  set(table, "rms_norm_grad", rms_norm_grad);
  set(table, "batch_norm", batch_norm);
  set(table, "batch_norm_grad", batch_norm_grad);
  set(table, "batch_norm_inference", batch_norm_inference);
}

}  // namespace addax::cuda
