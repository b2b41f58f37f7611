// CPU kernels of the index family. Indices are first checked and widened to positions in int64; then bytes move by
// size. Updates to one place are applied in the order of the indices, whatever the cut into pieces: same bits for any
// number of threads.
#include "ops/index.h"

#include <atomic>
#include <cstring>

#include "addax/device.h"
#include "core/copy.h"
#include "cpu/bits.h"
#include "cpu/indices.h"
#include "cpu/packed.h"

namespace addax::cpu::ADDAX_ISA {
namespace {

// ---- reading

template <int N>
void gather_fixed(char* dst, const char* src, const int64_t* positions, int64_t n) {
  for (int64_t i = 0; i < n; ++i) std::memcpy(dst + i * N, src + positions[i] * N, N);
}

// dst[o, j] = src[o, positions[j]] in items of some bytes; the axis of src has `axis` items.
void gather(char* dst, const char* src, int64_t outer, int64_t axis, const Positions& positions, int64_t bytes) {
  const int64_t m = positions.size();
  parallel_for(outer * m, std::max<int64_t>(1, kGrain / bytes), [&](int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t o = begin / m, j = begin % m, n = std::min(m - j, end - begin);
      char* to = dst + begin * bytes;
      const char* from = src + o * axis * bytes;
      const int64_t* p = positions.data() + j;
      switch (bytes) {
        case 1:
          gather_fixed<1>(to, from, p, n);
          break;
        case 2:
          gather_fixed<2>(to, from, p, n);
          break;
        case 4:
          gather_fixed<4>(to, from, p, n);
          break;
        case 8:
          gather_fixed<8>(to, from, p, n);
          break;
        case 16:
          gather_fixed<16>(to, from, p, n);
          break;
        default:
          for (int64_t i = 0; i < n; ++i) std::memcpy(to + i * bytes, from + p[i] * bytes, static_cast<size_t>(bytes));
      }
      begin += n;
    }
  });
}

void take_kernel(const KernelArgs& args) {
  const View &x = args.in[0], &out = args.out[0];
  const int axis = normalize_axis(args.attrs.as<AlongAxisAttrs>().axis, x.rank(), "take");
  const Positions positions(Indices(args.op.name, x, args.in[1], axis, 1));
  gather(out.as<char>(), x.as<char>(), product(x.shape, 0, axis), x.shape[axis], positions,
         product(x.shape, axis + 1, x.rank()) * size_of(x.dtype));
}

void gather_nd_kernel(const KernelArgs& args) {
  const View &x = args.in[0], &indices = args.in[1], &out = args.out[0];
  const int k = static_cast<int>(indices.shape.back());
  const Positions positions(Indices(args.op.name, args.in[0], args.in[1], 0, k));
  gather(out.as<char>(), x.as<char>(), 1, 0, positions, product(x.shape, k, x.rank()) * size_of(x.dtype));
}

// Walks an array (outer, m, inner) whose elements are addressed in x (outer, n, inner): each by its outer position, an
// index into n, and its column.
struct AlongAxis {
  int64_t n, m, inner;

