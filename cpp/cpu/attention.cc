// CPU kernels of attention, after T. Dao et al., "FlashAttention" (2022) and T. Dao, "FlashAttention-2" (2023): rows of
// scores are made a block of keys at a time and never leave the first caches; the gradient makes them again.
//
// Instead of the log-sum-exp of a row its largest score and its sum are kept: with both, a row whose scores are all
// huge (every key masked, or a bias of -1e9) still weighs its keys exactly.
//
// A task is one key head, with all query heads that share it, and a chunk of the queries. Chunks follow from sizes
// alone; what they add to the gradients of the keys combines in order.
#include "ops/attention.h"

#include <algorithm>
#include <limits>

#include "cpu/gemm/gemm.h"
#include "cpu/random.h"
#include "cpu/simd/convert.h"
#include "cpu/softmax.h"
#include "ops/op.h"
#include "ops/random.h"

namespace addax::cpu::ADDAX_ISA {
namespace {

constexpr int64_t kKeys = 256;      // of a block, forward
constexpr int64_t kBlock = 128;     // keys and queries of a block, backward
constexpr int64_t kEnough = 64;     // tasks
constexpr int64_t kWork = 1 << 18;  // multiply-adds worth a task

struct Sizes {
  int64_t batch, queries, keys, heads, key_heads, dim, value_dim, shared, chunks;

  Sizes(const Shape& q, const Shape& k, const Shape& v)
      : batch(q[0]), queries(q[1]), keys(k[1]), heads(q[2]), key_heads(k[2]), dim(q[3]), value_dim(v[3]) {
    shared = heads / key_heads;
    const int64_t pairs = std::max<int64_t>(1, batch * key_heads);
    chunks = std::clamp<int64_t>(kEnough / pairs, 1, std::max<int64_t>(1, ceil_div(queries, kBlock)));
  }
  int64_t tasks() const { return batch * key_heads * chunks; }
  int64_t grain() const {
    return std::max<int64_t>(1, kWork / std::max<int64_t>(1, ceil_div(queries, chunks) * shared * keys * dim));
  }
};

/// A task's place: the query heads [head, head + shared) and the queries [first, last).
struct Place {
  int64_t batch, key_head, head, first, last;

  Place(const Sizes& s, int64_t task)
      : batch(task / s.chunks / s.key_heads),
        key_head(task / s.chunks % s.key_heads),
        head(key_head * s.shared),
        first(task % s.chunks * s.queries / s.chunks),
        last((task % s.chunks + 1) * s.queries / s.chunks) {}
};

/// Columns padded to whole vectors.
template <class C>
int64_t padded(int64_t n) {
  return ceil_div(n, kLanes<C>) * kLanes<C>;
}

/// The right operand of a product: panels of two vectors, `step` apart, with rows `ld` apart.
template <class C>
struct Panels {
  const C* data;
  int64_t ld, step;

  static Panels rows(const C* data, int64_t width) { return {data, width, ColumnPanels<C>::kWidth}; }
};

/// c (m, n) = or += a b, where a(i, p) = a[i * row_step + p * k_step]. Columns up to padded(n) are written.
template <class C>
void product(int64_t m, int64_t n, int64_t k, const C* a, int64_t row_step, int64_t k_step, Panels<C> b, C* c,
             int64_t ldc, bool accumulate) {
  const ColumnPanels<C> panels(n);
  const Run run{0, k};
  for (int64_t p = 0; p < panels.count; ++p)
    cover_rows(m, [&](int64_t i, int rows) {
      tile_of<C>(rows, panels.vectors(p))(a + i * row_step, row_step, k_step, {&run, 1}, b.data + p * b.step, b.ld,
                                          c + i * ldc + panels.first(p), ldc, accumulate);
    });
}

/// A (batch, length, heads, dim) array.
template <class C>
struct Rows {
  Source<C> source;
  int64_t length, heads, dim;

  Rows(const View& v) : source(float_source<C>(v)), length(v.shape[1]), heads(v.shape[2]), dim(v.shape[3]) {}
  int64_t offset(int64_t batch, int64_t i, int64_t head) const { return ((batch * length + i) * heads + head) * dim; }

