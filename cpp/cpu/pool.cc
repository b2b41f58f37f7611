// CPU kernels of the pool family. Vectors run over channels, and every element of a result is computed at once from all
// that it depends on: an output from the taps of its window, an element of a gradient from the windows that contain it,
// in order. So no result depends on how the work is cut. A task converts the 16-bit floats that it reads and writes at
// its borders.
#include "ops/pool.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "core/scratch.h"
#include "cpu/simd/convert.h"
#include "cpu/simd/vec.h"

namespace addax::cpu::ADDAX_ISA {
namespace {

constexpr int64_t kTaskWork = 1 << 16;  // elements read per task

using Triple = std::array<int64_t, 3>;

// A source of an element of the result: where it lies, and the tap that joins the two.
struct Origin {
  int64_t offset, tap;
};

// kEach vectors of channels of each of kPixels pixels of the result, or with kWhole = false the first `used` lanes of
// one vector of each. All are made from the same sources, but for an equal step from pixel to pixel.
template <class T, int kEach, int kPixels, bool kWhole>
struct Block {
  static constexpr int kVectors = kEach * kPixels;
  static constexpr int64_t kWidth = kVecBytes / static_cast<int64_t>(sizeof(T));
  const Origin *begin, *end;
  int64_t shift;  // of the sources' offsets
  int64_t source_step, result_step;
  int64_t to;  // where the first vector of the result lies
  int64_t used;

  // Calls f(offset of the first vector, tap) for each source.
  template <class F>
  void each(F&& f) const {
    for (const Origin* s = begin; s != end; ++s) f(s->offset + shift, s->tap);
  }
  int64_t count() const { return end - begin; }

  // Vector v of a source.
  template <class S>
  Vec<S> load(const S* p, int v) const {
    return load_vector(p + place(v, source_step));
  }
  // Vector v of what lies as the result does.
  template <class S>
  Vec<S> load_result(const S* p, int v) const {
    return load_vector(p + place(v, result_step));
  }
  void store_source(T* p, int v, const Vec<T>& value) const { store_vector(p + place(v, source_step), value); }
  template <class S>
  void store(S* p, const Vec<S>* values) const {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) store_vector(p + place(v, result_step), values[v]);
  }

 private:
  static int64_t place(int v, int64_t step) { return v % kEach * kWidth + v / kEach * step; }
  template <class S>
  Vec<S> load_vector(const S* p) const {
    if constexpr (kWhole)
      return vec_load(p);
    else
      return load_first(p, used);
  }
  template <class S>
  void store_vector(S* p, const Vec<S>& value) const {
    if constexpr (kWhole)
      VecAt<S>{0}.store(p, value);
    else
      store_first(p, value, used);
  }
};

struct Pooling {
  int64_t batch, channels;
  Triple in, out, window, stride, low;

  Pooling(const Shape& x, const Shape& y, const PoolAttrs& attrs) : batch(x[0]), channels(x.back()) {
    in = out = window = stride = {1, 1, 1};
    low = {0, 0, 0};
    const int rank = x.rank() - 2;
    for (int i = 0; i < rank; ++i) {
      const auto at = static_cast<size_t>(3 - rank + i);
      in[at] = x[i + 1];
      out[at] = y[i + 1];
      window[at] = attrs.window[i];
      stride[at] = attrs.strides[i];
      low[at] = attrs.low[i];
    }
  }
  int64_t taps() const { return window[0] * window[1] * window[2]; }
  // No input is in two windows.
  bool disjoint() const { return stride[0] >= window[0] && stride[1] >= window[1] && stride[2] >= window[2]; }
  // Every input is in a window.
  bool covering() const {
    bool all = true;
    for (size_t i = 0; i < 3; ++i) all &= window[i] >= stride[i] && out[i] * stride[i] >= in[i] + low[i];
    return all;
  }
};

// What a position of the result reads along one dim: `count` source positions, and the tap that joins it to the first.
struct Line {
  int64_t first, count, tap;

  bool like(const Line& other) const { return count == other.count && tap == other.tap; }
};

// Which positions of the source each position of the result reads, and through which tap of which window. Taps are
// numbered as in a window that lies inside the input.
struct Reach {
  int64_t channels;
  Triple source, result;  // spatial sizes
  Triple tap_step;        // from one source position to the next
  // Along the last dim, results `phases` apart read sources `phase_step` apart, borders aside.
  int64_t phases, phase_step;
  std::array<List<Line>, 3> lines;