  /// Calls f(first, count, base, step) for runs of the elements [begin, begin + total): element `first` + j of them
  /// has its place in x at base + index * inner + j * step.
  template <class F>
  void for_each_run(int64_t begin, int64_t total, F&& f) const {
    const int64_t length = inner == 1 ? m : inner, runs = inner == 1 ? 1 : m;
    int64_t base = begin / (m * inner) * n * inner, rest = begin % (m * inner), run = rest / length, i = rest % length;
    for (int64_t first = 0; first < total; i = 0) {
      const int64_t count = std::min(length - i, total - first);
      f(first, count, inner == 1 ? base : base + i, inner == 1 ? 0 : 1);
      first += count;
      if (++run < runs) continue;
      run = 0;
      base += n * inner;
    }
  }
};

void take_along_axis_kernel(const KernelArgs& args) {
  const View &x = args.in[0], &out = args.out[0];
  const int axis = normalize_axis(args.attrs.as<AlongAxisAttrs>().axis, x.rank(), "take_along_axis");
  const Indices indices(args.op.name, args.in[0], args.in[1], axis, 1);
  const AlongAxis along{x.shape[axis], out.shape[axis], product(x.shape, axis + 1, x.rank())};
  std::atomic<bool> bad{false};
  with_bytes(x.dtype, [&](auto tag) {
    using T = decltype(tag);
    const T* src = x.as<T>();
    T* dst = out.as<T>();
    parallel_for(out.numel(), kGrain / 8, [&](int64_t begin, int64_t end) {
      int64_t p[Indices::kChunk];
      for (; begin < end; begin += Indices::kChunk) {
        const int64_t count = std::min(Indices::kChunk, end - begin);
        if (!indices.read(begin, count, p)) {
          bad = true;
          return;
        }
        along.for_each_run(begin, count, [&](int64_t first, int64_t n, int64_t base, int64_t step) {
          T* to = dst + begin + first;
          const T* from = src + base;
          const int64_t* q = p + first;
          if (step == 0)
            for (int64_t j = 0; j < n; ++j) to[j] = from[q[j]];
          else
            for (int64_t j = 0; j < n; ++j) to[j] = from[q[j] * along.inner + j];
        });
      }
    });
  });
  if (bad) indices.report();
}

// ---- writing

void copy_to_output(const View& x, const View& out) {
  if (x.data != out.data) copy_strided(out.data, out.strides, x.data, x.strides, x.shape, size_of(x.dtype));
}

// Calls update(j, begin, end) for each position j in order and columns of its row. Wide rows are cut by columns among
// the threads; the bits do not depend on the cut, for every place and column sees its updates in order.
template <class Update>
void for_each_update(const Positions& positions, int64_t columns, int64_t item, Update&& update) {
  const int64_t n = positions.size(), line = 64 / item;
  const int64_t pieces = n * columns * item < kGrain ? 1 : num_threads();
  const int64_t block = (columns + pieces * line - 1) / (pieces * line) * line;
  parallel_for(columns, block, [&](int64_t begin, int64_t end) {
    for (int64_t j = 0; j < n; ++j) update(j, begin, end);
  });
}

// Calls add(accumulator, updates) with typed memory for out += updates. Accumulation is in float for the 16-bit floats.
template <class Add>
void accumulate(const View& out, const View& updates, const char* what, Add&& add) {
  const Packed packed(updates, what);
  auto in_place = [&](auto tag) {
    using T = decltype(tag);
    add(out.as<T>(), packed.as<T>());
  };
  switch (out.dtype) {
    case Dtype::Float16:
    case Dtype::BFloat16:
      with_float(out.dtype, [&](auto tag) {
        using T = decltype(tag);
        if constexpr (sizeof(T) == 2) {
          const int64_t n = out.numel();
          Scratch<float> sums(n, what);
          T* values = out.as<T>();
          parallel_for(n, kGrain / 4, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) sums[i] = static_cast<float>(values[i]);
          });
          add(sums.get(), packed.as<T>());
          parallel_for(n, kGrain / 4, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) values[i] = T(sums[i]);
          });
        }
      });
      break;
    case Dtype::Float32:
      in_place(float());
      break;
    case Dtype::Float64:
      in_place(double());
      break;
    case Dtype::Bool:
      in_place(bool());
      break;
    default:
      with_bytes(out.dtype, in_place);  // integers wrap, signed or not
  }
}

void scatter_add_kernel(const KernelArgs& args) {
  const View &indices = args.in[1], &out = args.out[0];
  const int k = static_cast<int>(indices.shape.back());
  const Positions positions(Indices(args.op.name, args.in[0], args.in[1], 0, k));
  const int64_t columns = product(out.shape, k, out.rank());
  copy_to_output(args.in[0], out);
  accumulate(out, args.in[2], "scatter_add", [&](auto* sums, const auto* updates) {
    using Sum = std::remove_pointer_t<decltype(sums)>;
    const int64_t* p = positions.data();
    for_each_update(positions, columns, sizeof(Sum), [=](int64_t j, int64_t begin, int64_t end) {
      Sum* __restrict to = sums + p[j] * columns;
      const auto* __restrict from = updates + j * columns;
      for (int64_t c = begin; c < end; ++c) to[c] = static_cast<Sum>(to[c] + static_cast<Sum>(from[c]));
    });
  });
}

