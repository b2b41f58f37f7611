// Where a convolution reads and writes: every conv op is one or more passes, each a plain correlation of a source image
// over a grid of positions. The arithmetic is in cpu/conv.cc.
#pragma once

#include <algorithm>
#include <array>

#include "core/kept.h"
#include "core/scratch.h"
#include "cpu/fused.h"
#include "cpu/gemm/tile.h"
#include "ops/conv.h"

namespace addax::cpu::ADDAX_ISA {

using Triple = std::array<int64_t, 3>;

/// One spatial dim of a pass. Position q reads source coordinates src_first + q * src_step + u * tap_step for the taps
/// u in [0, taps), which are the filter's taps tap_first + u * tap_stride, and writes coordinate dst_first + q *
/// dst_step. Source coordinates outside [0, src_size) read zero.
struct Axis {
  int64_t src_size = 1, src_first = 0, src_step = 1;
  int64_t taps = 1, tap_step = 1, tap_first = 0, tap_stride = 1;
  int64_t grid = 1, dst_size = 1, dst_first = 0, dst_step = 1;
};

struct Pass {
  std::array<Axis, 3> axis;

  int64_t taps() const { return axis[0].taps * axis[1].taps * axis[2].taps; }
  int64_t grid() const { return axis[0].grid * axis[1].grid * axis[2].grid; }
  /// The axis along which work is cut: the first that has more than one position.
  int cut() const { return axis[0].grid > 1 ? 0 : axis[1].grid > 1 ? 1 : 2; }
};

/// Positions [begin, end) of the cut axis and all of the others.
struct Slab {
  int64_t begin, end;
};

/// The convolution behind all three ops, with missing spatial dims of size 1 in front.
struct ConvShape {
  int64_t batch, channels, outputs, groups;
  Triple in, out, filter, stride, low, dilation;

  ConvShape(const Shape& x, const Dims& filter_spatial, const Shape& y, const ConvAttrs& attrs)
      : batch(x[0]), channels(x.back()), outputs(y.back()), groups(attrs.groups) {
    const int rank = x.rank() - 2;
    in = out = filter = stride = dilation = {1, 1, 1};
    low = {0, 0, 0};
    for (int i = 0; i < rank; ++i) {
      const auto at = static_cast<size_t>(3 - rank + i);
      in[at] = x[i + 1];
      out[at] = y[i + 1];
      filter[at] = filter_spatial[i];
      stride[at] = attrs.strides[i];
      low[at] = attrs.low[i];
      dilation[at] = attrs.dilation[i];
    }
  }

  bool depthwise() const { return groups > 1 && channels == groups; }
  int64_t pixels() const { return batch * out[0] * out[1] * out[2]; }
  /// Whether each output pixel is its input pixel times a matrix.
  bool pointwise() const {
    const Triple ones = {1, 1, 1};
    return groups == 1 && filter == ones && stride == ones && in == out && low == Triple{0, 0, 0};
  }
};

/// x to y.
inline Pass forward_pass(const ConvShape& s) {
  Pass pass;
  for (size_t i = 0; i < 3; ++i) {
    Axis& a = pass.axis[i];
    a.src_size = s.in[i];
    a.src_first = -s.low[i];
    a.src_step = s.stride[i];
    a.taps = s.filter[i];
    a.tap_step = s.dilation[i];
    a.grid = a.dst_size = s.out[i];
  }
  return pass;
}

/// g to dx, one pass per phase of the stride: positions i = phase + q * stride of dx see only the taps t with
/// i + low - t * dilation divisible by the stride, and those read g without a stride.
inline List<Pass> input_grad_passes(const ConvShape& s) {
  const auto axes = [&](size_t i) {
    List<Axis> phases;
    const int64_t stride = s.stride[i], dilation = s.dilation[i];
    int64_t period = 1;  // of the taps that one phase sees
    while (period * dilation % stride) ++period;
    for (int64_t phase = 0; phase < std::min(stride, s.in[i]); ++phase) {
      Axis a;
      int64_t tap = 0;
      while (tap < period && (phase + s.low[i] - tap * dilation) % stride) ++tap;
      a.taps = tap < period && tap < s.filter[i] ? ceil_div(s.filter[i] - tap, period) : 0;
      a.tap_first = tap + (a.taps - 1) * period;  // the last tap reads the lowest coordinate
      a.tap_stride = -period;
      a.tap_step = period * dilation / stride;
      a.src_size = s.out[i];
      a.src_first = (phase + s.low[i] - a.tap_first * dilation) / stride;
      a.src_step = 1;
      a.grid = ceil_div(s.in[i] - phase, stride);
      a.dst_size = s.in[i];
      a.dst_first = phase;
      a.dst_step = stride;
      phases.push_back(a);
    }
    return phases;
  };
  List<Pass> passes;
  for (const Axis& d : axes(0))
    for (const Axis& h : axes(1))
      for (const Axis& w : axes(2)) passes.push_back({{d, h, w}});
  return passes;
}

/// Source elements that a slab reads, as a strided array without bounds: padded, converted and with its channels
/// arranged, or the source itself where none of that is needed.
template <class T>
struct Box {
  const T* data;
  int64_t plane, row, pixel;
};

/// Which channels of a source pixel go into a box's pixel.
struct Channels {
  enum Order { Plain, Repeat, Deinterleave } order = Plain;
  int64_t total;        // of the source
  int64_t first = 0;    // Plain: count channels from here
  int64_t count;        // channels of the box in use
  int64_t pixel;        // channels of the box, zeros behind `count` (Deinterleave: behind count / factor, each time)
  int64_t factor = 1;   // Repeat: each channel `factor` times; Deinterleave: channel c * factor + j goes to part j
  bool copied = false;  // never read in place: what is read often lies close together

