// CPU kernels of the optimizer family: one pass over memory for all variables; 16-bit floats are computed in float.
#include "ops/optimizer.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "cpu/indices.h"
#include "cpu/simd/convert.h"
#include "ops/op.h"

namespace addax::cpu::ADDAX_ISA {
namespace {

constexpr int64_t kTile = 1024;
constexpr int64_t kBlock = 16;  // tiles

/// The scalar that stands so many places before the end of the inputs.
double scalar(const KernelArgs& k, size_t from_end) {
  const View& v = k.in[k.in.size() - from_end];
  return with_any(v.dtype, [&](auto t) { return convert<double>(*v.as<const decltype(t)>()); });
}

/// The gradient that scatter_add(zeros, indices, updates) would make, tile by tile. The updates of each row are summed
/// in their order, and a 16-bit sum is rounded once.
class ScatteredGradient {
 public:
  ScatteredGradient(const char* name, const View& param, const View& indices, const View& updates)
      : updates_(updates),
        columns_(product(param.shape, static_cast<int>(indices.shape.back()), param.rank())),
        positions_(Indices(name, param, indices, 0, static_cast<int>(indices.shape.back()))),
        ends_(param.numel() / columns_, name),
        order_(positions_.size(), name) {
    const int64_t* p = positions_.data();
    const int64_t n = positions_.size(), rows = param.numel() / columns_;
    std::fill_n(ends_.get(), rows, 0);
    for (int64_t j = 0; j < n; ++j) ++ends_[p[j]];
    for (int64_t row = 0, before = 0; row < rows; ++row) before += std::exchange(ends_[row], before);
    for (int64_t j = 0; j < n; ++j) order_[ends_[p[j]]++] = j;
  }

  template <class C>
  const C* read(int64_t at, int64_t n, C* sums) const {
    const Source<C> updates = float_source<C>(updates_);
    alignas(64) C tile[kTile];
    std::fill_n(sums, n, C(0));
    for (int64_t row = at / columns_, j = row ? ends_[row - 1] : 0; row * columns_ < at + n; ++row) {
      const int64_t first = row * columns_, begin = std::max(at, first),
                    count = std::min(at + n, first + columns_) - begin;
      for (C* to = sums + (begin - at); j < ends_[row]; ++j) {
        const C* from = updates.read(order_[j] * columns_ + begin - first, 1, count, tile);
        for (int64_t i = 0; i < count; ++i) to[i] += from[i];
      }
    }
    if (!updates.direct) {
      alignas(64) char rounded[kTile * sizeof(Float16)];  // or the other type of 16 bits
      float_target<C>(updates_).store(sums, n, rounded, 0);
      updates.load(rounded, 0, 1, n, sums);
    }
    return sums;
  }

