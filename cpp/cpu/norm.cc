// CPU kernels of the norm family. Softmax itself is in softmax.h.
//
// Statistics never come from E[x^2] - E[x]^2: a row is read twice, blocks of columns are read twice while in cache and
// combine as in T. Chan, G. Golub, R. LeVeque, "Updating formulae and a pairwise algorithm for computing sample
// variances" (1979).
#include "ops/norm.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "cpu/kernels.h"
#include "cpu/reduction.h"
#include "cpu/simd/convert.h"
#include "cpu/simd/vec.h"
#include "cpu/softmax.h"
#include "ops/op.h"

namespace addax::cpu::ADDAX_ISA {
namespace {

constexpr int64_t kTask = 1 << 15;  // elements worth a task

template <bool kLog>
void softmax(const KernelArgs& k) {
  const View& x = k.in[0];
  const SoftmaxShape s(x.shape, normalize_axis(k.attrs.as<SoftmaxAttrs>().axis, x.rank(), k.op.name));
  with_compute(x.dtype, [&](auto c) {
    using C = decltype(c);
    if (s.inner == 1)
      softmax_rows<kLog>(s, float_source<C>(x), output_target<C>(k.out[0], s.n), k.op.name);
    else
      softmax_columns<kLog>(s, float_source<C>(x), output_target<C>(k.out[0], std::min(s.inner, kSoftmaxColumns)));
  });
}

template <bool kLog>
void softmax_grad(const KernelArgs& k) {
  const View& y = k.in[0];
  const SoftmaxShape s(y.shape, normalize_axis(k.attrs.as<SoftmaxAttrs>().axis, y.rank(), k.op.name));
  with_compute(y.dtype, [&](auto c) {
    using C = decltype(c);
    const Source<C> from = float_source<C>(y), g = float_source<C>(k.in[1]);
    if (s.inner == 1)
      softmax_grad_rows<kLog>(s, from, g, output_target<C>(k.out[0], s.n), k.op.name);
    else
      softmax_grad_columns<kLog>(s, from, g, output_target<C>(k.out[0], std::min(s.inner, kSoftmaxColumns)));
  });
}

/// Sums per column over rows: body(row, sums, buffer) adds a row to `sums`, `count` times `width` of them; its buffer
/// has `room` elements to work in. Blocks of kBlock rows sum in C, blocks in double; at most 64 chunks of rows run in
/// parallel and combine in order.
template <class C, class Body>
void sum_rows(int64_t rows, int64_t width, int64_t count, double* totals, int64_t room, const char* name,
              const Body& body) {
  constexpr int64_t kBlock = 8;
  const int64_t per_chunk = std::max(kBlock, (rows + 63) / 64), chunks = (rows + per_chunk - 1) / per_chunk;
  const int64_t n = count * width;
  const Scratch<double> partial(chunks * n, name);
  parallel_for(chunks, 1, [&](int64_t begin, int64_t end) {
    const Scratch<C> sums(n + room, name);
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      double* total = partial.get() + chunk * n;
      std::fill_n(total, n, 0.0);
      const int64_t last = std::min(rows, (chunk + 1) * per_chunk);
      for (int64_t first = chunk * per_chunk; first < last; first += kBlock) {
        std::fill_n(sums.get(), n, C(0));
        for (int64_t row = first; row < std::min(last, first + kBlock); ++row) body(row, sums.get(), sums.get() + n);
        for (int64_t j = 0; j < n; ++j) total[j] += static_cast<double>(sums[j]);
      }
    }
  });
  parallel_for(n, 1024, [&](int64_t begin, int64_t end) {
    std::fill(totals + begin, totals + end, 0.0);
    for (int64_t chunk = 0; chunk < chunks; ++chunk)
      for (int64_t j = begin; j < end; ++j) totals[j] += partial[chunk * n + j];
  });
}

template <class C>
void store_totals(const double* totals, int64_t n, const View& out) {
  const Target<C> to = float_target<C>(out);
  alignas(64) C tile[256];
  for (int64_t i = 0; i < n; i += 256) {
    const int64_t m = std::min<int64_t>(256, n - i);
    C* values = to.open(i, tile);
    for (int64_t j = 0; j < m; ++j) values[j] = static_cast<C>(totals[i + j]);
    to.commit(i, m, values);
  }
}

/// Calls body(row, in, out) for rows of n elements, on all threads: in and out are arrays of pointers to one row, or to
/// several from there on, whose steps hide each other's latency: each waits for a sum over the row. What goes past the
/// caches goes row by row.
template <class C, class Body>
void each_row(int64_t rows, int64_t n, const Source<C>& x, const Target<C>& y, const char* name, const Body& body) {
  constexpr int64_t kTogether = 4;
  const bool direct = x.direct && y.direct;
  parallel_for(rows, std::max<int64_t>(1, kTask / std::max<int64_t>(n, 1)), [&](int64_t row, int64_t end) {
    const Scratch<C> buffer(direct ? 0 : n, name);
    for (; direct && row + kTogether <= end; row += kTogether) {
      const C* in[kTogether];
      C* out[kTogether];
      for (int64_t r = 0; r < kTogether; ++r) {
        in[r] = x.read((row + r) * n, 1, n, nullptr);
        out[r] = y.open((row + r) * n, nullptr);
      }
      body(row, in, out);
    }
    for (; row < end; ++row) {
      const C* const in[1] = {x.read(row * n, 1, n, buffer.get())};
      C* const out[1] = {y.open(row * n, buffer.get())};
      body(row, in, out);
      y.commit(row * n, n, out[0]);
    }
  });
}

// ---- layer_norm

void layer_norm(const KernelArgs& k) {
  const int64_t rows = k.out[1].numel(), n = k.in[1].numel();
  const double epsilon = k.attrs.as<LayerNormAttrs>().epsilon;
  with_compute(k.in[0].dtype, [&](auto c) {
    using C = decltype(c);
    const Values<C> gamma(k.in[1], k.op.name), beta(k.in[2], k.op.name);
    const C *scale = gamma.get(), *shift = beta.get();
    C *means = k.out[1].as<C>(), *rstds = k.out[2].as<C>();
    each_row(rows, n, float_source<C>(k.in[0]), output_target<C>(k.out[0], n), k.op.name,
             [=](int64_t row, const auto& in, const auto& out) {
               constexpr int64_t kCount = std::extent_v<std::remove_reference_t<decltype(in)>>;
               double sums[kCount];
               for (int64_t r = 0; r < kCount; ++r) {
                 const C* const from = in[r];
                 sums[r] = sum_terms<C>(n, [&](auto at) { return at(from); });
               }
               for (int64_t r = 0; r < kCount; ++r) {
                 const C* const from = in[r];
                 const C mean = means[row + r] = static_cast<C>(sums[r] / static_cast<double>(n));
                 sums[r] = sum_terms<C>(n, [&](auto at) {
                   const auto d = at(from) - mean;
                   return d * d;
                 });
               }
               for (int64_t r = 0; r < kCount; ++r) {
                 const C* const from = in[r];
                 C* const to = out[r];
                 const C mean = means[row + r];
                 const C rstd = static_cast<C>(1 / std::sqrt(sums[r] / static_cast<double>(n) + epsilon));
                 rstds[row + r] = rstd;
                 each_lane<C>(n, [&](auto at) { at.store(to, (at(from) - mean) * rstd * at(scale) + at(shift)); });
               }
             });
  });
}

void layer_norm_grad(const KernelArgs& k) {
  const int64_t rows = k.in[2].numel(), n = k.in[1].numel();
  with_compute(k.in[0].dtype, [&](auto c) {
    using C = decltype(c);
    const Source<C> x = float_source<C>(k.in[0]), g = float_source<C>(k.in[4]);
    const Target<C> dx = output_target<C>(k.out[0], n);
    const Values<C> gamma(k.in[1], k.op.name), means(k.in[2], k.op.name), rstds(k.in[3], k.op.name);
    const Scratch<double> totals(2 * n, k.op.name);
    const auto body = [&](int64_t row, C* dgamma, C* buffer) {
      C* const dbeta = dgamma + n;
      const C *in = x.read(row * n, 1, n, buffer), *grad = g.read(row * n, 1, n, buffer + n);
      C* out = dx.open(row * n, buffer);
      const C *scale = gamma.get(), mean = means[row], rstd = rstds[row];
      // Means over the row of the gradient of the normalised x, alone and times the normalised x.
      const C first = static_cast<C>(sum_terms<C>(n, [&](auto at) { return at(grad) * at(scale); }) / double(n));
      const C second = static_cast<C>(sum_terms<C>(n, [&](auto at) { return at(grad) * at(scale) * (at(in) - mean); }) *
                                      double(rstd) / double(n));
      each_lane<C>(n, [&](auto at) {
        const auto normal = (at(in) - mean) * rstd, gi = at(grad);
        at.store(dgamma, at(dgamma) + gi * normal);
        at.store(dbeta, at(dbeta) + gi);
        at.store(out, rstd * (gi * at(scale) - first - normal * second));
      });
      dx.commit(row * n, n, out);
    };
    sum_rows<C>(rows, n, 2, totals.get(), dx.direct ? 0 : 2 * n, k.op.name, body);
    store_totals<C>(totals.get(), n, k.out[1]);
    store_totals<C>(totals.get() + n, n, k.out[2]);
  });
}

// ---- rms_norm

void rms_norm(const KernelArgs& k) {
  const int64_t rows = k.out[1].numel(), n = k.in[1].numel();
  const double epsilon = k.attrs.as<LayerNormAttrs>().epsilon;
  with_compute(k.in[0].dtype, [&](auto c) {
    using C = decltype(c);
    const Values<C> gamma(k.in[1], k.op.name);
    const C* scale = gamma.get();
    C* rrms = k.out[1].as<C>();
    each_row(rows, n, float_source<C>(k.in[0]), output_target<C>(k.out[0], n), k.op.name,
             [=](int64_t row, const auto& in, const auto& out) {
               constexpr int64_t kCount = std::extent_v<std::remove_reference_t<decltype(in)>>;
               double squares[kCount];
               for (int64_t r = 0; r < kCount; ++r) {
                 const C* const from = in[r];
                 squares[r] = sum_terms<C>(n, [&](auto at) { return at(from) * at(from); });
               }
               for (int64_t r = 0; r < kCount; ++r) {
                 const C* const from = in[r];
                 C* const to = out[r];
                 const C factor = static_cast<C>(1 / std::sqrt(squares[r] / static_cast<double>(n) + epsilon));
                 rrms[row + r] = factor;
                 each_lane<C>(n, [&](auto at) { at.store(to, at(from) * factor * at(scale)); });
               }
             });
  });
}

void rms_norm_grad(const KernelArgs& k) {
  const int64_t rows = k.in[2].numel(), n = k.in[1].numel();
  with_compute(k.in[0].dtype, [&](auto c) {
    using C = decltype(c);
    const Source<C> x = float_source<C>(k.in[0]), g = float_source<C>(k.in[3]);
    const Target<C> dx = output_target<C>(k.out[0], n);
    const Values<C> gamma(k.in[1], k.op.name), rrms(k.in[2], k.op.name);
    const Scratch<double> totals(n, k.op.name);
    sum_rows<C>(rows, n, 1, totals.get(), dx.direct ? 0 : 2 * n, k.op.name, [&](int64_t row, C* dgamma, C* buffer) {
      const C *in = x.read(row * n, 1, n, buffer), *grad = g.read(row * n, 1, n, buffer + n), *scale = gamma.get();
      C* out = dx.open(row * n, buffer);
      const C factor = rrms[row];
      // The mean over the row of the gradient of the normalised x times the normalised x.
      const C slope = static_cast<C>(sum_terms<C>(n, [&](auto at) { return at(grad) * at(scale) * at(in); }) *
                                     double(factor) / double(n));
      each_lane<C>(n, [&](auto at) {
        const auto normal = at(in) * factor, gi = at(grad);
        at.store(dgamma, at(dgamma) + gi * normal);
        at.store(out, factor * (gi * at(scale) - normal * slope));
      });
      dx.commit(row * n, n, out);
    });
    store_totals<C>(totals.get(), n, k.out[1]);
  });
}

// ---- batch_norm: x seen as (outer, channels, inner)

struct BatchShape {
  int64_t outer = 1, channels = 1, inner = 1;
  Dims others;

