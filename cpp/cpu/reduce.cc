// CPU kernels of the reduce family: what is folded, and from which dtype to which. The driver is in reduction.h,
// cumulative ops are in scan.h.
#include "ops/reduce.h"

#include <cmath>

#include "core/scratch.h"
#include "cpu/computed.h"
#include "cpu/kernels.h"
#include "cpu/reduction.h"
#include "cpu/scan.h"
#include "cpu/simd/convert.h"
#include "cpu/simd/exp.h"
#include "cpu/simd/vec.h"
#include "ops/op.h"

namespace addax::cpu::ADDAX_ISA {
namespace {

// ---- Folds

template <class C, class F>
struct Fold {
  using Compute = C;
  using Total = std::conditional_t<std::is_same_v<C, float> && F::kRounds, double, C>;
  static constexpr bool kOrdered = false;

  static Total start() { return F::template neutral<Total>(); }
  static void merge(Total& a, const Total& b) { a = F::apply(a, b); }
  __attribute__((noinline)) static void run(const C* x, int64_t n, int64_t, Total& total) {
    total = F::apply(total, static_cast<Total>(fold<F>(x, n)));
  }

  struct Columns {
    alignas(64) Total totals[kColumns];

    void start(int64_t width) { std::fill_n(totals, width, Fold::start()); }
    Total total(int64_t j) const { return totals[j]; }
    __attribute__((noinline)) void add(const C* const* x, int64_t count, int64_t width, int64_t) {
      int64_t r = 0;
      if (count == kRows) {
        alignas(64) C acc[kColumns];
        for (; r < kRows; r += 4) {
          const C *a = x[r], *b = x[r + 1], *c = x[r + 2], *d = x[r + 3];
          each_lane<C>(width, [&](auto at) {
            const auto four = F::apply(F::apply(at(a), at(b)), F::apply(at(c), at(d)));
            at.store(acc, r == 0 ? four : F::apply(at(acc), four));
          });
        }
        merge_row(acc, width);
      }
      for (; r < count; ++r) merge_row(x[r], width);
    }
    void merge_row(const C* row, int64_t width) {
      if constexpr (std::is_same_v<C, Total>)
        each_lane<C>(width, [&](auto at) { at.store(totals, F::apply(at(totals), at(row))); });
      else
        for (int64_t j = 0; j < width; ++j) totals[j] = F::apply(totals[j], static_cast<Total>(row[j]));
    }
  };
};

template <class C>
C finite_or_zero(C x) {
  return std::abs(x) <= std::numeric_limits<C>::max() ? x : C(0);
}

/// Sum of exp(x - m) beside the largest element m. Where m is infinite or NaN nothing is subtracted, so that the
/// result is -inf, inf or NaN like the plain formula's.
template <class C>
struct LogSumExp {
  using Compute = C;
  struct Total {
    C largest;
    double sum;
    double result() const { return std::log(sum) + static_cast<double>(finite_or_zero(largest)); }
  };
  static constexpr bool kOrdered = false;

  static Total start() { return {Larger::neutral<C>(), 0}; }
  static void merge(Total& a, const Total& b) {
    const C largest = Larger::apply(a.largest, b.largest), shift = finite_or_zero(largest);
    a = {largest, a.sum * fast_exp(static_cast<double>(a.largest - shift)) +
                      b.sum * fast_exp(static_cast<double>(b.largest - shift))};
  }
  __attribute__((noinline)) static void run(const C* x, int64_t n, int64_t, Total& total) {
    const C largest = fold<Larger>(x, n), shift = finite_or_zero(largest);
    merge(total, {largest, sum_terms<C>(n, [&](auto at) { return fast_exp(at(x) - shift); })});
  }

  struct Columns {
    alignas(64) C largest[kColumns];
    alignas(64) double sums[kColumns];

    void start(int64_t width) {
      std::fill_n(largest, width, Larger::neutral<C>());
      std::fill_n(sums, width, 0.0);
    }
    Total total(int64_t j) const { return {largest[j], sums[j]}; }
    __attribute__((noinline)) void add(const C* const* x, int64_t count, int64_t width, int64_t) {
      alignas(64) C before[kColumns], shift[kColumns], sum[kColumns];
      std::copy_n(largest, width, before);
      for (int64_t r = 0; r < count; ++r) {
        const C* row = x[r];
        each_lane<C>(width, [&](auto at) { at.store(largest, Larger::apply(at(largest), at(row))); });
      }
      for (int64_t j = 0; j < width; ++j) {
        shift[j] = finite_or_zero(largest[j]);
        sum[j] = 0;
      }
      for (int64_t r = 0; r < count; ++r) {
        const C* row = x[r];
        each_lane<C>(width, [&](auto at) { at.store(sum, at(sum) + fast_exp(at(row) - at(shift))); });
      }
      for (int64_t j = 0; j < width; ++j)
        sums[j] = sums[j] * static_cast<double>(fast_exp(before[j] - shift[j])) + static_cast<double>(sum[j]);
    }
  };
};

template <class C>
struct Found {
  C value;
  LaneIndex<C> index;  // -1: nothing seen
  int32_t result() const { return static_cast<int32_t>(index); }
};

/// Position of the first element that F prefers.
template <class C, class F>
struct ArgFold {
  using Compute = C;
  using Index = LaneIndex<C>;
  using Total = Found<C>;
  static constexpr bool kOrdered = true;