  /// Rows [first, last) times a factor each, `width` apart, with zeros behind dim.
  template <class Factor>
  void copy(int64_t batch, int64_t head, int64_t first, int64_t last, int64_t width, C* to,
            const Factor& factor) const {
    for (int64_t i = first; i < last; ++i, to += width) {
      const C* from = source.read(offset(batch, i, head), 1, dim, to);
      const C by = factor(i);
      for (int64_t j = 0; j < dim; ++j) to[j] = from[j] * by;
      std::fill(to + dim, to + width, C(0));
    }
  }
  /// All rows as columns: panels of a (dim, length) matrix. `buffer` has room for them as rows, dim apart.
  Panels<C> columns(int64_t batch, int64_t head, C* to, C* buffer) const {
    constexpr int64_t kWidth = ColumnPanels<C>::kWidth;
    Matrix<C> from{buffer, 1, dim};
    if (source.direct)
      from = {static_cast<const C*>(source.data) + offset(batch, 0, head), 1, heads * dim};
    else
      copy(batch, head, 0, length, dim, buffer, [](int64_t) { return C(1); });
    for (int64_t j = 0; j < length; j += kWidth)
      detail::pack_panel(from.from(0, j), dim, std::min(kWidth, length - j), kWidth, to + j * dim);
    return {to, kWidth, dim * kWidth};
  }
};

template <class C>
struct Columns {  // room for Rows::columns
  Columns(const Rows<C>& rows, const char* name)
      : memory(ceil_div(rows.length, ColumnPanels<C>::kWidth) * ColumnPanels<C>::kWidth * rows.dim, name),
        buffer(rows.source.direct ? 0 : rows.length * rows.dim, name) {}
  Scratch<C> memory, buffer;
};

template <class C>
struct Results {
  Target<C> target;
  int64_t length, heads, dim;

  Results(const View& v) : target(float_target<C>(v)), length(v.shape[1]), heads(v.shape[2]), dim(v.shape[3]) {}
  /// Row i of a head is from[0, dim) times a factor. `from` may be overwritten.
  void put(int64_t batch, int64_t i, int64_t head, C* from, C factor) const {
    const int64_t at = ((batch * length + i) * heads + head) * dim;
    C* to = target.open(at, from);
    for (int64_t j = 0; j < dim; ++j) to[j] = from[j] * factor;
    target.commit(at, dim, to);
  }
};

/// Bias and mask of a row of scores.
template <class C>
class Adjust {
 public:
  Adjust(const KernelArgs& k) : causal_(k.attrs.as<AttentionAttrs>().causal) {
    const auto& a = k.attrs.as<AttentionAttrs>();
    if (a.bias) bias_ = {&k.in[3], steps(k.in[3])};
    if (a.mask) mask_ = {&k.in[a.mask_at()], steps(k.in[a.mask_at()])};
  }
  /// Keys in [first, last) that row i may see, unless it sees none at all.
  int64_t limit(int64_t i, int64_t keys) const { return causal_ ? std::min(keys, i + 1) : keys; }
  bool causal() const { return causal_; }
  /// A row may be without any key to see.
  bool may_see_none() const { return mask_.view != nullptr; }

  /// The scores of row i with the keys [first, first + n).
  void operator()(int64_t batch, int64_t head, int64_t i, int64_t first, int64_t n, C* scores) const {
    if (bias_.view) {
      alignas(64) C tile[kKeys];
      const C* bias = float_source<C>(*bias_.view).read(bias_.offset(batch, head, i, first), bias_.step[3], n, tile);
      for (int64_t j = 0; j < n; ++j) scores[j] += bias[j];
    }
    if (mask_.view) {
      const bool* mask = mask_.view->template as<const bool>() + mask_.offset(batch, head, i, first);
      if (mask_.step[3])
        for (int64_t j = 0; j < n; ++j) scores[j] = mask[j] ? scores[j] : C(kMaskedScore);
      else if (!*mask)
        std::fill_n(scores, n, C(kMaskedScore));
    }
    if (causal_ && i + 1 - first < n)
      std::fill(scores + std::max<int64_t>(0, i + 1 - first), scores + n, C(kMaskedScore));
  }

 private:
  struct Spread {
    const View* view = nullptr;
    Strides step;
    int64_t offset(int64_t batch, int64_t head, int64_t i, int64_t j) const {
      return batch * step[0] + head * step[1] + i * step[2] + j * step[3];
    }
  };
  static Strides steps(const View& v) {
    Strides step = Dims::filled(4, 0);
    for (int d = 0; d < v.rank(); ++d)
      if (v.shape[d] != 1) step[4 - v.rank() + d] = v.strides[d];
    return step;
  }