  BatchShape(const Shape& shape, int64_t given, const char* name) {
    const int axis = normalize_axis(given, shape.rank(), name);
    for (int d = 0; d < shape.rank(); ++d) {
      (d < axis ? outer : d == axis ? channels : inner) *= shape[d];
      if (d != axis) others.push_back(d);
    }
  }
  int64_t numel() const { return outer * channels * inner; }
  /// Channels last: elements of a row that one task handles at once, whole channels several times over.
  int64_t period() const { return channels * std::max<int64_t>(1, 512 / std::max<int64_t>(channels, 1)); }
  int64_t run() const { return inner == 1 ? period() : inner; }
};

template <class C>
struct Moments {
  using Compute = C;
  struct Total {
    double count, mean, squares;  // squares: of the distances from the mean
  };
  struct Out {
    C *mean, *variance;
  };
  static constexpr bool kOrdered = false;

  static Total start() { return {0, 0, 0}; }
  static void merge(Total& a, const Total& b) {
    if (b.count == 0) return;
    const double count = a.count + b.count, delta = b.mean - a.mean;
    a.mean += delta * (b.count / count);
    a.squares += b.squares + delta * delta * (a.count * b.count / count);
    a.count = count;
  }
  __attribute__((noinline)) static void run(const C* x, int64_t n, int64_t, Total& total) {
    const C mean = fold<Add>(x, n) / static_cast<C>(n);
    const C squares = fold_terms<Add, C>(0, n, [&](auto at) {
      const auto d = at(x) - mean;
      return d * d;
    });
    merge(total, {static_cast<double>(n), mean, squares});
  }
  static void store(const Total* totals, int64_t n, void* out, int64_t at) {
    const Out& to = *static_cast<const Out*>(out);
    for (int64_t i = 0; i < n; ++i) {
      const Total& t = totals[i];
      to.mean[at + i] = t.count > 0 ? static_cast<C>(t.mean) : std::numeric_limits<C>::quiet_NaN();
      to.variance[at + i] = static_cast<C>(t.squares / t.count);
    }
  }

