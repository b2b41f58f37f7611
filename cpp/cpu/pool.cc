// CPU kernels of the pool family. Vectors run over channels. Forward ops are cut over output positions; gradients over
// disjoint stretches of the input, whose windows are visited in order, so overlapping windows add up in one order.
#include "ops/pool.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "cpu/kernels.h"

namespace addax::cpu::ADDAX_ISA {
namespace {

constexpr int64_t kTaskWork = 1 << 16;  // elements read per task

using Triple = std::array<int64_t, 3>;

#if defined(__AVX512F__)
constexpr int kMaxBytes = 64;
#elif defined(__AVX2__)
constexpr int kMaxBytes = 32;
#else
constexpr int kMaxBytes = 16;
#endif

// N channels: a vector, or a plain number for N = 1, with the integers of its size as the type of tap numbers.
template <class T, int N>
struct Lanes {
  using Tap = std::conditional_t<sizeof(T) == 8, int64_t, int32_t>;
  typedef T Value __attribute__((vector_size(N * sizeof(T))));
  typedef Tap Index __attribute__((vector_size(N * sizeof(T))));

  template <class S>
  static Value load(const S* p) {
    Value v = {};
    if constexpr (std::is_same_v<S, T>)
      std::memcpy(&v, p, sizeof(v));
    else
      for (int i = 0; i < N; ++i) v[i] = static_cast<T>(p[i]);
    return v;
  }
  template <class S>
  static void store(S* p, Value v) {
    if constexpr (std::is_same_v<S, T>)
      std::memcpy(p, &v, sizeof(v));
    else
      for (int i = 0; i < N; ++i) p[i] = static_cast<S>(v[i]);
  }
};
template <class T>
struct Lanes<T, 1> {
  using Value = T;
  using Tap = int64_t;
  using Index = int64_t;

  template <class S>
  static T load(const S* p) {
    return static_cast<T>(*p);
  }
  template <class S>
  static void store(S* p, T v) {
    *p = static_cast<S>(v);
  }
};

// Calls f(Lanes, first channel) over all channels, widest vectors first.
template <class T, int N = kMaxBytes / static_cast<int>(sizeof(T)), class F>
void cover_channels(int64_t channels, F&& f, int64_t first = 0) {
  for (; first + N <= channels; first += N) f(Lanes<T, N>(), first);
  if constexpr (N > 1)
    if (first < channels) cover_channels<T, (N > 4 ? N / 2 : 1)>(channels, f, first);
}

struct Pooling {
  int64_t batch, channels, positions;  // positions: outputs of one image
  Triple in, out, window, stride, low;
  bool count_padding = false;

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
    positions = out[0] * out[1] * out[2];
  }
  int64_t taps() const { return window[0] * window[1] * window[2]; }
  int64_t image() const { return in[0] * in[1] * in[2] * channels; }
};

// The part of a window that lies inside the input.
struct Window {
  Triple first, count;