  Spread bias_, mask_;
  bool causal_;
};

/// What dropout leaves of a row of weights, shape (batch, heads, queries, keys); the rest is not scaled up.
class Dropout {
 public:
  Dropout(const KernelArgs& k, int64_t keys)
      : rate_(k.attrs.as<AttentionAttrs>().dropout),
        kept_(kept_below(rate_)),
        keys_(keys),
        key_(rate_ != 0 ? k.in[k.attrs.as<AttentionAttrs>().random_key_at()].as<uint32_t>() : nullptr) {}
  double keep() const { return 1 - rate_; }

  /// Decides about the keys [first, first + n), n <= kKeys, of a row. Without dropout all stay.
  void draw(int64_t row, int64_t first, int64_t n) {
    if (key_) fill_bits(key_[0], key_[1], row * keys_ + first, n, bits_);
  }
  /// Sets what is dropped to zero.
  template <class C>
  void apply(int64_t n, C* x) const {
    if (!key_) return;
#pragma GCC ivdep
    for (int64_t j = 0; j < n; ++j) x[j] = static_cast<int32_t>(bits_[j] >> 9) < kept_ ? x[j] : C(0);
  }

 private:
  double rate_;
  int32_t kept_;
  int64_t keys_;
  const uint32_t* key_;
  alignas(64) uint32_t bits_[kKeys];
};

template <class C>
C finite_or_zero(C x) {
  return x > std::numeric_limits<C>::lowest() && x < std::numeric_limits<C>::max() ? x : C(0);
}

// ---- Forward: tiles of kTileRows queries against blocks of keys

template <class C>
void forward(const KernelArgs& k) {
  const char* name = k.op.name;
  const Rows<C> q(k.in[0]), keys(k.in[1]), values(k.in[2]);
  const Results<C> y(k.out[0]);
  const Adjust<C> adjust(k);
  const Sizes s(k.in[0].shape, k.in[1].shape, k.in[2].shape);
  const C scale = static_cast<C>(k.attrs.as<AttentionAttrs>().scale);
  C *const largests = k.out[1].as<C>(), *const totals = k.out[2].as<C>();
  const int64_t width = padded<C>(s.dim), value_width = padded<C>(s.value_dim);

  parallel_for(s.tasks(), s.grain(), [&](int64_t begin, int64_t end) {
    const Columns<C> columns(keys, name);
    const Scratch<C> value_rows(s.keys * value_width, name), queries(kTileRows * width, name);
    const Scratch<C> scores(kTileRows * kKeys, name), sums(kTileRows * value_width, name);
    Dropout dropout(k, s.keys);
    for (int64_t task = begin; task < end; ++task) {
      const Place at(s, task);
      const Panels<C> key_columns = keys.columns(at.batch, at.key_head, columns.memory.get(), columns.buffer.get());
      values.copy(at.batch, at.key_head, 0, s.keys, value_width, value_rows.get(), [](int64_t) { return C(1); });
      for (int64_t head = at.head; head < at.head + s.shared; ++head)
        cover_rows(at.last - at.first, [&](int64_t from, int rows) {
          const int64_t row = at.first + from;
          q.copy(at.batch, head, row, row + rows, width, queries.get(), [&](int64_t) { return scale; });
          C largest[kTileRows];
          double total[kTileRows];
          std::fill_n(largest, rows, Larger::neutral<C>());
          std::fill_n(total, rows, 0.0);
          int64_t limit = adjust.limit(row + rows - 1, s.keys);
          if (adjust.may_see_none()) limit = std::min(s.keys, ceil_div(limit, kKeys) * kKeys);
          for (int64_t first = 0; first < limit; first += kKeys) {
            const int64_t n = std::min(kKeys, limit - first);
            product<C>(rows, n, s.dim, queries.get(), width, 1,
                       {key_columns.data + first * s.dim, key_columns.ld, key_columns.step}, scores.get(), kKeys,
                       false);
            for (int r = 0; r < rows; ++r) {
              C* const p = scores.get() + r * kKeys;
              adjust(at.batch, head, row + r, first, n, p);
              const C before = largest[r];
              largest[r] = LargerNumber::apply(before, fold<LargerNumber>(p, n));
              const C shift = finite_or_zero(largest[r]), fade = first ? fast_exp(before - shift) : C(0);
              total[r] = total[r] * static_cast<double>(fade) + exp_sum(p, n, shift, p);
              dropout.draw((at.batch * s.heads + head) * s.queries + row + r, first, n);
              dropout.apply(n, p);
              if (first && fade != C(1))
                each_lane<C>(value_width, [&](auto i) {
                  i.store(sums.get() + r * value_width, i(sums.get() + r * value_width) * fade);
                });
            }
            product<C>(rows, s.value_dim, n, scores.get(), kKeys, 1,
                       Panels<C>::rows(value_rows.get() + first * value_width, value_width), sums.get(), value_width,
                       first > 0);
            // A row that has seen no key weighs all of them, also those behind its own position.
            if (first + n == limit && limit < s.keys && adjust.may_see_none() &&
                std::find(largest, largest + rows, C(kMaskedScore)) != largest + rows)
              limit = s.keys;
          }
          for (int r = 0; r < rows; ++r) {
            const int64_t i = (at.batch * s.heads + head) * s.queries + row + r;
            largests[i] = largest[r];
            totals[i] = static_cast<C>(total[r]);
            y.put(at.batch, row + r, head, sums.get() + r * value_width,
                  static_cast<C>(1 / (total[r] * dropout.keep())));
          }
        });
    }
  });
}

// ---- Backward: blocks of queries against blocks of keys. With p = exp(s - largest), not divided by the row's total,
// d what dropout leaves, 0 or 1, and g divided by the total and the part that is kept: dv = (d p)^T g,
// ds = p (d (g v^T) - the part that is kept times the row's sum of g y), dq = scale ds k, dk = ds^T (scale q).

template <class C>
void backward(const KernelArgs& k) {
  const char* name = k.op.name;
  const Rows<C> q(k.in[0]), keys(k.in[1]), values(k.in[2]);
  const size_t rest = k.in.size() - 4;
  const Rows<C> y(k.in[rest]), g(k.in[rest + 3]);
  const Values<C> largests(k.in[rest + 1], name), totals(k.in[rest + 2], name);
  const Results<C> dq(k.out[0]), dk(k.out[1]), dv(k.out[2]);
  const Adjust<C> adjust(k);
  const Sizes s(k.in[0].shape, k.in[1].shape, k.in[2].shape);
  const C scale = static_cast<C>(k.attrs.as<AttentionAttrs>().scale);
  const int64_t width = padded<C>(s.dim), value_width = padded<C>(s.value_dim), both = width + value_width;
  const auto one = [](int64_t) { return C(1); };
  const auto put_keys = [&](int64_t batch, int64_t head, C* key_sums) {
    for (int64_t j = 0; j < s.keys; ++j) {
      dk.put(batch, j, head, key_sums + j * width, C(1));
      dv.put(batch, j, head, key_sums + s.keys * width + j * value_width, C(1));
    }
  };
  const Scratch<C> partial(s.chunks > 1 ? s.tasks() * s.keys * both : 0, name);

  parallel_for(s.tasks(), s.grain(), [&](int64_t begin, int64_t end) {
    const Columns<C> columns(keys, name), value_columns(values, name);
    const Scratch<C> key_rows(s.keys * width, name), own(s.chunks > 1 ? 0 : s.keys * both, name);
    const Scratch<C> queries(kBlock * width, name), grads(kBlock * value_width, name), sums(kBlock * width, name);
    const Scratch<C> p(kBlock * kBlock, name), ds(kBlock * kBlock, name), buffer(s.value_dim, name);
    Dropout dropout(k, s.keys);
    const C keep = static_cast<C>(dropout.keep());
    for (int64_t task = begin; task < end; ++task) {
      const Place at(s, task);
      C* const key_sums = s.chunks > 1 ? partial.get() + task * s.keys * both : own.get();
      C* const value_sums = key_sums + s.keys * width;
      std::fill_n(key_sums, s.keys * both, C(0));
      const Panels<C> k_t = keys.columns(at.batch, at.key_head, columns.memory.get(), columns.buffer.get());
      const Panels<C> v_t =
          values.columns(at.batch, at.key_head, value_columns.memory.get(), value_columns.buffer.get());
      keys.copy(at.batch, at.key_head, 0, s.keys, width, key_rows.get(), one);
      for (int64_t head = at.head; head < at.head + s.shared; ++head)
        for (int64_t row = at.first; row < at.last; row += kBlock) {
          const int64_t rows = std::min(kBlock, at.last - row), place = (at.batch * s.heads + head) * s.queries;
          q.copy(at.batch, head, row, row + rows, width, queries.get(), [&](int64_t) { return scale; });
          g.copy(at.batch, head, row, row + rows, value_width, grads.get(),
                 [&](int64_t i) { return C(1) / (totals[place + i] * keep); });
          std::fill_n(sums.get(), rows * width, C(0));
          C level[kBlock];  // of a row: what is taken off its slopes
          bool none = false;
          for (int64_t r = 0; r < rows; ++r) {
            const C* result = y.source.read(y.offset(at.batch, row + r, head), 1, s.value_dim, buffer.get());
            const C* grad = grads.get() + r * value_width;
            level[r] = keep * fold_terms<Add, C>(0, s.value_dim, [&](auto i) { return i(grad) * i(result); });
            none |= adjust.may_see_none() && largests[place + row + r] == C(kMaskedScore);
          }
          const int64_t limit = none ? s.keys : adjust.limit(row + rows - 1, s.keys);
          for (int64_t first = 0; first < limit; first += kBlock) {
            const int64_t n = std::min(kBlock, limit - first);
            cover_rows(rows, [&](int64_t from, int count) {
              C *const weights = p.get() + from * kBlock, *const slopes = ds.get() + from * kBlock;
              product<C>(count, n, s.dim, queries.get() + from * width, width, 1,
                         {k_t.data + first * s.dim, k_t.ld, k_t.step}, weights, kBlock, false);
              product<C>(count, n, s.value_dim, grads.get() + from * value_width, value_width, 1,
                         {v_t.data + first * s.value_dim, v_t.ld, v_t.step}, slopes, kBlock, false);
              for (int r = 0; r < count; ++r) {
                C *const w = weights + r * kBlock, *const d = slopes + r * kBlock;
                adjust(at.batch, head, row + from + r, first, n, w);
                const C largest = largests[place + row + from + r], shift = finite_or_zero(largest);
                const C middle = level[from + r];
                // Scores of a row that sees no key are constants.
                const C seen = adjust.may_see_none() && largest == C(kMaskedScore) ? C(0) : C(1);
                dropout.draw(place + row + from + r, first, n);
                dropout.apply(n, d);
                each_lane<C>(n, [&](auto i) {
                  const auto e = fast_exp(i(w) - shift);
                  i.store(w, e);
                  i.store(d, e * (i(d) - middle) * seen);
                });
                dropout.apply(n, w);
              }
            });
            product<C>(rows, s.dim, n, ds.get(), kBlock, 1, Panels<C>::rows(key_rows.get() + first * width, width),
                       sums.get(), width, true);
            product<C>(n, s.value_dim, rows, p.get(), 1, kBlock, Panels<C>::rows(grads.get(), value_width),
                       value_sums + first * value_width, value_width, true);
            product<C>(n, s.dim, rows, ds.get(), 1, kBlock, Panels<C>::rows(queries.get(), width),
                       key_sums + first * width, width, true);
          }
          for (int64_t r = 0; r < rows; ++r) dq.put(at.batch, row + r, head, sums.get() + r * width, scale);
        }
      if (s.chunks == 1) put_keys(at.batch, at.key_head, key_sums);
    }
  });
  if (s.chunks == 1) return;
  parallel_for(s.batch * s.key_heads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t pair = begin; pair < end; ++pair) {
      C* const total = partial.get() + pair * s.chunks * s.keys * both;
      for (int64_t chunk = 1; chunk < s.chunks; ++chunk)
        for (int64_t i = 0; i < s.keys * both; ++i) total[i] += total[chunk * s.keys * both + i];
      put_keys(pair / s.key_heads, pair % s.key_heads, total);
    }
  });
}

void attention(const KernelArgs& k) {
  with_compute(k.in[0].dtype, [&](auto c) { forward<decltype(c)>(k); });
}
void attention_grad(const KernelArgs& k) {
  with_compute(k.in[0].dtype, [&](auto c) { backward<decltype(c)>(k); });
}

}  // namespace

void register_attention(KernelSink& sink) {
  sink.set("attention", attention);
  sink.set("attention_grad", attention_grad);
}

}  // namespace addax::cpu::ADDAX_ISA