  int64_t source_size() const { return source[0] * source[1] * source[2] * channels; }
  int64_t result_size() const { return result[0] * result[1] * result[2] * channels; }
};

// x to y.
Reach forward_reach(const Pooling& s) {
  Reach r{s.channels, s.in, s.out, {s.window[1] * s.window[2], s.window[2], 1}, 1, s.stride[2], {}};
  for (size_t i = 0; i < 3; ++i)
    for (int64_t o = 0; o < s.out[i]; ++o) {
      const int64_t start = o * s.stride[i] - s.low[i], first = std::max<int64_t>(start, 0);
      r.lines[i].push_back({first, std::min(start + s.window[i], s.in[i]) - first, (first - start) * r.tap_step[i]});
    }
  return r;
}

// g to dx.
Reach backward_reach(const Pooling& s) {
  Reach r{s.channels, s.out, s.in, {s.window[1] * s.window[2], s.window[2], 1}, s.stride[2], 1, {}};
  for (size_t i = 0; i < 3; ++i) {
    for (int64_t x = 0; x < s.in[i]; ++x) {
      const int64_t at = x + s.low[i], before = at - s.window[i];  // the last position that no longer sees x
      const int64_t first = before < 0 ? 0 : std::min(before / s.stride[i] + 1, s.out[i]);
      const int64_t last = std::min(at / s.stride[i] + 1, s.out[i]);
      r.lines[i].push_back({first, std::max<int64_t>(last - first, 0), (at - first * s.stride[i]) * r.tap_step[i]});
    }
    r.tap_step[i] *= -s.stride[i];
  }
  return r;
}

// `pixels` pixels of the result, all of whose channels are made from the same sources, but for the steps.
struct Pixels {
  const List<Origin>& sources;
  int64_t count, channels, source_step, result_step, to;

  // Calls f(block) for all of it: four vectors at a time if kWide, else one, which is less code.
  template <class T, bool kWide, class F>
  void blocks(F&& f) const {
    constexpr int64_t kWidth = Block<T, 1, 1, true>::kWidth;
    int64_t c = 0;
    if constexpr (kWide) {
      for (; c + 4 * kWidth <= channels; c += 4 * kWidth) each<T, 4, 1, true>(0, c, 0, f);
      if (c + 2 * kWidth <= channels) {
        const int64_t rest = each<T, 2, 2, true>(0, c, 0, f);
        for (int64_t end = c + 2 * kWidth; c < end; c += kWidth) each<T, 1, 1, true>(rest, c, 0, f);
      }
    }
    for (; c + kWidth <= channels; c += kWidth) stretch<T, kWide, true>(c, 0, f);
    if (c < channels) stretch<T, kWide, false>(c, channels - c, f);
  }

 private:
  template <class T, bool kWide, bool kWhole, class F>
  void stretch(int64_t channel, int64_t used, F&& f) const {
    int64_t first = 0;
    if constexpr (kWide) first = each<T, 1, 4, kWhole>(0, channel, used, f);
    each<T, 1, 1, kWhole>(first, channel, used, f);
  }
  // Pixels from i on, as many as come in full blocks; returns the first of the rest.
  template <class T, int kEach, int kPixels, bool kWhole, class F>
  int64_t each(int64_t i, int64_t channel, int64_t used, F&& f) const {
    for (; i + kPixels <= count; i += kPixels) f(block<T, kEach, kPixels, kWhole>(i, channel, used));
    return i;
  }
  template <class T, int kEach, int kPixels, bool kWhole>
  Block<T, kEach, kPixels, kWhole> block(int64_t i, int64_t channel, int64_t used) const {
    return {sources.data(),
            sources.data() + sources.size(),
            i * source_step + channel,
            source_step,
            result_step,
            to + i * result_step + channel,
            used};
  }
};

// An image's positions [begin, end) along dim `cut`; dims before it are 1, of the sources too.
struct Stretch {
  const Reach& reach;
  int64_t image;
  size_t cut;
  int64_t begin, end;