  // Moves along one dim.
  void place(const Pooling& s, size_t dim, int64_t position) {
    const int64_t start = position * s.stride[dim] - s.low[dim];
    first[dim] = std::max<int64_t>(start, 0);
    count[dim] = std::min(start + s.window[dim], s.in[dim]) - first[dim];
  }
  // Calls f(offset of the tap's first channel, number of the tap).
  template <class F>
  void taps(const Pooling& s, F&& f) const {
    int64_t tap = 0;
    for (int64_t d = first[0]; d < first[0] + count[0]; ++d)
      for (int64_t h = first[1]; h < first[1] + count[1]; ++h) {
        int64_t offset = ((d * s.in[1] + h) * s.in[2] + first[2]) * s.channels;
        for (int64_t w = 0; w < count[2]; ++w, offset += s.channels) f(offset, tap++);
      }
  }
  int64_t divisor(const Pooling& s) const {
    return s.count_padding ? s.taps() : std::max<int64_t>(1, count[0] * count[1] * count[2]);
  }
};

// Calls f(Lanes, image, output offset, window, channel) for every output and stretch of channels, in parallel.
template <class T, class F>
void for_each_output(const Pooling& s, F&& f) {
  const int64_t rows = s.batch * s.out[0] * s.out[1], work = s.out[2] * s.taps() * s.channels;
  parallel_for(rows, std::max<int64_t>(1, kTaskWork / std::max<int64_t>(1, work)), [&](int64_t begin, int64_t end) {
    cover_channels<T>(s.channels, [&](auto lanes, int64_t channel) {
      for (int64_t row = begin; row < end; ++row) {
        const int64_t image = row / (s.out[0] * s.out[1]);
        Window window;
        window.place(s, 0, row / s.out[1] % s.out[0]);
        window.place(s, 1, row % s.out[1]);
        for (int64_t w = 0; w < s.out[2]; ++w) {
          window.place(s, 2, w);
          f(lanes, image, (row * s.out[2] + w) * s.channels, window, channel);
        }
      }
    });
  });
}

// The number of the first largest tap; the first NaN counts as largest.
template <class L, class S>
typename L::Index first_maximum(const Pooling& s, const Window& window, const S* x) {
  using Value = typename L::Value;
  using Index = typename L::Index;
  Value best = Value{} - std::numeric_limits<float>::infinity();
  Index where = Index{};
  window.taps(s, [&](int64_t offset, int64_t tap) {
    const Value value = L::load(x + offset);
    const auto larger = (best == best) & !(value <= best);  // true for the first NaN
    best = larger ? value : best;
    where = larger ? Index{} + static_cast<typename L::Tap>(tap) : where;
  });
  return where;
}

template <class S>
void max_pool(const KernelArgs& args) {
  using T = compute_t<S>;
  const View &x = args.in[0], &y = args.out[0];
  const Pooling s(x.shape, y.shape, args.attrs.as<PoolAttrs>());
  for_each_output<T>(s, [&](auto lanes, int64_t image, int64_t output, const Window& window, int64_t channel) {
    using L = decltype(lanes);
    using Value = typename L::Value;
    const S* const from = x.as<const S>() + image * s.image() + channel;
    Value best = Value{} - std::numeric_limits<float>::infinity();
    window.taps(s, [&](int64_t offset, int64_t) {
      const Value value = L::load(from + offset);
      best = ((value > best) | (value != value)) ? value : best;
    });
    L::store(y.as<S>() + output + channel, best);
  });
}

template <class S>
void max_pool_select(const KernelArgs& args) {
  using T = compute_t<S>;
  const View &x = args.in[0], &v = args.in[1], &y = args.out[0];
  const Pooling s(x.shape, y.shape, args.attrs.as<PoolAttrs>());
  for_each_output<T>(s, [&](auto lanes, int64_t image, int64_t output, const Window& window, int64_t channel) {
    using L = decltype(lanes);
    const int64_t base = image * s.image() + channel;
    const auto where = first_maximum<L>(s, window, x.as<const S>() + base);
    typename L::Value value = {};
    window.taps(s, [&](int64_t offset, int64_t tap) {
      value = where == static_cast<typename L::Tap>(tap) ? L::load(v.as<const S>() + base + offset) : value;
    });
    L::store(y.as<S>() + output + channel, value);
  });
}

template <class S>
void avg_pool(const KernelArgs& args) {
  using T = compute_t<S>;
  const View &x = args.in[0], &y = args.out[0];
  const auto& attrs = args.attrs.as<AvgPoolAttrs>();
  Pooling s(x.shape, y.shape, attrs);
  s.count_padding = attrs.count_padding;
  for_each_output<T>(s, [&](auto lanes, int64_t image, int64_t output, const Window& window, int64_t channel) {
    using L = decltype(lanes);
    const S* const from = x.as<const S>() + image * s.image() + channel;
    typename L::Value sum = {};
    window.taps(s, [&](int64_t offset, int64_t) { sum += L::load(from + offset); });
    L::store(y.as<S>() + output + channel, sum / static_cast<T>(window.divisor(s)));
  });
}

// A task owns layers [begin, end) of the input along its first long dim. Calls f(Lanes, image, output offset, window,
// channel, add) for every window that touches them, where add(offset, value) adds to the owned part of dx alone.
template <class S, class F>
void for_each_input(const Pooling& s, S* dx, F&& f) {
  using T = compute_t<S>;
  const size_t cut = s.in[0] > 1 ? 0 : s.in[1] > 1 ? 1 : 2;
  const int64_t layers = s.in[cut], layer = s.image() / layers;
  const int64_t work = std::max<int64_t>(1, layer * s.taps() / s.stride[cut]);
  // A window on the border of two blocks is read twice, so a block is long against a window.
  const int64_t block = std::min(layers, std::max(kTaskWork / work, 4 * s.window[cut])),
                blocks = (layers + block - 1) / block;
  bool disjoint = true;  // windows: each input is added to once
  for (size_t i = 0; i < 3; ++i) disjoint &= s.stride[i] >= s.window[i];
  const int64_t images = std::max<int64_t>(1, kTaskWork / (work * layers));
  parallel_for(s.batch * blocks, images, [&](int64_t first_task, int64_t last_task) {
    Scratch<T> memory(std::is_same_v<S, T> ? 0 : block * layer, "pool gradient");
    for (int64_t task = first_task; task < last_task; ++task) {
      const int64_t image = task / blocks, begin = task % blocks * block, end = std::min(begin + block, layers);
      S* const owned = dx + image * s.image() + begin * layer;
      T* sum = memory.get();
      if constexpr (std::is_same_v<S, T>) sum = owned;
      std::fill_n(sum, (end - begin) * layer, T(0));
      Triple first = {0, 0, 0}, last = s.out;
      first[cut] = std::max<int64_t>(0, (begin + s.low[cut] - s.window[cut] + s.stride[cut]) / s.stride[cut]);
      last[cut] = std::min(s.out[cut], (end - 1 + s.low[cut]) / s.stride[cut] + 1);
      cover_channels<T>(s.channels, [&](auto lanes, int64_t channel) {
        using L = decltype(lanes);
        const auto add = [&](int64_t offset, typename L::Value value) {
          const int64_t at = offset - begin * layer;
          if (at < 0 || at >= (end - begin) * layer) return;
          L::store(sum + at + channel, disjoint ? value : L::load(sum + at + channel) + value);
        };
        Window window;
        for (int64_t d = first[0]; d < last[0]; ++d) {
          window.place(s, 0, d);
          for (int64_t h = first[1]; h < last[1]; ++h) {
            window.place(s, 1, h);
            int64_t output = (image * s.positions + (d * s.out[1] + h) * s.out[2] + first[2]) * s.channels;
            for (int64_t w = first[2]; w < last[2]; ++w, output += s.channels) {
              window.place(s, 2, w);
              f(lanes, image, output, window, channel, add);
            }
          }
        }
      });
      if constexpr (!std::is_same_v<S, T>)
        for (int64_t i = 0; i < (end - begin) * layer; ++i) owned[i] = static_cast<S>(sum[i]);
    }
  });
}

template <class S>
void max_pool_grad(const KernelArgs& args) {
  const View &x = args.in[0], &g = args.in[1], &dx = args.out[0];
  const Pooling s(x.shape, g.shape, args.attrs.as<PoolAttrs>());
  for_each_input(
      s, dx.as<S>(),
      [&](auto lanes, int64_t image, int64_t output, const Window& window, int64_t channel, const auto& add) {
        using L = decltype(lanes);
        using Value = typename L::Value;
        const auto where = first_maximum<L>(s, window, x.as<const S>() + image * s.image() + channel);
        const Value gradient = L::load(g.as<const S>() + output + channel);
        window.taps(s, [&](int64_t offset, int64_t tap) {
          add(offset, where == static_cast<typename L::Tap>(tap) ? gradient : Value{});
        });
      });
}

template <class S>
void avg_pool_grad(const KernelArgs& args) {
  using T = compute_t<S>;
  const View &g = args.in[0], &dx = args.out[0];
  const auto& attrs = args.attrs.as<AvgPoolGradAttrs>();
  Pooling s(dx.shape, g.shape, attrs);
  s.count_padding = attrs.count_padding;
  for_each_input(
      s, dx.as<S>(), [&](auto lanes, int64_t, int64_t output, const Window& window, int64_t channel, const auto& add) {
        using L = decltype(lanes);
        const auto gradient = L::load(g.as<const S>() + output + channel) / static_cast<T>(window.divisor(s));
        window.taps(s, [&](int64_t offset, int64_t) { add(offset, gradient); });
      });
}

}  // namespace

void register_pool(KernelSink& sink) {
#define ADDAX_POOL(op) \
  sink.set(#op,        \
           [](const KernelArgs& args) { with_float(args.out[0].dtype, [&](auto tag) { op<decltype(tag)>(args); }); });
  ADDAX_POOL(max_pool)
  ADDAX_POOL(max_pool_grad)
  ADDAX_POOL(max_pool_select)
  ADDAX_POOL(avg_pool)
  ADDAX_POOL(avg_pool_grad)
#undef ADDAX_POOL
}

}  // namespace addax::cpu::ADDAX_ISA
