// CPU kernels of the index family. Indices are first checked and widened to positions in int64; then bytes move by
// size. Updates to one place are applied in the order of the indices, whatever the cut into pieces: same bits for any
// number of threads.
#include "ops/index.h"

#include <atomic>
#include <cstring>
#include <limits>

#include "addax/device.h"
#include "core/copy.h"
#include "cpu/bits.h"
#include "cpu/kernels.h"
#include "cpu/packed.h"

namespace addax::cpu::ADDAX_ISA {
namespace {

constexpr int64_t kGrain = 64 * 1024;  // bytes of one piece of work

int64_t product(const Shape& shape, int first, int last) {
  int64_t n = 1;
  for (int i = first; i < last; ++i) n *= shape[i];
  return n;
}

void widen(const View& indices, const char* what, int64_t* to) {
  const Packed packed(indices, what);
  with_any(indices.dtype, [&](auto tag) {
    using T = decltype(tag);
    if constexpr (std::is_integral_v<T>) {
      const T* from = packed.as<T>();
      parallel_for(indices.numel(), kGrain / 8, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
          if constexpr (std::is_same_v<T, uint64_t>)
            to[i] = static_cast<int64_t>(std::min<uint64_t>(from[i], std::numeric_limits<int64_t>::max()));
          else
            to[i] = static_cast<int64_t>(from[i]);
      });
    }
  });
}

// Each row of k indices, which address axes `first_axis`, ... of x, becomes one row-major position among them.
class Positions {
 public:
  Positions(const KernelArgs& args, const View& indices, int first_axis, int k)
      : count_(indices.numel() / k), positions_(indices.numel(), args.op.name) {
    int64_t* p = positions_.get();
    widen(indices, args.op.name, p);
    const Shape sizes(args.in[0].shape.begin() + first_axis, args.in[0].shape.begin() + first_axis + k);
    std::atomic<bool> bad{false};
    parallel_for(count_, kGrain / 8, [&](int64_t begin, int64_t end) {
      bool outside = false;
      if (k == 1) {
        const int64_t n = sizes[0];
        for (int64_t i = begin; i < end; ++i) outside |= p[i] < -n || p[i] >= n;
      } else {
        for (int64_t i = begin; i < end; ++i)
          for (int d = 0; d < k; ++d) outside |= p[i * k + d] < -sizes[d] || p[i * k + d] >= sizes[d];
      }
      if (outside) bad = true;
    });
    if (bad) report(args.op, sizes, first_axis);
    // In order: position i is written where row i / k was read.
    if (k == 1) {
      const int64_t n = sizes[0];
      parallel_for(count_, kGrain / 8, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) p[i] += p[i] < 0 ? n : 0;
      });
    } else {
      for (int64_t i = 0; i < count_; ++i) {
        int64_t position = 0;
        for (int d = 0; d < k; ++d) {
          const int64_t index = p[i * k + d];
          position = position * sizes[d] + index + (index < 0 ? sizes[d] : 0);
        }
        p[i] = position;
      }
    }
  }
  int64_t size() const { return count_; }
  const int64_t* data() const { return positions_.get(); }

 private:
  [[noreturn]] void report(const OpDef& op, const Shape& sizes, int first_axis) const {
    for (int64_t i = 0;; ++i) {
      const int d = static_cast<int>(i % sizes.rank());
      const int64_t index = positions_[i], n = sizes[d];
      if (index >= -n && index < n) continue;
      if (n == 0) fail<IndexError>(op.name, ": index ", index, " into axis ", first_axis + d, ", which is empty");
      fail<IndexError>(op.name, ": index ", index, " is out of range for axis ", first_axis + d, " of size ", n,
                       "; expected ", -n, " to ", n - 1);
    }
  }

  int64_t count_;
  Scratch<int64_t> positions_;
};

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
  const Positions positions(args, args.in[1], axis, 1);
  gather(out.as<char>(), x.as<char>(), product(x.shape, 0, axis), x.shape[axis], positions,
         product(x.shape, axis + 1, x.rank()) * size_of(x.dtype));
}

void gather_nd_kernel(const KernelArgs& args) {
  const View &x = args.in[0], &indices = args.in[1], &out = args.out[0];
  const int k = static_cast<int>(indices.shape.back());
  const Positions positions(args, indices, 0, k);
  gather(out.as<char>(), x.as<char>(), 1, 0, positions, product(x.shape, k, x.rank()) * size_of(x.dtype));
}

void take_along_axis_kernel(const KernelArgs& args) {
  const View &x = args.in[0], &out = args.out[0];
  const int axis = normalize_axis(args.attrs.as<AlongAxisAttrs>().axis, x.rank(), "take_along_axis");
  const Positions positions(args, args.in[1], axis, 1);
  const int64_t inner = product(x.shape, axis + 1, x.rank()), n = x.shape[axis], m = out.shape[axis];
  with_bytes(x.dtype, [&](auto tag) {
    using T = decltype(tag);
    const T* src = x.as<T>();
    T* dst = out.as<T>();
    parallel_for(out.numel() / inner, std::max<int64_t>(1, kGrain / 8 / inner), [&](int64_t begin, int64_t end) {
      const int64_t* p = positions.data();
      while (begin < end) {
        const int64_t o = begin / m, stop = std::min(end, (o + 1) * m);
        const T* from = src + o * n * inner;
        if (inner == 1)
          for (; begin < stop; ++begin) dst[begin] = from[p[begin]];
        else
          for (; begin < stop; ++begin)
            for (int64_t i = begin * inner; i < (begin + 1) * inner; ++i)
              dst[i] = from[p[i] * inner + i - begin * inner];
      }
    });
  });
}