  const Line& line(int64_t position) const { return reach.lines[cut][static_cast<size_t>(position)]; }
  // The sources' positions along the cut dim: [first, last).
  int64_t first() const { return line(begin).first; }
  int64_t last() const { return line(end - 1).first + line(end - 1).count; }
  int64_t source_layer() const { return reach.source_size() / std::max<int64_t>(1, reach.source[cut]); }
  // Where the first of the sources lies.
  int64_t start() const { return image * reach.source_size() + first() * source_layer(); }
  int64_t sources() const { return std::max<int64_t>(0, last() - first()) * source_layer(); }
  // Where the first of the results lies, and how many there are.
  int64_t result_start() const { return image * reach.result_size() + begin * result_layer(); }
  int64_t results() const { return (end - begin) * result_layer(); }

 private:
  int64_t result_layer() const { return reach.result_size() / std::max<int64_t>(1, reach.result[cut]); }
};

// Elements [first, first + n) of an array in the compute type, each at its offset in the whole array.
template <class T>
class Reading {
 public:
  Reading(const Source<T>& x, int64_t first, int64_t n)
      : buffer_(x.direct ? 0 : n, "pool"), data_(x.read(first, 1, n, buffer_.get()) - first) {}
  const T* get() const { return data_; }

 private:
  Scratch<T> buffer_;
  const T* data_;
};

// The same to write; elements that nobody writes are zero, if the array is.
template <class T>
class Writing {
 public:
  Writing(const Target<T>& y, int64_t first, int64_t n)
      : y_(y), first_(first), n_(n), buffer_(y.direct ? 0 : n, "pool"), data_(y.open(first, buffer_.get()) - first) {
    if (!y.direct) std::fill_n(buffer_.get(), n, T(0));
  }
  ~Writing() { y_.commit(first_, n_, data_ + first_); }
  Writing(const Writing&) = delete;
  T* get() const { return data_; }