  struct Columns {
    alignas(64) double means[kColumns];
    alignas(64) double squares[kColumns];
    double rows_seen;

    void start(int64_t width) {
      std::fill_n(means, width, 0.0);
      std::fill_n(squares, width, 0.0);
      rows_seen = 0;
    }
    Total total(int64_t j) const { return {rows_seen, means[j], squares[j]}; }
    __attribute__((noinline)) void add(const C* const* x, int64_t count, int64_t width, int64_t) {
      alignas(64) C mean[kColumns], square[kColumns];
      const C share = C(1) / static_cast<C>(count);
      std::copy_n(x[0], width, mean);
      for (int64_t r = 1; r < count; ++r) {
        const C* row = x[r];
        each_lane<C>(width, [&](auto at) { at.store(mean, at(mean) + at(row)); });
      }
      for (int64_t j = 0; j < width; ++j) {
        mean[j] *= share;
        square[j] = 0;
      }
      for (int64_t r = 0; r < count; ++r) {
        const C* row = x[r];
        each_lane<C>(width, [&](auto at) {
          const auto d = at(row) - at(mean);
          at.store(square, at(square) + d * d);
        });
      }
      // As in `merge`, with weights that are the same for all columns.
      const double after = rows_seen + static_cast<double>(count);
      const double weight = static_cast<double>(count) / after, spread = rows_seen * weight;
      for (int64_t j = 0; j < width; ++j) {
        const double delta = static_cast<double>(mean[j]) - means[j];
        means[j] += delta * weight;
        squares[j] += static_cast<double>(square[j]) + delta * delta * spread;
      }
      rows_seen = after;
    }
  };
};

/// out = body(channel's position in the tables, elements, count): runs of elements whose channels stand side by side in
/// tables of one period (channels last), or that are of one channel (otherwise, `step` 0).
template <class C, class Body>
void each_run(const BatchShape& s, const char* name, int64_t buffers, const Body& body) {
  if (s.numel() == 0) return;
  const int64_t length = s.run();
  const int64_t count = (s.numel() + length - 1) / length;
  parallel_for(count, std::max<int64_t>(1, kTask / length), [&](int64_t begin, int64_t end) {
    const Scratch<C> buffer(buffers * length, name);
    for (int64_t t = begin; t < end; ++t) body(t, t * length, std::min(length, s.numel() - t * length), buffer.get());
  });
}

/// Values per channel, repeated to fill a period where channels come last.
template <class C>
class PerChannel {
 public:
  template <class F>
  PerChannel(const BatchShape& s, const char* name, F&& value)
      : channels_(s.channels), last_(s.inner == 1), values_(last_ ? s.period() : s.channels, name) {
    for (int64_t i = 0; i < s.channels; ++i) values_[i] = static_cast<C>(value(i));
    if (last_)
      for (int64_t i = s.channels; i < s.period(); ++i) values_[i] = values_[i - s.channels];
  }
  const C* get() const { return values_.get(); }
  C of_run(int64_t t) const { return values_[t % channels_]; }

