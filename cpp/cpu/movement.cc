// CPU kernels of the movement family: strided copies.
#include "ops/movement.h"

#include <cstring>

#include "core/copy.h"
#include "cpu/bits.h"
#include "cpu/kernels.h"

namespace addax::cpu::ADDAX_ISA {
namespace {

char* at(const View& view, int64_t element) { return view.as<char>() + element * size_of(view.dtype); }

void reshape_kernel(const KernelArgs& args) {
  const View &x = args.in[0], &out = args.out[0];
  copy_strided(out.data, contiguous_strides(x.shape), x.data, x.strides, x.shape, size_of(x.dtype));
}

// The view that `apply` would have returned, copied: for whoever needs the values in a place of their own.
template <ViewRule rule>
void view_kernel(const KernelArgs& args) {
  const View &x = args.in[0], &out = args.out[0];
  Layout layout;
  rule({x.shape, x.strides, 0}, out.shape, args.attrs, layout);
  copy_strided(out.data, out.strides, at(x, layout.offset), layout.strides, out.shape, size_of(x.dtype));
}

void slice_update_kernel(const KernelArgs& args) {
  const View &x = args.in[0], &update = args.in[1], &out = args.out[0];
  const int64_t item = size_of(x.dtype);
  if (x.data != out.data) copy_strided(out.data, out.strides, x.data, x.strides, x.shape, item);
  Layout layout;
  slice_view({out.shape, out.strides, 0}, update.shape, args.attrs, layout);
  copy_strided(at(out, layout.offset), layout.strides, update.data, update.strides, update.shape, item);
}

void concatenate_kernel(const KernelArgs& args) {
  const View& out = args.out[0];
  const int axis = normalize_axis(args.attrs.as<ConcatenateAttrs>().axis, out.rank(), "concatenate");
  int64_t offset = 0;
  for (const View& x : args.in) {
    copy_strided(at(out, offset), out.strides, x.data, x.strides, x.shape, size_of(x.dtype));
    offset += x.shape[axis] * out.strides[axis];
  }
}

// Axes after the last padded one form the items of a row; a row is the last padded axis; the axes before it number the
// rows. `sources` holds, axis after axis, the position that each position of the output reads, -1 for the constant.
template <class T>
void pad_rows(const View& x, const View& out, const PadAttrs& attrs, const int64_t* sources, T value) {
  int axis = x.rank() - 1;
  while (axis > 0 && attrs.low[axis] == 0 && attrs.high[axis] == 0) --axis;
  int64_t item = 1, rows = 1;
  for (int d = axis + 1; d < x.rank(); ++d) item *= x.shape[d];
  for (int d = 0; d < axis; ++d) rows *= out.shape[d];
  const int64_t n = x.shape[axis], low = attrs.low[axis], width = out.shape[axis];
  const int64_t* from = sources;  // of the row's axis
  for (int d = 0; d < axis; ++d) from += out.shape[d];
  const T* src = x.as<T>();
  T* dst = out.as<T>();

  const int64_t block = std::max<int64_t>(1, 65536 / (width * item * static_cast<int64_t>(sizeof(T))));
  parallel_for(rows, block, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      T* to = dst + r * width * item;
      int64_t rest = r, row = 0, step = 1;
      const int64_t* table = from;
      for (int d = axis - 1; d >= 0 && row >= 0; --d) {
        table -= out.shape[d];
        const int64_t source = table[rest % out.shape[d]];
        row = source < 0 ? -1 : row + source * step;
        rest /= out.shape[d];
        step *= x.shape[d];
      }
      if (row < 0) {
        std::fill_n(to, width * item, value);
        continue;
      }
      const T* line = src + row * n * item;
      auto edge = [&](int64_t first, int64_t last) {
        for (int64_t i = first; i < last; ++i)
          if (item == 1)
            to[i] = from[i] < 0 ? value : line[from[i]];
          else if (from[i] < 0)
            std::fill_n(to + i * item, item, value);
          else
            std::copy_n(line + from[i] * item, item, to + i * item);
      };
      edge(0, low);
      std::memcpy(to + low * item, line, static_cast<size_t>(n * item) * sizeof(T));
      edge(low + n, width);
    }
  });
}

void pad_kernel(const KernelArgs& args) {
  const View &x = args.in[0], &out = args.out[0];
  const PadAttrs& attrs = args.attrs.as<PadAttrs>();
  const int64_t item = size_of(x.dtype);
  if (out.rank() == 0) {
    std::memcpy(out.data, x.data, static_cast<size_t>(item));
    return;
  }
  const PadMode mode = pad_mode(attrs.mode);
  int64_t total = 0;
  for (int64_t n : out.shape) total += n;
  Scratch<int64_t> sources(total, "pad");
  int64_t* to = sources.get();
  for (int d = 0; d < out.rank(); ++d)
    for (int64_t i = 0; i < out.shape[d]; ++i) *to++ = pad_source(mode, i - attrs.low[d], x.shape[d]);
  const uint64_t value = bits_of(attrs.value, x.dtype);
  with_bytes(x.dtype, [&](auto tag) {
    using T = decltype(tag);
    pad_rows<T>(x, out, attrs, sources.get(), static_cast<T>(value));
  });
}

}  // namespace

void register_movement(KernelSink& sink) {
  sink.set("reshape", reshape_kernel);
  sink.set("transpose", view_kernel<transpose_view>);
  sink.set("broadcast_to", view_kernel<broadcast_to_view>);
  sink.set("slice", view_kernel<slice_view>);
  sink.set("flip", view_kernel<flip_view>);
  sink.set("barrier", view_kernel<identity_view>);
  sink.set("shard", view_kernel<identity_view>);
  sink.set("slice_update", slice_update_kernel);
  sink.set("concatenate", concatenate_kernel);
  sink.set("pad", pad_kernel);
}

}  // namespace addax::cpu::ADDAX_ISA