 private:
  const Target<T>& y_;
  int64_t first_, n_;
  Scratch<T> buffer_;
  T* data_;
};

// Four vectors at a time for float32, in which the 16-bit floats are computed too.
template <class T>
constexpr bool kIsWide = std::is_same_v<T, float>;

// Calls f(block) over a stretch.
template <class T, bool kWide = kIsWide<T>, class F>
void visit(const Stretch& stretch, F&& f) {
  const Reach& r = stretch.reach;
  Triple first = {0, 0, 0}, last = r.result;
  first[stretch.cut] = stretch.begin;
  last[stretch.cut] = stretch.end;
  List<Origin> rows, sources;
  for (int64_t d = first[0]; d < last[0]; ++d)
    for (int64_t h = first[1]; h < last[1]; ++h) {
      const Line &plane = r.lines[0][static_cast<size_t>(d)], &row = r.lines[1][static_cast<size_t>(h)];
      rows.clear();
      for (int64_t i = 0; i < plane.count; ++i)
        for (int64_t j = 0; j < row.count; ++j)
          rows.push_back({stretch.image * r.source_size() +
                              ((plane.first + i) * r.source[1] + row.first + j) * r.source[2] * r.channels,
                          plane.tap + i * r.tap_step[0] + row.tap + j * r.tap_step[1]});
      for (int64_t phase = 0; phase < r.phases; ++phase)
        for (int64_t w = first[2] + phase, next; w < last[2]; w = next) {
          const Line& line = r.lines[2][static_cast<size_t>(w)];
          for (next = w + r.phases; next < last[2]; next += r.phases)
            if (!r.lines[2][static_cast<size_t>(next)].like(line)) break;
          sources.clear();
          for (const Origin& from : rows)
            for (int64_t i = 0; i < line.count; ++i)
              sources.push_back({from.offset + (line.first + i) * r.channels, from.tap + line.tap + i * r.tap_step[2]});
          const int64_t to = stretch.image * r.result_size() + ((d * r.result[1] + h) * r.result[2] + w) * r.channels;
          Pixels{sources, (next - w) / r.phases, r.channels, r.phase_step * r.channels, r.phases * r.channels, to}
              .template blocks<T, kWide>(f);
        }
    }
}

// Calls f(stretch) over the result in stretches of at least `least` positions (the last may be shorter) along the first
// long dim, in parallel.
template <class F>
void for_each_stretch(const Reach& r, const Pooling& s, Triple least, F&& f) {
  const auto is_long = [&](size_t d) { return r.result[d] > 1 || r.source[d] > 1; };
  const size_t cut = is_long(0) ? 0 : is_long(1) ? 1 : 2;
  const int64_t size = r.result[cut];
  if (size == 0) return;
  const int64_t work = std::max<int64_t>(1, s.channels * s.taps() * s.out[0] * s.out[1] * s.out[2] / size);
  const int64_t length = std::min(size, std::max(kTaskWork / work, least[cut])), count = (size + length - 1) / length;
  parallel_for(s.batch * count, std::max<int64_t>(1, kTaskWork / (work * length)), [&](int64_t task, int64_t last) {
    for (; task < last; ++task) {
      const int64_t begin = task % count * length;
      f(Stretch{r, task / count, cut, begin, std::min(begin + length, size)});
    }
  });
}

// Calls f(outputs) over all of them, in parallel.
template <class F>
void for_each_output(const Pooling& s, F&& f) {
  for_each_stretch(forward_reach(s), s, {1, 1, 1}, f);
}

// A gradient, in parallel over stretches of dx: calls f(inputs, windows, notes), where `windows` are all that reach the
// inputs, and notes(i) is where a note about output i may be left.
template <class Note, class F>
void for_each_input(const Pooling& s, F&& f) {
  const Reach forward = forward_reach(s);
  // A window on the border of two stretches is visited twice, so a stretch is long against a window.
  const Triple least = {4 * s.window[0], 4 * s.window[1], 4 * s.window[2]};
  for_each_stretch(backward_reach(s), s, least, [&](const Stretch& inputs) {
    const Scratch<Note> memory(inputs.sources(), "pool gradient");
    f(inputs, Stretch{forward, inputs.image, inputs.cut, inputs.first(), inputs.last()},
      [notes = memory.get(), start = inputs.start()](int64_t output) { return notes + (output - start); });
  });
}

template <class T>
constexpr T kLowest = -std::numeric_limits<T>::infinity();

// Calls f(offset, tap, v, larger) for each source: where it is the largest so far; with kNan the first NaN counts as
// largest.
template <class T, bool kNan, class B, class F>
void each_maximum(const B& block, const T* x, F&& f) {
  Vec<T> best[B::kVectors];
  for (auto& b : best) b = Vec<T>{} + kLowest<T>;
  block.each([&](int64_t offset, int64_t tap) {
#pragma GCC unroll 4
    for (int v = 0; v < B::kVectors; ++v) {
      const Vec<T> value = block.load(x + offset, v);
      auto larger = value > best[v];
      if constexpr (kNan) larger = (best[v] == best[v]) & ~(value <= best[v]);
      best[v] = larger ? value : best[v];
      f(offset, tap, v, larger);
    }
  });
}

template <class T>
bool has_nan(const T* x, int64_t n) {
  Vec<LaneIndex<T>> found{};
  each_lane<T>(n, [&](auto at) {
    const Vec<T> value = at(x);
    found |= value != value;
  });
  LaneIndex<T> any = 0;
  for (int64_t i = 0; i < kVecBytes / static_cast<int64_t>(sizeof(T)); ++i) any |= found[i];
  return any != 0;
}

// visit, and f(nan, block) is told whether there may be NaN among the x: without, a maximum is half the work.
template <class T, class F>
void visit_maxima(const Stretch& stretch, const T* x, F&& f) {
  if (kIsWide<T> && !has_nan(x + stretch.start(), stretch.sources())) {
    if constexpr (kIsWide<T>) visit<T>(stretch, [&](const auto& block) { f(std::false_type(), block); });
  } else {
    visit<T, false>(stretch, [&](const auto& block) { f(std::true_type(), block); });
  }
}

template <class T>
void max_pool(const KernelArgs& args) {
  const View &in = args.in[0], &out = args.out[0];
  const Source<T> input = float_source<T>(in);
  const Target<T> output = float_target<T>(out);
  for_each_output({in.shape, out.shape, args.attrs.as<PoolAttrs>()}, [&](const Stretch& outputs) {
    const Reading<T> from(input, outputs.start(), outputs.sources());
    const Writing<T> to(output, outputs.result_start(), outputs.results());
    const T* const x = from.get();
    T* const y = to.get();
    visit_maxima<T>(outputs, x, [=](auto nan, const auto& block) {
      constexpr int kVectors = std::decay_t<decltype(block)>::kVectors;
      using Maximum = std::conditional_t<decltype(nan)::value, Larger, LargerNumber>;
      Vec<T> best[kVectors];
      for (auto& b : best) b = Vec<T>{} + kLowest<T>;
      block.each([&](int64_t offset, int64_t) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) best[v] = Maximum::apply(best[v], block.load(x + offset, v));
      });
      block.store(y + block.to, best);
    });
  });
}