 private:
  int64_t channels_;
  bool last_;
  Scratch<C> values_;
};

/// y = (x - mean) * scale + shift.
template <class C>
void normalize(const BatchShape& s, const Source<C>& x, const Target<C>& y, const PerChannel<C>& mean,
               const PerChannel<C>& scale, const PerChannel<C>& shift, const char* name) {
  each_run<C>(s, name, x.direct && y.direct ? 0 : 1, [&](int64_t t, int64_t at, int64_t n, C* buffer) {
    const C* in = x.read(at, 1, n, buffer);
    C* out = y.open(at, buffer);
    if (s.inner == 1) {
      const C *a = mean.get(), *b = scale.get(), *c = shift.get();
#pragma GCC ivdep
      for (int64_t i = 0; i < n; ++i) out[i] = (in[i] - a[i]) * b[i] + c[i];
    } else {
      const C a = mean.of_run(t), b = scale.of_run(t), c = shift.of_run(t);
#pragma GCC ivdep
      for (int64_t i = 0; i < n; ++i) out[i] = (in[i] - a) * b + c;
    }
    y.commit(at, n, out);
  });
}

template <class C>
void normalize(const KernelArgs& k, const BatchShape& s, const View& mean, const View& variance, const View& gamma,
               const View& beta) {
  const double epsilon = k.attrs.as<BatchNormAttrs>().epsilon;
  const char* name = k.op.name;
  const Values<C> m(mean, name), v(variance, name), scale(gamma, name), shift(beta, name);
  normalize<C>(s, float_source<C>(k.in[0]), output_target<C>(k.out[0], s.run()),
               PerChannel<C>(s, name, [&](int64_t i) { return m[i]; }),
               PerChannel<C>(s, name, [&](int64_t i) { return double(scale[i]) / std::sqrt(double(v[i]) + epsilon); }),
               PerChannel<C>(s, name, [&](int64_t i) { return shift[i]; }), name);
}

void batch_norm(const KernelArgs& k) {
  const View& x = k.in[0];
  const BatchShape s(x.shape, k.attrs.as<BatchNormAttrs>().axis, k.op.name);
  with_compute(x.dtype, [&](auto c) {
    using C = decltype(c);
    typename Moments<C>::Out statistics{k.out[1].as<C>(), k.out[2].as<C>()};
    reduce<Moments<C>>(x, s.others, float_source<C>(x), &statistics, Moments<C>::store, k.op.name);
    normalize<C>(k, s, k.out[1], k.out[2], k.in[1], k.in[2]);
  });
}

void batch_norm_inference(const KernelArgs& k) {
  const BatchShape s(k.in[0].shape, k.attrs.as<BatchNormAttrs>().axis, k.op.name);
  with_compute(k.in[0].dtype, [&](auto c) { normalize<decltype(c)>(k, s, k.in[1], k.in[2], k.in[3], k.in[4]); });
}

/// Per channel the sums of g (x - mean), then of g.
template <class C>
void gradient_sums(const BatchShape& s, const Source<C>& x, const Source<C>& g, const PerChannel<C>& mean,
                   double* totals, const char* name) {
  std::fill_n(totals, 2 * s.channels, 0.0);
  if (s.inner == 1) {
    const int64_t width = s.period(), rows = (s.numel() + width - 1) / std::max<int64_t>(width, 1);
    const Scratch<double> wide(2 * width, name);
    sum_rows<C>(rows, width, 2, wide.get(), x.direct ? 0 : 2 * width, name, [&](int64_t row, C* products, C* buffer) {
      C* const sums = products + width;
      const int64_t at = row * width, n = std::min(width, s.numel() - at);
      const C *in = x.read(at, 1, n, buffer), *grad = g.read(at, 1, n, buffer + width), *m = mean.get();
      each_lane<C>(n, [&](auto i) {
        i.store(products, i(products) + i(grad) * (i(in) - i(m)));
        i.store(sums, i(sums) + i(grad));
      });
    });
    for (int64_t i = 0; i < width; ++i) {
      totals[i % s.channels] += wide[i];
      totals[s.channels + i % s.channels] += wide[width + i];
    }
  } else {
    const int64_t runs = s.outer * s.channels;
    const Scratch<double> partial(2 * runs, name);
    each_run<C>(s, name, x.direct ? 0 : 2, [&](int64_t t, int64_t at, int64_t n, C* buffer) {
      const C *in = x.read(at, 1, n, buffer), *grad = g.read(at, 1, n, buffer + n), m = mean.of_run(t);
      partial[2 * t] = sum_terms<C>(n, [&](auto i) { return i(grad) * (i(in) - m); });
      partial[2 * t + 1] = sum_terms<C>(n, [&](auto i) { return i(grad); });
    });
    if (s.inner == 0) return;
    for (int64_t t = 0; t < runs; ++t) {
      totals[t % s.channels] += partial[2 * t];
      totals[s.channels + t % s.channels] += partial[2 * t + 1];
    }
  }
}

void batch_norm_grad(const KernelArgs& k) {
  const auto& attrs = k.attrs.as<BatchNormAttrs>();
  const char* name = k.op.name;
  const BatchShape s(k.in[0].shape, attrs.axis, name);
  with_compute(k.in[0].dtype, [&](auto c) {
    using C = decltype(c);
    const Source<C> x = float_source<C>(k.in[0]), g = float_source<C>(k.in[4]);
    const Target<C> dx = output_target<C>(k.out[0], s.run());
    const Values<C> gamma(k.in[1], name), means(k.in[2], name), variances(k.in[3], name);
    const PerChannel<C> mean(s, name, [&](int64_t i) { return means[i]; });
    const Scratch<double> totals(2 * s.channels, name);
    gradient_sums<C>(s, x, g, mean, totals.get(), name);

    const auto rstd = [&](int64_t i) { return 1 / std::sqrt(double(variances[i]) + attrs.epsilon); };
    for (int64_t i = 0; i < s.channels; ++i) totals[i] *= rstd(i);
    store_totals<C>(totals.get(), s.channels, k.out[1]);
    store_totals<C>(totals.get() + s.channels, s.channels, k.out[2]);

    // dx = gamma rstd (g - mean of g - (x - mean) rstd times the mean of g (x - mean) rstd)
    const double count = static_cast<double>(s.outer * s.inner);
    const PerChannel<C> scale(s, name, [&](int64_t i) { return double(gamma[i]) * rstd(i); });
    const PerChannel<C> slope(s, name, [&](int64_t i) { return rstd(i) * totals[i] / count; });
    const PerChannel<C> level(s, name, [&](int64_t i) { return totals[s.channels + i] / count; });
    each_run<C>(s, name, dx.direct ? 0 : 2, [&](int64_t t, int64_t at, int64_t n, C* buffer) {
      const C *in = x.read(at, 1, n, buffer), *grad = g.read(at, 1, n, buffer + n);
      C* out = dx.open(at, buffer);
      if (s.inner == 1) {
        const C *m = mean.get(), *a = scale.get(), *b = slope.get(), *l = level.get();
#pragma GCC ivdep
        for (int64_t i = 0; i < n; ++i) out[i] = a[i] * (grad[i] - l[i] - (in[i] - m[i]) * b[i]);
      } else {
        const C m = mean.of_run(t), a = scale.of_run(t), b = slope.of_run(t), l = level.of_run(t);
#pragma GCC ivdep
        for (int64_t i = 0; i < n; ++i) out[i] = a * (grad[i] - l - (in[i] - m) * b);
      }
      dx.commit(at, n, out);
    });
  });
}

}  // namespace

void register_norm(KernelSink& sink) {
  sink.set("softmax", softmax<false>);
  sink.set("log_softmax", softmax<true>);
  sink.set("softmax_grad", softmax_grad<false>);
  sink.set("log_softmax_grad", softmax_grad<true>);
  sink.set("layer_norm", layer_norm);
  sink.set("layer_norm_grad", layer_norm_grad);
  sink.set("rms_norm", rms_norm);
  sink.set("rms_norm_grad", rms_norm_grad);
  sink.set("batch_norm", batch_norm);
  sink.set("batch_norm_grad", batch_norm_grad);
  sink.set("batch_norm_inference", batch_norm_inference);
}

}  // namespace addax::cpu::ADDAX_ISA