void scatter_kernel(const KernelArgs& args) {
  const View &indices = args.in[1], &out = args.out[0];
  const int k = static_cast<int>(indices.shape.back());
  const Positions positions(Indices(args.op.name, args.in[0], args.in[1], 0, k));
  const int64_t bytes = product(out.shape, k, out.rank()) * size_of(out.dtype);
  copy_to_output(args.in[0], out);
  const Packed packed(args.in[2], "scatter");
  const char* from = packed.as<char>();
  char* to = out.as<char>();
  const int64_t* p = positions.data();
  for_each_update(positions, bytes, 1, [=](int64_t j, int64_t begin, int64_t end) {
    std::memcpy(to + p[j] * bytes + begin, from + j * bytes + begin, static_cast<size_t>(end - begin));
  });
}

void scatter_add_along_axis_kernel(const KernelArgs& args) {
  const View& out = args.out[0];
  const int axis = normalize_axis(args.attrs.as<AlongAxisAttrs>().axis, out.rank(), "scatter_add_along_axis");
  const Indices indices(args.op.name, args.in[0], args.in[1], axis, 1);
  indices.read_all(nullptr);  // the output may be x itself: check before writing
  copy_to_output(args.in[0], out);
  const int64_t outer = product(out.shape, 0, axis), m = args.in[1].shape[axis];
  const AlongAxis along{out.shape[axis], m, product(out.shape, axis + 1, out.rank())};
  accumulate(out, args.in[2], "scatter_add_along_axis", [&](auto* sums, const auto* updates) {
    using Sum = std::remove_pointer_t<decltype(sums)>;
    auto add = [&](int64_t begin, int64_t count) {
      int64_t p[Indices::kChunk];
      indices.read(begin, count, p);
      along.for_each_run(begin, count, [&](int64_t first, int64_t n, int64_t base, int64_t step) {
        const auto* from = updates + begin + first;
        for (int64_t j = 0; j < n; ++j) {
          Sum& sum = sums[base + p[first + j] * along.inner + j * step];
          sum = static_cast<Sum>(sum + static_cast<Sum>(from[j]));
        }
      });
    };
    // A piece is a group of columns of one outer position, walked along the axis; narrow arrays are read in one go.
    const int64_t columns = std::min<int64_t>(along.inner, 64), across = (along.inner + columns - 1) / columns;
    const int64_t length = across == 1 ? m * along.inner : along.inner;
    const int64_t block = std::max<int64_t>(1, kGrain / 8 / std::max<int64_t>(1, m * columns));
    parallel_for(outer * across, block, [&](int64_t begin, int64_t end) {
      for (int64_t piece = begin; piece < end; ++piece) {
        const int64_t o = piece / across, first = piece % across * columns, stop = (o + 1) * m * along.inner;
        const int64_t width = across == 1 ? length : std::min(columns, along.inner - first);
        for (int64_t row = o * m * along.inner + first; row < stop; row += length)
          for (int64_t e = 0; e < width; e += Indices::kChunk) add(row + e, std::min(Indices::kChunk, width - e));
      }
    });
  });
}

void one_hot_kernel(const KernelArgs& args) {
  const View &indices = args.in[0], &out = args.out[0];
  const int64_t n = indices.numel(), depth = out.shape.back(), item = size_of(indices.dtype);
  const Reader reader = reader_of(indices.dtype);
  const uint64_t one = bits_of(1, out.dtype);
  with_bytes(out.dtype, [&](auto tag) {
    using T = decltype(tag);
    T* to = out.as<T>();
    const int64_t block = std::max<int64_t>(1, kGrain / (depth * static_cast<int64_t>(sizeof(T))));
    parallel_for(n, block, [&](int64_t begin, int64_t end) {
      std::fill(to + begin * depth, to + end * depth, T(0));
      for (int64_t i = begin; i < end; ++i) {
        int64_t index;
        reader(indices.as<char>() + i * item, 1, 1, 0, false, &index);  // size 0: negative ones stay as they are
        if (index >= 0 && index < depth) to[i * depth + index] = static_cast<T>(one);
      }
    });
  });
}

}  // namespace

void register_index(KernelSink& sink) {
  sink.set("take", take_kernel);
  sink.set("take_along_axis", take_along_axis_kernel);
  sink.set("gather_nd", gather_nd_kernel);
  sink.set("scatter_add", scatter_add_kernel);
  sink.set("scatter", scatter_kernel);
  sink.set("scatter_add_along_axis", scatter_add_along_axis_kernel);
  sink.set("one_hot", one_hot_kernel);
}

}  // namespace addax::cpu::ADDAX_ISA