// ---- writing

void copy_to_output(const View& x, const View& out) {
  if (x.data != out.data) copy_strided(out.data, out.strides, x.data, x.strides, x.shape, size_of(x.dtype));
}

// Calls update(j, begin, end) for each position j and all columns of a row, j in order for each place and column. Wide
// rows are cut by columns, narrow ones by ranges of places. The cut follows the number of threads, the bits do not.
template <class Update>
void for_each_update(const Positions& positions, int64_t places, int64_t columns, int64_t item, Update&& update) {
  const int64_t n = positions.size(), line = 64 / item;
  const int64_t* p = positions.data();
  const int64_t threads = n * columns * item < kGrain ? 1 : num_threads();
  if (columns >= 2 * line || threads == 1) {
    const int64_t block = std::max(line, (columns / threads + line - 1) / line * line);
    parallel_for(columns, threads == 1 ? columns : block, [&](int64_t begin, int64_t end) {
      for (int64_t j = 0; j < n; ++j) update(j, begin, end);
    });
    return;
  }
  parallel_for(places, (places + threads - 1) / threads, [&](int64_t begin, int64_t end) {
    for (int64_t j = 0; j < n; ++j)
      if (p[j] >= begin && p[j] < end) update(j, 0, columns);
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
  const Positions positions(args, indices, 0, k);
  const int64_t places = product(out.shape, 0, k), columns = product(out.shape, k, out.rank());
  copy_to_output(args.in[0], out);
  accumulate(out, args.in[2], "scatter_add", [&](auto* sums, const auto* updates) {
    using Sum = std::remove_pointer_t<decltype(sums)>;
    const int64_t* p = positions.data();
    for_each_update(positions, places, columns, sizeof(Sum), [=](int64_t j, int64_t begin, int64_t end) {
      Sum* __restrict to = sums + p[j] * columns;
      const auto* __restrict from = updates + j * columns;
      for (int64_t c = begin; c < end; ++c) to[c] = static_cast<Sum>(to[c] + static_cast<Sum>(from[c]));
    });
  });
}

void scatter_kernel(const KernelArgs& args) {
  const View &indices = args.in[1], &out = args.out[0];
  const int k = static_cast<int>(indices.shape.back());
  const Positions positions(args, indices, 0, k);
  const int64_t places = product(out.shape, 0, k), bytes = product(out.shape, k, out.rank()) * size_of(out.dtype);
  copy_to_output(args.in[0], out);
  const Packed packed(args.in[2], "scatter");
  const char* from = packed.as<char>();
  char* to = out.as<char>();
  const int64_t* p = positions.data();
  for_each_update(positions, places, bytes, 1, [=](int64_t j, int64_t begin, int64_t end) {
    std::memcpy(to + p[j] * bytes + begin, from + j * bytes + begin, static_cast<size_t>(end - begin));
  });
}

void scatter_add_along_axis_kernel(const KernelArgs& args) {
  const View &indices = args.in[1], &out = args.out[0];
  const int axis = normalize_axis(args.attrs.as<AlongAxisAttrs>().axis, out.rank(), "scatter_add_along_axis");
  const Positions positions(args, indices, axis, 1);
  const int64_t outer = product(out.shape, 0, axis), inner = product(out.shape, axis + 1, out.rank());
  const int64_t n = out.shape[axis], m = indices.shape[axis];
  copy_to_output(args.in[0], out);
  accumulate(out, args.in[2], "scatter_add_along_axis", [&](auto* sums, const auto* updates) {
    using Sum = std::remove_pointer_t<decltype(sums)>;
    const int64_t* p = positions.data();
    const int64_t columns = std::min<int64_t>(inner, 64), across = (inner + columns - 1) / columns;
    const int64_t block = std::max<int64_t>(1, kGrain / 8 / std::max<int64_t>(1, m * columns));
    parallel_for(outer * across, block, [&](int64_t begin, int64_t end) {
      for (int64_t piece = begin; piece < end; ++piece) {
        const int64_t o = piece / across, first = piece % across * columns, last = std::min(inner, first + columns);
        Sum* to = sums + o * n * inner;
        for (int64_t row = o * m * inner; row < (o + 1) * m * inner; row += inner)
          for (int64_t i = first; i < last; ++i) {
            Sum& sum = to[p[row + i] * inner + i];
            sum = static_cast<Sum>(sum + static_cast<Sum>(updates[row + i]));
          }
      }
    });
  });
}

void one_hot_kernel(const KernelArgs& args) {
  const View &indices = args.in[0], &out = args.out[0];
  const int64_t n = indices.numel(), depth = out.shape.back();
  Scratch<int64_t> positions(n, "one_hot");
  widen(indices, "one_hot", positions.get());
  const uint64_t one = bits_of(1, out.dtype);
  with_bytes(out.dtype, [&](auto tag) {
    using T = decltype(tag);
    T* to = out.as<T>();
    parallel_for(n, std::max<int64_t>(1, kGrain / (depth * static_cast<int64_t>(sizeof(T)))),
                 [&](int64_t begin, int64_t end) {
                   std::fill(to + begin * depth, to + end * depth, T(0));
                   for (int64_t i = begin; i < end; ++i)
                     if (positions[i] >= 0 && positions[i] < depth) to[i * depth + positions[i]] = static_cast<T>(one);
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
