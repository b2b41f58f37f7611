// CUDA kernels of the conv family, channels last: implicit products, whose matrices are read out of the images as the
// tiles are filled. A product per group.
#include "cuda/convert.h"
#include "cuda/kernels.h"
#include "cuda/product.h"
#include "cuda/walk.h"
#include "ops/conv.h"

namespace addax::cuda {
namespace {

struct Geometry {
  int64_t images, channels, filters, groups;  // of x and of y, all groups together
  int64_t in[3], out[3], filter[3], stride[3], low[3], dilation[3];
  const void *first, *second;
  void* result;
  Dtype dtype;

  /// x: the image's shape, y: the result's, filter: its spatial sizes.
  Geometry(const KernelArgs& k, const View& to, const Shape& x, const Shape& y, const Dims& taps,
           const ConvAttrs& attrs)
      : images(x[0]),
        channels(x.back()),
        filters(y.back()),
        groups(attrs.groups),
        first(k.in[0].data),
        second(k.in[1].data),
        result(to.data),
        dtype(to.dtype) {
    const int rank = x.rank() - 2;
    for (int i = 0; i < 3; ++i) {
      const int d = i - (3 - rank);
      in[i] = d < 0 ? 1 : x[d + 1];
      out[i] = d < 0 ? 1 : y[d + 1];
      filter[i] = d < 0 ? 1 : taps[d];
      stride[i] = d < 0 ? 1 : attrs.strides[d];
      low[i] = d < 0 ? 0 : attrs.low[d];
      dilation[i] = d < 0 ? 1 : attrs.dilation[d];
    }
  }
  int64_t taps() const { return filter[0] * filter[1] * filter[2]; }
  int64_t outputs() const { return images * out[0] * out[1] * out[2]; }
  int64_t inputs() const { return images * in[0] * in[1] * in[2]; }
  ADDAX_BOTH int64_t channels_of_group() const { return channels / groups; }
  ADDAX_BOTH int64_t filters_of_group() const { return filters / groups; }