  bool plain() const { return order == Plain && pixel == count && !copied; }
};

struct Range {
  int64_t first, size;
};

inline Range source_range(const Axis& a, int64_t begin, int64_t end) {
  if (a.taps == 0) return {0, 0};
  return {a.src_first + begin * a.src_step, (end - 1 - begin) * a.src_step + (a.taps - 1) * a.tap_step + 1};
}

inline std::array<Range, 3> source_ranges(const Pass& pass, Slab slab) {
  std::array<Range, 3> ranges;
  for (int i = 0; i < 3; ++i) {
    const Axis& a = pass.axis[static_cast<size_t>(i)];
    ranges[static_cast<size_t>(i)] =
        i == pass.cut() ? source_range(a, slab.begin, slab.end) : source_range(a, 0, a.grid);
  }
  return ranges;
}

inline int64_t box_size(const Pass& pass, Slab slab, const Channels& channels) {
  const auto r = source_ranges(pass, slab);
  return r[0].size * r[1].size * r[2].size * channels.pixel;
}

template <class S, class T>
void load_pixels(const S* from, int64_t pixels, const Channels& c, T* to) {
  if (c.order == Channels::Plain && c.pixel == c.count && c.count == c.total) {
    for (int64_t i = 0; i < pixels * c.count; ++i) to[i] = static_cast<T>(from[i]);
    return;
  }
  for (int64_t p = 0; p < pixels; ++p, from += c.total, to += c.pixel) {
    switch (c.order) {
      case Channels::Plain:
        for (int64_t i = 0; i < c.count; ++i) to[i] = static_cast<T>(from[c.first + i]);
        for (int64_t i = c.count; i < c.pixel; ++i) to[i] = T(0);
        break;
      case Channels::Repeat:
        for (int64_t i = 0; i < c.count / c.factor; ++i)
          for (int64_t j = 0; j < c.factor; ++j) to[i * c.factor + j] = static_cast<T>(from[i]);
        for (int64_t i = c.count; i < c.pixel; ++i) to[i] = T(0);
        break;
      case Channels::Deinterleave: {
        const int64_t part = c.pixel / c.factor, used = c.count / c.factor;
        for (int64_t j = 0; j < c.factor; ++j)
          for (int64_t i = 0; i < part; ++i)
            to[j * part + i] = i < used ? static_cast<T>(from[i * c.factor + j]) : T(0);
        break;
      }
    }
  }
}

/// `image` is the source's image; `memory` has room for box_size elements.
template <class S, class T>
Box<T> load_box(const S* image, const Pass& pass, Slab slab, const Channels& channels, T* memory) {
  const auto& axis = pass.axis;
  const auto range = source_ranges(pass, slab);
  const int64_t src_row = axis[2].src_size * channels.total, src_plane = axis[1].src_size * src_row;
  if constexpr (std::is_same_v<S, T>) {
    bool inside = channels.plain();
    for (size_t i = 0; i < 3; ++i) inside &= range[i].first >= 0 && range[i].first + range[i].size <= axis[i].src_size;
    if (inside)
      return {image + range[0].first * src_plane + range[1].first * src_row + range[2].first * channels.total +
                  channels.first,
              src_plane, src_row, channels.total};
  }
  const int64_t pixel = channels.pixel, row = range[2].size * pixel, plane = range[1].size * row;
  const int64_t left = std::clamp<int64_t>(-range[2].first, 0, range[2].size);
  const int64_t right = std::clamp<int64_t>(axis[2].src_size - range[2].first, left, range[2].size);
  T* to = memory;
  for (int64_t d = range[0].first; d < range[0].first + range[0].size; ++d)
    for (int64_t h = range[1].first; h < range[1].first + range[1].size; ++h, to += row) {
      if (d < 0 || d >= axis[0].src_size || h < 0 || h >= axis[1].src_size) {
        std::fill_n(to, row, T(0));
        continue;
      }
      std::fill_n(to, left * pixel, T(0));
      load_pixels(image + d * src_plane + h * src_row + (range[2].first + left) * channels.total, right - left,
                  channels, to + left * pixel);
      std::fill_n(to + right * pixel, (range[2].size - right) * pixel, T(0));
    }
  return {memory, plane, row, pixel};
}

/// x to y, or g to dx.
template <class S>
struct Correlation {
  List<Pass> passes;
  int64_t batch, groups;
  bool lanes;  // depthwise: column j reads channel j of the box, where otherwise every column reads all
  const S* src;
  Channels channels;  // of the first group
  S* dst;
  int64_t dst_channels;
  int64_t columns;  // of a group
  // Element (tap, i, j) of a group's filters takes the i-th of `depth` source elements to column j.
  const S* filters;
  Triple filter;
  int64_t depth, tap_step, group_step, depth_step, column_step;
  const Epilogue* epilogue = nullptr;  // of a single pass without a stride
  Storage* weights = nullptr;          // may keep the packed filters, of a single pass over whole filters

  KeptKey key(KeptForm form) const {
    return kept_key(weights, form, filters, {filter[0], filter[1], filter[2], depth, columns, groups});
  }
};

}  // namespace addax::cpu::ADDAX_ISA