  /// A NaN is preferred to all but a NaN.
  static bool prefers(C candidate, C holder) {
    return candidate != candidate ? holder == holder : F::apply(holder, candidate) != holder;
  }
  static Total start() { return {F::template neutral<C>(), -1}; }
  static void merge(Total& a, const Total& b) {
    if (b.index >= 0 && (a.index < 0 || prefers(b.value, a.value))) a = b;
  }
  __attribute__((noinline)) static void run(const C* x, int64_t n, int64_t first, Total& total) {
    const C best = fold<F>(x, n);
    if (total.index >= 0 && !prefers(best, total.value)) return;
    int64_t i = 0;
    if (best != best)
      while (x[i] == x[i]) ++i;
    else
      while (x[i] != best) ++i;
    total = {best, static_cast<Index>(first + i)};
  }

  struct Columns {
    alignas(64) C values[kColumns];
    alignas(64) Index indices[kColumns];
    bool empty;

    void start(int64_t) { empty = true; }
    Total total(int64_t j) const { return {values[j], indices[j]}; }
    __attribute__((noinline)) void add(const C* const* x, int64_t count, int64_t width, int64_t first) {
      if (empty) {
        std::copy_n(x[0], width, values);
        std::fill_n(indices, width, static_cast<Index>(first));
        empty = false;
      }
      for (int64_t r = 0; r < count; ++r) {
        const C* row = x[r];
        const Index here = static_cast<Index>(first + r);
        each_lane<C>(width, [&](auto at) {
          const auto holder = at(values), better = F::apply(holder, at(row));
          const auto index = at(indices);
          at.store(indices, (better != holder) & (holder == holder) ? index - index + here : index);
          at.store(values, better);
        });
      }
    }
  };
};

// ---- Dtypes. Narrow integers are folded as int32, all others as int64: sums and products are the same bits modulo
// 2^n, and the order of the largest uint64's is kept by flipping the top bit.

template <class T>
using signed_t =
    std::conditional_t<!std::is_integral_v<T>, compute_t<T>, std::conditional_t<sizeof(T) <= 4, int32_t, int64_t>>;
template <class T>
using ordered_t = std::conditional_t<std::is_same_v<T, uint32_t>, int64_t, signed_t<T>>;

template <class T>
Source<ordered_t<T>> ordered(const void* data) {
  if constexpr (std::is_same_v<T, uint64_t>)
    return {data,
            [](const void* x, int64_t offset, int64_t stride, int64_t n, int64_t* to) -> const int64_t* {
              const uint64_t* from = static_cast<const uint64_t*>(x) + offset;
              for (int64_t i = 0; i < n; ++i) to[i] = static_cast<int64_t>(from[i * stride] ^ (1ull << 63));
              return to;
            },
            false};
  else
    return source<T, ordered_t<T>>(data);
}

template <class T>
Source<int32_t> truth_of(const void* data) {
  return {data,
          [](const void* x, int64_t offset, int64_t stride, int64_t n, int32_t* to) -> const int32_t* {
            const T* from = static_cast<const T*>(x) + offset;
            for (int64_t i = 0; i < n; ++i) to[i] = convert<compute_t<T>>(from[i * stride]) != compute_t<T>(0);
            return to;
          },
          false};
}

template <class Total, class Out>
void store(const Total* totals, int64_t n, void* out, int64_t at) {
  Out* to = static_cast<Out*>(out) + at;
  if constexpr (std::is_arithmetic_v<Total>)
    store_run(totals, n, to);
  else
    for (int64_t i = 0; i < n; ++i) to[i] = convert<Out>(totals[i].result());
}

void store_uint64(const int64_t* totals, int64_t n, void* out, int64_t at) {
  for (int64_t i = 0; i < n; ++i) static_cast<uint64_t*>(out)[at + i] = static_cast<uint64_t>(totals[i]) ^ (1ull << 63);
}

/// Of the largest or least truth value, 0 or 1; of none it is below or above.
void store_truth(const int32_t* totals, int64_t n, void* out, int64_t at) {
  for (int64_t i = 0; i < n; ++i) static_cast<bool*>(out)[at + i] = totals[i] > 0;
}

// ---- Kernels

// `x` has no data where `program` gives its values and stores them nowhere.
struct Reduced {
  const View& x;
  Dims axes;
  void* out;
  const char* name;
  const FusedRun* program = nullptr;
};
using Reducer = void (*)(const Reduced&);

template <class Op>
void fold(const Reduced& k, const Source<typename Op::Compute>& source, typename Reduction<Op>::Store store) {
  if (!k.program) return reduce<Op>(k.x, k.axes, source, k.out, store, k.name);
  const Computed<typename Op::Compute> values{*k.program, source, size_of(k.x.dtype)};
  reduce<Op>(k.x, k.axes, values.source(), k.out, store, k.name);
}

template <class F>
void accumulate(const Reduced& k) {
  with_any(k.x.dtype, [&](auto t) {
    using T = decltype(t);
    using Op = Fold<signed_t<T>, F>;
    using Out = std::conditional_t<std::is_integral_v<T>, signed_t<T>, T>;
    fold<Op>(k, source<T, signed_t<T>>(k.x.data), store<typename Op::Total, Out>);
  });
}

template <class F>
void extreme(const Reduced& k) {
  with_any(k.x.dtype, [&](auto t) {
    using T = decltype(t);
    using Op = Fold<ordered_t<T>, F>;
    if constexpr (std::is_same_v<T, uint64_t>)
      fold<Op>(k, ordered<T>(k.x.data), store_uint64);
    else
      fold<Op>(k, ordered<T>(k.x.data), store<typename Op::Total, T>);
  });
}

template <class F>
void truth(const Reduced& k) {
  with_any(k.x.dtype, [&](auto t) { fold<Fold<int32_t, F>>(k, truth_of<decltype(t)>(k.x.data), store_truth); });
}

void logsumexp(const Reduced& k) {
  with_float(k.x.dtype, [&](auto t) {
    using T = decltype(t);
    using Op = LogSumExp<compute_t<T>>;
    fold<Op>(k, source<T, compute_t<T>>(k.x.data), store<typename Op::Total, T>);
  });
}

template <Reducer Reduce>
void row(const KernelArgs& k) {
  const View& x = k.in[0];
  Reduce({x, normalize_axes(k.attrs.as<ReduceAttrs>().axes, x.rank(), k.op.name), k.out[0].data, k.op.name});
}

struct Row {
  const char* name;
  Reducer reduce;
  void (*kernel)(const KernelArgs&);
};
template <Reducer Reduce>
constexpr Row named(const char* name) {
  return {name, Reduce, row<Reduce>};
}
constexpr Row kReductions[] = {
    named<accumulate<Add>>("sum"),  named<accumulate<Multiply>>("prod"), named<extreme<Larger>>("max"),
    named<extreme<Smaller>>("min"), named<truth<Larger>>("any"),         named<truth<Smaller>>("all"),
    named<logsumexp>("logsumexp"),
};

// The reduction keeps its own pieces and order, so the bits are those of the rows run one after the other, but for a
// sum over axes of size 1, which is a view there and keeps -0.
void reduce_fused(const KernelArgs& k) {
  const auto& a = k.attrs.as<ReduceFusedAttrs>();
  const Dims& results = a.program.results;
  const FusedProgram& program = a.program.parsed();
  Shape shape;
  for (const View& v : k.in) shape = broadcast(shape, v.shape, k.op.name);
  List<View> out(k.out.begin(), k.out.end());
  out[0] = {nullptr, program.steps[static_cast<size_t>(results[0]) - program.inputs.size()].out, shape,
            contiguous_strides(shape)};
  View x = out[0];
  for (int r = 1; r < results.rank(); ++r)
    if (results[r] == results[0]) x.data = out[static_cast<size_t>(r)].data;
  const FusedRun run(a.program, nullptr, k.in, out);
  const Row* row = kReductions;
  while (row->name != a.reduction) ++row;  // infer knows it
  row->reduce({x, normalize_axes(a.attrs.axes, x.rank(), k.op.name), k.out[0].data, k.op.name, &run});
}

template <class F>
void arg_extreme(const KernelArgs& k) {
  const Dims axis{int64_t(normalize_axis(k.attrs.as<ArgReduceAttrs>().axis, k.in[0].rank(), k.op.name))};
  with_any(k.in[0].dtype, [&](auto t) {
    using T = decltype(t);
    using Op = ArgFold<ordered_t<T>, F>;
    reduce<Op>(k.in[0], axis, ordered<T>(k.in[0].data), k.out[0].data, store<typename Op::Total, int32_t>, k.op.name);
  });
}

template <class F>
void cumulative(const KernelArgs& k) {
  const ScanAttrs& a = k.attrs.as<ScanAttrs>();
  const View& x = k.in[0];
  const int axis = normalize_axis(a.axis, x.rank(), k.op.name);
  with_any(x.dtype, [&](auto t) {
    using T = decltype(t);
    using C = std::conditional_t<std::is_integral_v<T>, signed_t<T>, double>;
    using Out = std::conditional_t<std::is_same_v<T, bool>, int32_t, T>;
    Scan<F, C>(x, axis, a.reverse, source<T, C>(x.data), k.out[0].data, store<C, Out>, k.op.name).run();
  });
}

}  // namespace

void register_reduce(KernelSink& sink) {
  for (const Row& r : kReductions) sink.set(r.name, r.kernel);
  sink.set("reduce_fused", reduce_fused);
  sink.set("argmax", arg_extreme<Larger>);
  sink.set("argmin", arg_extreme<Smaller>);
  sink.set("cumsum", cumulative<Add>);
  sink.set("cumprod", cumulative<Multiply>);
}

}  // namespace addax::cpu::ADDAX_ISA
