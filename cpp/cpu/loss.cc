// CPU kernels of the loss family: one example per row, log-sum-exp inside.
#include <algorithm>
#include <cmath>

#include "cpu/kernels.h"
#include "cpu/simd/convert.h"
#include "cpu/simd/vec.h"
#include "cpu/softmax.h"
#include "ops/op.h"

namespace addax::cpu::ADDAX_ISA {
namespace {

int64_t grain(int64_t classes) { return std::max<int64_t>(1, (1 << 15) / classes); }

/// The largest x, and the sum of exp(x - largest).
template <class C>
struct LogSum {
  LogSum(const C* x, int64_t n) : largest(fold<LargerNumber>(x, n)), sum(exp_sum(x, n, largest)) {}
  C log_sum() const { return static_cast<C>(std::log(sum)); }

  C largest;
  double sum;
};

void softmax_cross_entropy(const KernelArgs& k) {
  const int64_t rows = k.out[0].numel(), n = k.in[0].shape.back();
  with_compute(k.in[0].dtype, [&](auto c) {
    using C = decltype(c);
    const Source<C> logits = float_source<C>(k.in[0]), targets = float_source<C>(k.in[1]);
    const Target<C> loss = float_target<C>(k.out[0]);
    parallel_for(rows, grain(n), [&](int64_t begin, int64_t end) {
      const Scratch<C> buffer(logits.direct ? 0 : 2 * n, k.op.name);
      for (int64_t row = begin; row < end; ++row) {
        const C *x = logits.read(row * n, 1, n, buffer.get()), *t = targets.read(row * n, 1, n, buffer.get() + n);
        const LogSum<C> s(x, n);
        const C largest = s.largest, log_sum = s.log_sum();
        C value, *out = loss.open(row, &value);
        *out = static_cast<C>(sum_terms<C>(n, [&](auto at) { return at(t) * (log_sum - (at(x) - largest)); }));
        loss.commit(row, 1, out);
      }
    });
  });
}

/// dx = scale softmax(x); dx may be x.
template <class C>
void scaled_softmax(const C* x, int64_t n, C scale, C* dx) {
  const C largest = fold<LargerNumber>(x, n);
  const C factor = static_cast<C>(static_cast<double>(scale) / exp_sum(x, n, largest, dx));
  for (int64_t i = 0; i < n; ++i) dx[i] *= factor;
}

void softmax_cross_entropy_grad(const KernelArgs& k) {
  const int64_t rows = k.in[2].numel(), n = k.in[0].shape.back();
  with_compute(k.in[0].dtype, [&](auto c) {
    using C = decltype(c);
    const Source<C> logits = float_source<C>(k.in[0]), targets = float_source<C>(k.in[1]), g = float_source<C>(k.in[2]);
    const Target<C> dx = output_target<C>(k.out[0], n);
    parallel_for(rows, grain(n), [&](int64_t begin, int64_t end) {
      const Scratch<C> buffer(dx.direct ? 0 : 2 * n, k.op.name);
      for (int64_t row = begin; row < end; ++row) {
        const C *x = logits.read(row * n, 1, n, buffer.get()), *t = targets.read(row * n, 1, n, buffer.get() + n);
        C one, *out = dx.open(row * n, buffer.get());
        const C scale = *g.read(row, 1, 1, &one);
        const C total = static_cast<C>(sum_terms<C>(n, [&](auto at) { return at(t); }));
        scaled_softmax(x, n, scale * total, out);
#pragma GCC ivdep
        for (int64_t i = 0; i < n; ++i) out[i] -= scale * t[i];
        dx.commit(row * n, n, out);
      }
    });
  });
}

/// Labels as int64, each a class.
class Labels {
 public:
  Labels(const View& v, int64_t classes, const char* name) : values_(v.numel(), name) {
    const int64_t n = v.numel();
    with_any(v.dtype, [&](auto t) {
      using T = decltype(t);
      if constexpr (std::is_integral_v<T>) load_run(v.as<const T>(), 1, n, values_.get());
    });
    for (int64_t i = 0; i < n; ++i)
      if (values_[i] < 0 || values_[i] >= classes)
        fail<IndexError>(name, ": label ", values_[i], " of example ", i, " is none of the ", classes,
                         " classes of the logits; expected 0 to ", classes - 1);
  }
  int64_t operator[](int64_t i) const { return values_[i]; }

 private:
  Scratch<int64_t> values_;
};

void sparse_softmax_cross_entropy(const KernelArgs& k) {
  const int64_t rows = k.out[0].numel(), n = k.in[0].shape.back();
  const Labels labels(k.in[1], n, k.op.name);
  with_compute(k.in[0].dtype, [&](auto c) {
    using C = decltype(c);
    const Source<C> logits = float_source<C>(k.in[0]);
    const Target<C> loss = float_target<C>(k.out[0]);
    parallel_for(rows, grain(n), [&](int64_t begin, int64_t end) {
      const Scratch<C> buffer(logits.direct ? 0 : n, k.op.name);
      for (int64_t row = begin; row < end; ++row) {
        const C* x = logits.read(row * n, 1, n, buffer.get());
        const LogSum<C> s(x, n);
        C value, *out = loss.open(row, &value);
        *out = s.log_sum() - (x[labels[row]] - s.largest);
        loss.commit(row, 1, out);
      }
    });
  });
}

void sparse_softmax_cross_entropy_grad(const KernelArgs& k) {
  const int64_t rows = k.in[2].numel(), n = k.in[0].shape.back();
  const Labels labels(k.in[1], n, k.op.name);
  with_compute(k.in[0].dtype, [&](auto c) {
    using C = decltype(c);
    const Source<C> logits = float_source<C>(k.in[0]), g = float_source<C>(k.in[2]);
    const Target<C> dx = output_target<C>(k.out[0], n);
    parallel_for(rows, grain(n), [&](int64_t begin, int64_t end) {
      const Scratch<C> buffer(dx.direct ? 0 : n, k.op.name);
      for (int64_t row = begin; row < end; ++row) {
        const C* x = logits.read(row * n, 1, n, buffer.get());
        C one, *out = dx.open(row * n, buffer.get());
        const C scale = *g.read(row, 1, 1, &one);
        scaled_softmax(x, n, scale, out);
        out[labels[row]] -= scale;
        dx.commit(row * n, n, out);
      }
    });
  });
}

}  // namespace

void register_loss(KernelSink& sink) {
  sink.set("softmax_cross_entropy", softmax_cross_entropy);
  sink.set("softmax_cross_entropy_grad", softmax_cross_entropy_grad);
  sink.set("sparse_softmax_cross_entropy", sparse_softmax_cross_entropy);
  sink.set("sparse_softmax_cross_entropy_grad", sparse_softmax_cross_entropy_grad);
}

}  // namespace addax::cpu::ADDAX_ISA