 private:
  const View& updates_;
  int64_t columns_;
  Positions positions_;
  Scratch<int64_t> ends_, order_;  // the updates of a row are order_[those before its end]
};

/// Runs body(n, in, out) over the tiles of all variables: pointers to `States` states and the gradient, and to the new
/// states. An output may be the memory of the state in its place, and nothing else. Every variable is cut from its own
/// start, so that its bits do not depend on the others.
template <int States, class Body>
void update(const KernelArgs& k, const Body& body) {
  const size_t variables = k.out.size() / States;
  const auto tiles_of = [&](size_t v) { return (k.out[v * States].numel() + kTile - 1) / kTile; };
  int64_t total = 0;
  for (size_t v = 0; v < variables; ++v) total += tiles_of(v);
  std::optional<ScatteredGradient> scattered;
  if (is_int(k.in[States].dtype)) scattered.emplace(k.op.name, k.in[0], k.in[States], k.in[States + 1]);
  with_compute(k.in[0].dtype, [&](auto c) {
    using C = decltype(c);
    parallel_for(total, kBlock, [&](int64_t begin, int64_t end) {
      alignas(64) C tiles[States + 1][kTile];
      int64_t first = 0;  // tile of the variable
      for (size_t v = 0; v < variables && first < end; first += tiles_of(v++)) {
        const int64_t from = std::max(begin, first), to = std::min(end, first + tiles_of(v));
        if (from >= to) continue;
        Source<C> in[States + 1] = {};
        Target<C> out[States];
        for (size_t i = 0; i < States; ++i) in[i] = float_source<C>(k.in[v * States + i]);
        for (size_t i = 0; i < States; ++i) out[i] = float_target<C>(k.out[v * States + i]);
        if (!scattered) in[States] = float_source<C>(k.in[variables * States + v]);
        const int64_t size = k.out[v * States].numel();
        for (int64_t tile = from - first; tile < to - first; ++tile) {
          const int64_t at = tile * kTile, n = std::min(kTile, size - at);
          const C* old[States + 1];
          C* made[States];
          for (int i = 0; i < States; ++i) old[i] = in[i].read(at, 1, n, tiles[i]);
          old[States] = scattered ? scattered->read(at, n, tiles[States]) : in[States].read(at, 1, n, tiles[States]);
          for (int i = 0; i < States; ++i) made[i] = out[i].open(at, tiles[i]);
          body(n, old, made);
          for (int i = 0; i < States; ++i) out[i].commit(at, n, made[i]);
        }
      }
    });
  });
}

void sgd_update(const KernelArgs& k) {
  const double rate = scalar(k, 1);
  update<1>(k, [&](int64_t n, auto* const* in, auto* const* out) {
    using C = std::remove_pointer_t<std::remove_reference_t<decltype(out[0])>>;
    const C lr = static_cast<C>(rate), *p = in[0], *g = in[1];
    C* np = out[0];
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) np[i] = p[i] - lr * g[i];
  });
}

void sgd_momentum_update(const KernelArgs& k) {
  const auto& a = k.attrs.as<MomentumAttrs>();
  const double rate = scalar(k, 1);
  update<2>(k, [&](int64_t n, auto* const* in, auto* const* out) {
    using C = std::remove_pointer_t<std::remove_reference_t<decltype(out[0])>>;
    const C lr = static_cast<C>(rate), momentum = static_cast<C>(a.momentum);
    const C *p = in[0], *v = in[1], *g = in[2];
    C *np = out[0], *nv = out[1];
    const C keep = a.nesterov ? momentum : C(1), ahead = a.nesterov ? lr : C(0);
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) {
      const C velocity = momentum * v[i] - lr * g[i];
      np[i] = p[i] + (keep * velocity - ahead * g[i]);
      nv[i] = velocity;
    }
  });
}

/// What the step of Adam divides out: D. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization" (2015), with
/// epsilon beside the uncorrected root.
struct AdamStep {
  AdamStep(const AdamAttrs& a, double rate, double step)
      : alpha(rate * std::sqrt(1 - std::pow(a.beta_2, step)) / (1 - std::pow(a.beta_1, step))),
        decay(a.weight_decay * rate) {}

  double alpha, decay;
};

void adam_update(const KernelArgs& k) {
  const auto& a = k.attrs.as<AdamAttrs>();
  const AdamStep s(a, scalar(k, 2), scalar(k, 1));
  update<3>(k, [&](int64_t n, auto* const* in, auto* const* out) {
    using C = std::remove_pointer_t<std::remove_reference_t<decltype(out[0])>>;
    const C alpha = static_cast<C>(s.alpha), decay = static_cast<C>(s.decay), epsilon = static_cast<C>(a.epsilon);
    const C gain_1 = static_cast<C>(1 - a.beta_1), gain_2 = static_cast<C>(1 - a.beta_2);
    const C *p = in[0], *m = in[1], *v = in[2], *g = in[3];
    C *np = out[0], *nm = out[1], *nv = out[2];
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) {
      const C first = m[i] + (g[i] - m[i]) * gain_1, second = v[i] + (g[i] * g[i] - v[i]) * gain_2;
      np[i] = p[i] - p[i] * decay - first * alpha / (std::sqrt(second) + epsilon);
      nm[i] = first;
      nv[i] = second;
    }
  });
}