  /// The pixel of x that a pixel of y reads through a tap; -1 outside.
  __device__ int64_t input_of(int64_t output, int64_t tap) const {
    int64_t at = 0, step = 1;
    for (int d = 2; d >= 0; --d) {
      const int64_t place = output % out[d] * stride[d] - low[d] + tap % filter[d] * dilation[d];
      if (place < 0 || place >= in[d]) return -1;
      at += place * step;
      step *= in[d];
      output /= out[d];
      tap /= filter[d];
    }
    return at + output * step;
  }
  /// The pixel of y that reads a pixel of x through a tap; -1 for none.
  __device__ int64_t output_of(int64_t input, int64_t tap) const {
    int64_t at = 0, step = 1;
    for (int d = 2; d >= 0; --d) {
      const int64_t place = input % in[d] + low[d] - tap % filter[d] * dilation[d];
      if (place < 0 || place % stride[d] != 0 || place / stride[d] >= out[d]) return -1;
      at += place / stride[d] * step;
      step *= out[d];
      input /= in[d];
      tap /= filter[d];
    }
    return at + input * step;
  }
  /// Element of the filters (taps, channels of a group, filters).
  __device__ int64_t weight(int64_t group, int64_t tap, int64_t channel, int64_t filter_of_group) const {
    return (tap * channels_of_group() + channel) * filters + group * filters_of_group() + filter_of_group;
  }
};

// y (pixels, filters) = x (pixels, taps and channels) w
template <class Sum>
struct Forward {
  using A = Sum;
  Geometry s;
  __device__ A a(int64_t group, int64_t pixel, int64_t p) const {
    const int64_t c = s.channels_of_group(), at = s.input_of(pixel, p / c);
    return at < 0 ? A(0) : load_float<A>(s.first, s.dtype, at * s.channels + group * c + p % c);
  }
  __device__ A b(int64_t group, int64_t p, int64_t f) const {
    const int64_t c = s.channels_of_group();
    return load_float<A>(s.second, s.dtype, s.weight(group, p / c, p % c, f));
  }
  __device__ int64_t place(int64_t group, int64_t pixel, int64_t f) const {
    return pixel * s.filters + group * s.filters_of_group() + f;
  }
  __device__ void store(int64_t at, A sum) const { store_float<A>(s.result, s.dtype, at, sum); }
};

// dx (pixels, channels) = g (pixels, taps and filters) w'
template <class Sum>
struct InputGrad {
  using A = Sum;
  Geometry s;
  __device__ A a(int64_t group, int64_t pixel, int64_t p) const {
    const int64_t f = s.filters_of_group(), at = s.output_of(pixel, p / f);
    return at < 0 ? A(0) : load_float<A>(s.first, s.dtype, at * s.filters + group * f + p % f);
  }
  __device__ A b(int64_t group, int64_t p, int64_t c) const {
    const int64_t f = s.filters_of_group();
    return load_float<A>(s.second, s.dtype, s.weight(group, p / f, c, p % f));
  }
  __device__ int64_t place(int64_t group, int64_t pixel, int64_t c) const {
    return pixel * s.channels + group * s.channels_of_group() + c;
  }
  __device__ void store(int64_t at, A sum) const { store_float<A>(s.result, s.dtype, at, sum); }
};

// dw (taps and channels, filters) = x' (taps and channels, pixels) g
template <class Sum>
struct FilterGrad {
  using A = Sum;
  Geometry s;
  __device__ A a(int64_t group, int64_t p, int64_t pixel) const {
    const int64_t c = s.channels_of_group(), at = s.input_of(pixel, p / c);
    return at < 0 ? A(0) : load_float<A>(s.first, s.dtype, at * s.channels + group * c + p % c);
  }
  __device__ A b(int64_t group, int64_t pixel, int64_t f) const {
    return load_float<A>(s.second, s.dtype, pixel * s.filters + group * s.filters_of_group() + f);
  }
  __device__ int64_t place(int64_t group, int64_t p, int64_t f) const {
    const int64_t c = s.channels_of_group();
    return s.weight(group, p / c, p % c, f);
  }
  __device__ void store(int64_t at, A sum) const { store_float<A>(s.result, s.dtype, at, sum); }
};

Dims spatial_of(const Shape& w) { return Dims(w.begin(), w.end() - 2); }

void forward(const KernelArgs& k, const ConvAttrs& attrs, const View& out, const ProgramRun* epilogue) {
  const Geometry s(k, out, k.in[0].shape, out.shape, spatial_of(k.in[1].shape), attrs);
  with_compute(s.dtype, [&](auto c) {
    run_product(Forward<decltype(c)>{s},
                cut_product(s.outputs(), s.filters_of_group(), s.taps() * s.channels_of_group(), s.groups), k.op.name,
                epilogue);
  });
}

void conv(const KernelArgs& k) { forward(k, k.attrs.as<ConvAttrs>(), k.out[0], nullptr); }

void conv_fused(const KernelArgs& k) {
  const auto& attrs = k.attrs.as<EpilogueAttrs<ConvAttrs>>();
  const ProductEpilogue epilogue(k, attrs.epilogue);
  forward(k, attrs.product, epilogue.product, &epilogue.run);
}

void conv_input_grad(const KernelArgs& k) {
  const Geometry s(k, k.out[0], k.out[0].shape, k.in[0].shape, spatial_of(k.in[1].shape),
                   k.attrs.as<ConvInputGradAttrs>());
  with_compute(s.dtype, [&](auto c) {
    run_product(InputGrad<decltype(c)>{s},
                cut_product(s.inputs(), s.channels_of_group(), s.taps() * s.filters_of_group(), s.groups), k.op.name);
  });
}

void conv_filter_grad(const KernelArgs& k) {
  const Geometry s(k, k.out[0], k.in[0].shape, k.in[1].shape, k.attrs.as<ConvFilterGradAttrs>().filter_spatial,
                   k.attrs.as<ConvFilterGradAttrs>());
  with_compute(s.dtype, [&](auto c) {
    run_product(FilterGrad<decltype(c)>{s},
                cut_product(s.taps() * s.channels_of_group(), s.filters_of_group(), s.outputs(), s.groups), k.op.name);
  });
}

}  // namespace

void register_conv(OpTable& table) {
  set(table, "conv", conv);
  set(table, "conv_fused", conv_fused);
  set(table, "conv_input_grad", conv_input_grad);
  set(table, "conv_filter_grad", conv_filter_grad);
}

}  // namespace addax::cuda