template <class T>
void max_pool_select(const KernelArgs& args) {
  const View &in = args.in[0], &out = args.out[0];
  const Source<T> input = float_source<T>(in), chosen = float_source<T>(args.in[1]);
  const Target<T> output = float_target<T>(out);
  for_each_output({in.shape, out.shape, args.attrs.as<PoolAttrs>()}, [&](const Stretch& outputs) {
    const Reading<T> inputs(input, outputs.start(), outputs.sources());
    const Reading<T> others(chosen, outputs.start(), outputs.sources());
    const Writing<T> to(output, outputs.result_start(), outputs.results());
    const T *const x = inputs.get(), *const from = others.get();
    T* const y = to.get();
    visit_maxima<T>(outputs, x, [=](auto nan, const auto& block) {
      constexpr int kVectors = std::decay_t<decltype(block)>::kVectors;
      Vec<T> selected[kVectors] = {};
      if (block.count() > 0)
        for (int v = 0; v < kVectors; ++v) selected[v] = block.load(from + block.begin->offset + block.shift, v);
      each_maximum<T, nan>(block, x, [&](int64_t offset, int64_t, int v, const auto& larger) {
        selected[v] = larger ? block.load(from + offset, v) : selected[v];
      });
      block.store(y + block.to, selected);
    });
  });
}

// where[v] = the tap of the maximum.
template <class T, bool kNan, class B>
void find_maximum(const B& block, const T* x, Vec<LaneIndex<T>>* where) {
  using Tap = LaneIndex<T>;
  for (int v = 0; v < B::kVectors; ++v) where[v] = Vec<Tap>{} + static_cast<Tap>(block.begin->tap);
  each_maximum<T, kNan>(block, x, [&](int64_t, int64_t tap, int v, const auto& larger) {
    where[v] = larger ? Vec<Tap>{} + static_cast<Tap>(tap) : where[v];
  });
}

// Each input is in at most one window, which writes it.
template <class T>
void max_pool_grad_disjoint(const Pooling& s, const Source<T>& input, const Source<T>& gradients,
                            const Target<T>& output, const View& out) {
  using Tap = LaneIndex<T>;
  if (!s.covering()) std::memset(out.data, 0, static_cast<size_t>(out.numel() * size_of(out.dtype)));
  for_each_output(s, [&](const Stretch& windows) {
    const Reading<T> inputs(input, windows.start(), windows.sources());
    const Reading<T> from(gradients, windows.result_start(), windows.results());
    const Writing<T> to(output, windows.start(), windows.sources());
    const T *const x = inputs.get(), *const g = from.get();
    T* const dx = to.get();
    visit_maxima<T>(windows, x, [=](auto nan, const auto& block) {
      constexpr int kVectors = std::decay_t<decltype(block)>::kVectors;
      Vec<Tap> where[kVectors];
      find_maximum<T, nan>(block, x, where);
      Vec<T> gradient[kVectors];
      for (int v = 0; v < kVectors; ++v) gradient[v] = block.load_result(g + block.to, v);
      block.each([&](int64_t offset, int64_t tap) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v)
          block.store_source(dx + offset, v, where[v] == static_cast<Tap>(tap) ? gradient[v] : Vec<T>{});
      });
    });
  });
}