void adam_amsgrad_update(const KernelArgs& k) {
  const auto& a = k.attrs.as<AdamAttrs>();
  const AdamStep s(a, scalar(k, 2), scalar(k, 1));
  update<4>(k, [&](int64_t n, auto* const* in, auto* const* out) {
    using C = std::remove_pointer_t<std::remove_reference_t<decltype(out[0])>>;
    const C alpha = static_cast<C>(s.alpha), decay = static_cast<C>(s.decay), epsilon = static_cast<C>(a.epsilon);
    const C gain_1 = static_cast<C>(1 - a.beta_1), gain_2 = static_cast<C>(1 - a.beta_2);
    const C *p = in[0], *m = in[1], *v = in[2], *h = in[3], *g = in[4];
    C *np = out[0], *nm = out[1], *nv = out[2], *nh = out[3];
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) {
      const C first = m[i] + (g[i] - m[i]) * gain_1, second = v[i] + (g[i] * g[i] - v[i]) * gain_2;
      const C largest = h[i] > second ? h[i] : second;
      np[i] = p[i] - p[i] * decay - first * alpha / (std::sqrt(largest) + epsilon);
      nm[i] = first;
      nv[i] = second;
      nh[i] = largest;
    }
  });
}

void rmsprop_update(const KernelArgs& k) {
  const auto& a = k.attrs.as<RmspropAttrs>();
  const double rate = scalar(k, 1);
  update<2>(k, [&](int64_t n, auto* const* in, auto* const* out) {
    using C = std::remove_pointer_t<std::remove_reference_t<decltype(out[0])>>;
    const C lr = static_cast<C>(rate), rho = static_cast<C>(a.rho), gain = static_cast<C>(1 - a.rho);
    const C epsilon = static_cast<C>(a.epsilon), *p = in[0], *v = in[1], *g = in[2];
    C *np = out[0], *nv = out[1];
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) {
      const C velocity = rho * v[i] + gain * (g[i] * g[i]);
      np[i] = p[i] - lr * g[i] / std::sqrt(velocity + epsilon);
      nv[i] = velocity;
    }
  });
}

void rmsprop_full_update(const KernelArgs& k) {
  const auto& a = k.attrs.as<RmspropFullAttrs>();
  const double rate = scalar(k, 1);
  update<4>(k, [&](int64_t n, auto* const* in, auto* const* out) {
    using C = std::remove_pointer_t<std::remove_reference_t<decltype(out[0])>>;
    const C lr = static_cast<C>(rate), rho = static_cast<C>(a.rho), gain = static_cast<C>(1 - a.rho);
    const C epsilon = static_cast<C>(a.epsilon), momentum = static_cast<C>(a.momentum);
    const C *p = in[0], *v = in[1], *b = in[2], *d = in[3], *g = in[4];
    C *np = out[0], *nv = out[1], *nb = out[2], *nd = out[3];
    // What a variant leaves out, the average gradient or the momentum, keeps its state.
    const C centered = a.centered ? C(1) : C(0);
    const bool moves = a.momentum > 0;
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) {
      const C velocity = rho * v[i] + gain * (g[i] * g[i]);
      const C average = d[i] + centered * gain * (g[i] - d[i]);
      const C increment = lr * g[i] / std::sqrt(velocity - centered * (average * average) + epsilon);
      const C moved = momentum * b[i] + increment;
      np[i] = p[i] - (moves ? moved : increment);
      nv[i] = velocity;
      nb[i] = moves ? moved : b[i];
      nd[i] = average;
    }
  });
}

}  // namespace

void register_optimizer(KernelSink& sink) {
  sink.set("sgd_update", sgd_update);
  sink.set("sgd_update_rows", sgd_update);
  sink.set("sgd_momentum_update", sgd_momentum_update);
  sink.set("sgd_momentum_update_rows", sgd_momentum_update);
  sink.set("adam_update", adam_update);
  sink.set("adam_update_rows", adam_update);
  sink.set("adam_amsgrad_update", adam_amsgrad_update);
  sink.set("adam_amsgrad_update_rows", adam_amsgrad_update);
  sink.set("rmsprop_update", rmsprop_update);
  sink.set("rmsprop_update_rows", rmsprop_update);
  sink.set("rmsprop_full_update", rmsprop_full_update);
  sink.set("rmsprop_full_update_rows", rmsprop_full_update);
}

}  // namespace addax::cpu::ADDAX_ISA
