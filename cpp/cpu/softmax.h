// Softmax, its logarithm and their gradients over one axis of contiguous arrays seen as (outer, n, inner). C is the
// compute type; dtypes are behind Source and Target.
#pragma once

#include <algorithm>
#include <cmath>

#include "cpu/kernels.h"
#include "cpu/simd/convert.h"
#include "cpu/simd/exp.h"
#include "cpu/simd/vec.h"

namespace addax::cpu::ADDAX_ISA {

/// Columns that are worked on together.
inline constexpr int64_t kSoftmaxColumns = 512;

/// The sum of exp(x[i] - largest), which are left in `exps`, n elements that may be x itself.
template <class C>
double exp_sum(const C* x, int64_t n, C largest, C* exps) {
  return sum_terms<C>(n, [&](auto at) {
    const auto e = fast_exp(at(x) - largest);
    at.store(exps, e);
    return e;
  });
}

template <class C>
double exp_sum(const C* x, int64_t n, C largest) {
  return sum_terms<C>(n, [&](auto at) { return fast_exp(at(x) - largest); });
}

struct SoftmaxShape {
  int64_t outer = 1, n = 1, inner = 1;

  SoftmaxShape(const Shape& shape, int axis) {
    for (int d = 0; d < shape.rank(); ++d) (d < axis ? outer : d == axis ? n : inner) *= shape[d];
  }
  /// Rows or tiles of columns worth a task.
  int64_t grain(int64_t width) const { return std::max<int64_t>(1, (1 << 15) / (n * width)); }
};

template <bool kLog, class C>
void softmax_rows(const SoftmaxShape& s, const Source<C>& x, const Target<C>& y, const char* name) {
  parallel_for(s.outer, s.grain(1), [&](int64_t begin, int64_t end) {
    const Scratch<C> buffer(x.direct && y.direct ? 0 : s.n, name);
    for (int64_t row = begin; row < end; ++row) {
      const C* in = x.read(row * s.n, 1, s.n, buffer.get());
      C* out = y.open(row * s.n, buffer.get());
      const C largest = fold<LargerNumber>(in, s.n);
      if constexpr (kLog) {
        const C shift = static_cast<C>(std::log(exp_sum(in, s.n, largest)));
        each_lane<C>(s.n, [&](auto at) { at.store(out, at(in) - largest - shift); });
      } else {
        const C scale = static_cast<C>(1 / exp_sum(in, s.n, largest, out));
        each_lane<C>(s.n, [&](auto at) { at.store(out, at(out) * scale); });
      }
      y.commit(row * s.n, s.n, out);
    }
  });
}

template <bool kLog, class C>
void softmax_columns(const SoftmaxShape& s, const Source<C>& x, const Target<C>& y) {
  const int64_t width = std::min(s.inner, kSoftmaxColumns), tiles = (s.inner + width - 1) / width;
  parallel_for(s.outer * tiles, s.grain(width), [&](int64_t begin, int64_t end) {
    alignas(64) C buffer[kSoftmaxColumns], largest[kSoftmaxColumns], total[kSoftmaxColumns];
    for (int64_t t = begin; t < end; ++t) {
      const int64_t column = t % tiles * width, m = std::min(width, s.inner - column);
      const int64_t first = t / tiles * s.n * s.inner + column, last = first + s.n * s.inner;
      std::fill_n(largest, m, Larger::neutral<C>());
      std::fill_n(total, m, C(0));
      for (int64_t at = first; at < last; at += s.inner) {
        const C* in = x.read(at, 1, m, buffer);
        each_lane<C>(m, [&](auto i) { i.store(largest, LargerNumber::apply(i(largest), i(in))); });
      }
      for (int64_t at = first; at < last; at += s.inner) {
        const C* in = x.read(at, 1, m, buffer);
        each_lane<C>(m, [&](auto i) { i.store(total, i(total) + fast_exp(i(in) - i(largest))); });
      }
      for (int64_t j = 0; j < m; ++j) total[j] = kLog ? std::log(total[j]) : 1 / total[j];
      for (int64_t at = first; at < last; at += s.inner) {
        const C* in = x.read(at, 1, m, buffer);
        C* out = y.open(at, buffer);
        each_lane<C>(m, [&](auto i) {
          const auto d = i(in) - i(largest);
          if constexpr (kLog)
            i.store(out, d - i(total));
          else
            i.store(out, fast_exp(d) * i(total));
        });
        y.commit(at, m, out);
      }
    }
  });
}

template <bool kLog, class C>
void softmax_grad_rows(const SoftmaxShape& s, const Source<C>& y, const Source<C>& g, const Target<C>& dx,
                       const char* name) {
  parallel_for(s.outer, s.grain(1), [&](int64_t begin, int64_t end) {
    const Scratch<C> buffer(dx.direct ? 0 : 2 * s.n, name);
    for (int64_t row = begin; row < end; ++row) {
      const C* a = y.read(row * s.n, 1, s.n, buffer.get());
      const C* b = g.read(row * s.n, 1, s.n, buffer.get() + s.n);
      C* out = dx.open(row * s.n, buffer.get());
      const C dot = static_cast<C>(sum_terms<C>(s.n, [&](auto at) {
        if constexpr (kLog)
          return at(b);
        else
          return at(a) * at(b);
      }));
      each_lane<C>(s.n, [&](auto at) {
        if constexpr (kLog)
          at.store(out, at(b) - fast_exp(at(a)) * dot);
        else
          at.store(out, at(a) * (at(b) - dot));
      });
      dx.commit(row * s.n, s.n, out);
    }
  });
}

template <bool kLog, class C>
void softmax_grad_columns(const SoftmaxShape& s, const Source<C>& y, const Source<C>& g, const Target<C>& dx) {
  const int64_t width = std::min(s.inner, kSoftmaxColumns), tiles = (s.inner + width - 1) / width;
  parallel_for(s.outer * tiles, s.grain(width), [&](int64_t begin, int64_t end) {
    alignas(64) C buffer_y[kSoftmaxColumns], buffer_g[kSoftmaxColumns], dot[kSoftmaxColumns];
    for (int64_t t = begin; t < end; ++t) {
      const int64_t column = t % tiles * width, m = std::min(width, s.inner - column);
      const int64_t first = t / tiles * s.n * s.inner + column, last = first + s.n * s.inner;
      std::fill_n(dot, m, C(0));
      for (int64_t at = first; at < last; at += s.inner) {
        const C *a = y.read(at, 1, m, buffer_y), *b = g.read(at, 1, m, buffer_g);
        each_lane<C>(m, [&](auto i) {
          if constexpr (kLog)
            i.store(dot, i(dot) + i(b));
          else
            i.store(dot, i(dot) + i(a) * i(b));
        });
      }
      for (int64_t at = first; at < last; at += s.inner) {
        const C *a = y.read(at, 1, m, buffer_y), *b = g.read(at, 1, m, buffer_g);
        C* out = dx.open(at, buffer_y);
        each_lane<C>(m, [&](auto i) {
          if constexpr (kLog)
            i.store(out, i(b) - fast_exp(i(a)) * i(dot));
          else
            i.store(out, i(a) * (i(b) - i(dot)));
        });
        dx.commit(at, m, out);
      }
    }
  });
}

}  // namespace addax::cpu::ADDAX_ISA