template <class T>
void max_pool_grad(const KernelArgs& args) {
  using Tap = LaneIndex<T>;
  const View &in = args.in[0], &out = args.out[0];
  const Source<T> input = float_source<T>(in), gradients = float_source<T>(args.in[1]);
  const Target<T> output = float_target<T>(out);
  const Pooling s(in.shape, args.in[1].shape, args.attrs.as<PoolAttrs>());
  if (out.numel() == 0) return;
  if (s.disjoint()) return max_pool_grad_disjoint<T>(s, input, gradients, output, out);
  for_each_input<Tap>(s, [&](const Stretch& inputs, const Stretch& windows, const auto& taps) {
    const Reading<T> values(input, windows.start(), windows.sources());
    const Reading<T> from(gradients, inputs.start(), inputs.sources());
    const Writing<T> to(output, inputs.result_start(), inputs.results());
    const T *const x = values.get(), *const g = from.get();
    T* const dx = to.get();
    visit_maxima<T>(windows, x, [=](auto nan, const auto& block) {
      constexpr int kVectors = std::decay_t<decltype(block)>::kVectors;
      Vec<Tap> where[kVectors];
      find_maximum<T, nan>(block, x, where);
      block.store(taps(block.to), where);
    });
    visit<T>(inputs, [=](const auto& block) {
      constexpr int kVectors = std::decay_t<decltype(block)>::kVectors;
      Vec<T> sum[kVectors] = {};
      block.each([&](int64_t offset, int64_t tap) {
        const Tap* const where = taps(offset);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          const Vec<T> gradient = in_register(block.load(g + offset, v));
          sum[v] += block.load(where, v) == static_cast<Tap>(tap) ? gradient : Vec<T>{};
        }
      });
      block.store(dx + block.to, sum);
    });
  });
}

template <class T>
void avg_pool(const KernelArgs& args) {
  const View &in = args.in[0], &out = args.out[0];
  const auto& attrs = args.attrs.as<AvgPoolAttrs>();
  const Pooling s(in.shape, out.shape, attrs);
  const int64_t padded = attrs.count_padding ? s.taps() : 0;
  const Source<T> input = float_source<T>(in);
  const Target<T> output = float_target<T>(out);
  for_each_output(s, [&](const Stretch& outputs) {
    const Reading<T> from(input, outputs.start(), outputs.sources());
    const Writing<T> to(output, outputs.result_start(), outputs.results());
    const T* const x = from.get();
    T* const y = to.get();
    visit<T>(outputs, [=](const auto& block) {
      constexpr int kVectors = std::decay_t<decltype(block)>::kVectors;
      Vec<T> sum[kVectors] = {};
      block.each([&](int64_t offset, int64_t) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) sum[v] += block.load(x + offset, v);
      });
      const T divisor = static_cast<T>(padded ? padded : std::max<int64_t>(1, block.count()));
      for (auto& total : sum) total /= divisor;
      block.store(y + block.to, sum);
    });
  });
}

template <class T>
void avg_pool_grad(const KernelArgs& args) {
  const View &in = args.in[0], &out = args.out[0];
  const auto& attrs = args.attrs.as<AvgPoolGradAttrs>();
  const Pooling s(out.shape, in.shape, attrs);
  const int64_t padded = attrs.count_padding ? s.taps() : 0;
  const Source<T> gradients = float_source<T>(in);
  const Target<T> output = float_target<T>(out);
  for_each_input<T>(s, [&](const Stretch& inputs, const Stretch& windows, const auto& shares) {
    const Reading<T> from(gradients, inputs.start(), inputs.sources());
    const Writing<T> to(output, inputs.result_start(), inputs.results());
    const T* const g = from.get();
    T* const dx = to.get();
    visit<T>(windows, [=](const auto& block) {
      constexpr int kVectors = std::decay_t<decltype(block)>::kVectors;
      const T divisor = static_cast<T>(padded ? padded : block.count());
      Vec<T> share[kVectors];
      for (int v = 0; v < kVectors; ++v) share[v] = block.load_result(g + block.to, v) / divisor;
      block.store(shares(block.to), share);
    });
    visit<T>(inputs, [=](const auto& block) {
      constexpr int kVectors = std::decay_t<decltype(block)>::kVectors;
      Vec<T> sum[kVectors] = {};
      block.each([&](int64_t offset, int64_t) {
        const T* const from = shares(offset);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) sum[v] += block.load(from, v);
      });
      block.store(dx + block.to, sum);
    });
  });
}

}  // namespace

void register_pool(KernelSink& sink) {
#define ADDAX_POOL(op) \
  sink.set(#op,        \
           [](const KernelArgs& args) { with_compute(args.out[0].dtype, [&](auto c) { op<decltype(c)>(args); }); });
  ADDAX_POOL(max_pool)
  ADDAX_POOL(max_pool_grad)
  ADDAX_POOL(max_pool_select)
  ADDAX_POOL(avg_pool)
  ADDAX_POOL(avg_pool_grad)
#undef ADDAX_POOL
}

}  // namespace addax::cpu::ADDAX_ISA
