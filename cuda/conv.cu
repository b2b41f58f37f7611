// CUDA kernels of the conv family, channels last: cuDNN, where it is and is faster, else implicit products, whose
// matrices are read out of the images as the tiles are filled. A product per group.
#include "cuda/convert.h"
#include "cuda/cudnn.h"
#include "cuda/kernels.h"
#include "cuda/product.h"
#include "cuda/walk.h"
#include "ops/conv.h"

namespace addax::cuda {
namespace {

struct Geometry : ConvSizes {
  /// x: the image's shape, y: the result's, filter: its spatial sizes.
  Geometry(const Shape& x, const Shape& y, const Dims& taps, const ConvAttrs& attrs)
      : ConvSizes{x[0], x.back(), y.back(), attrs.groups, {}, {}, {}, {}, {}, {}} {
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

// What the three products share. `first`, `second`: the inputs of the row.
template <class S>
struct Images {
  using A = sum_t<S>;
  using Stored = S;
  Geometry s;
  const S *first, *second;
  S* result;
  Along a_along = Along::None, b_along = Along::None;

  Images(const Geometry& geometry, const KernelArgs& k, const View& out)
      : s(geometry), first(k.in[0].as<S>()), second(k.in[1].as<S>()), result(out.as<S>()) {}
  bool whole_channels() const { return s.channels % kRun<S> == 0 && s.channels_of_group() % kRun<S> == 0; }
  bool whole_filters() const { return s.filters % kRun<S> == 0 && s.filters_of_group() % kRun<S> == 0; }
  __device__ void store(int64_t at, A sum) const { result[at] = convert<S>(sum); }
  __device__ const S* x(int64_t group, int64_t pixel, int64_t channel) const {
    return pixel < 0 ? nullptr : first + pixel * s.channels + group * s.channels_of_group() + channel;
  }
  /// Of y, or of its gradient.
  __device__ const S* y(const S* data, int64_t group, int64_t pixel, int64_t filter) const {
    return pixel < 0 ? nullptr : data + pixel * s.filters + group * s.filters_of_group() + filter;
  }
};

// y (pixels, filters) = x (pixels, taps and channels) w
template <class S>
struct Forward : Images<S> {
  Forward(const Geometry& geometry, const KernelArgs& k, const View& out) : Images<S>(geometry, k, out) {
    if (this->whole_channels() && is_vector(this->first)) this->a_along = Along::Terms;
    if (this->whole_filters() && is_vector(this->second)) this->b_along = Along::Lines;
  }
  __device__ const S* a_at(int64_t group, int64_t pixel, int64_t p) const {
    const int64_t c = this->s.channels_of_group();
    return this->x(group, this->s.input_of(pixel, p / c), p % c);
  }
  __device__ const S* b_at(int64_t group, int64_t p, int64_t f) const {
    const int64_t c = this->s.channels_of_group();
    return this->second + this->s.weight(group, p / c, p % c, f);
  }
  __device__ int64_t place(int64_t group, int64_t pixel, int64_t f) const {
    return pixel * this->s.filters + group * this->s.filters_of_group() + f;
  }
};

// dx (pixels, channels) = g (pixels, taps and filters) w'
template <class S>
struct InputGrad : Images<S> {
  InputGrad(const Geometry& geometry, const KernelArgs& k, const View& out) : Images<S>(geometry, k, out) {
    if (this->whole_filters() && is_vector(this->first)) this->a_along = Along::Terms;
    if (this->whole_filters() && is_vector(this->second)) this->b_along = Along::Terms;
  }
  __device__ const S* a_at(int64_t group, int64_t pixel, int64_t p) const {
    const int64_t f = this->s.filters_of_group();
    return this->y(this->first, group, this->s.output_of(pixel, p / f), p % f);
  }
  __device__ const S* b_at(int64_t group, int64_t p, int64_t c) const {
    const int64_t f = this->s.filters_of_group();
    return this->second + this->s.weight(group, p / f, c, p % f);
  }
  __device__ int64_t place(int64_t group, int64_t pixel, int64_t c) const {
    return pixel * this->s.channels + group * this->s.channels_of_group() + c;
  }
};

// dw (taps and channels, filters) = x' (taps and channels, pixels) g
template <class S>
struct FilterGrad : Images<S> {
  FilterGrad(const Geometry& geometry, const KernelArgs& k, const View& out) : Images<S>(geometry, k, out) {
    if (this->whole_channels() && is_vector(this->first)) this->a_along = Along::Lines;
    if (this->whole_filters() && is_vector(this->second)) this->b_along = Along::Lines;
  }
  __device__ const S* a_at(int64_t group, int64_t p, int64_t pixel) const {
    const int64_t c = this->s.channels_of_group();
    return this->x(group, this->s.input_of(pixel, p / c), p % c);
  }
  __device__ const S* b_at(int64_t group, int64_t pixel, int64_t f) const {
    return this->y(this->second, group, pixel, f);
  }
  __device__ int64_t place(int64_t group, int64_t p, int64_t f) const {
    const int64_t c = this->s.channels_of_group();
    return this->s.weight(group, p / c, p % c, f);
  }
};

Dims spatial_of(const Shape& w) { return Dims(w.begin(), w.end() - 2); }

void forward(const KernelArgs& k, const ConvAttrs& attrs, const View& out, const ProgramRun* program = nullptr) {
  const Geometry s(k.in[0].shape, out.shape, spatial_of(k.in[1].shape), attrs);
  const auto cut = cut_product(s.outputs(), s.filters_of_group(), s.taps() * s.channels_of_group(), s.groups);
  with_float(out.dtype, [&](auto c) {
    const Forward<decltype(c)> own(s, k, out);
    const DnnConv conv{ConvProduct::Forward, out.dtype, s, k.in[0].data, k.in[1].data, out.data};
    if (!dnn_conv(conv, [&] { run_product(own, cut, k.op.name); }, k.op.name))
      run_product(own, cut, k.op.name, program);
    else if (program)
      program->all();
  });
}

// By addax's product P, cut so, or by cuDNN.
template <template <class> class P>
void gradient(ConvProduct product, const Geometry& s, const ProductShape& cut, const KernelArgs& k) {
  const View& out = k.out[0];
  with_float(out.dtype, [&](auto c) {
    const P<decltype(c)> own(s, k, out);
    const auto ours = [&] { run_product(own, cut, k.op.name); };
    if (!dnn_conv({product, out.dtype, s, k.in[0].data, k.in[1].data, out.data}, ours, k.op.name)) ours();
  });
}

void conv(const KernelArgs& k) { forward(k, k.attrs.as<ConvAttrs>(), k.out[0]); }

void conv_fused(const KernelArgs& k) {
  const auto& attrs = k.attrs.as<EpilogueAttrs<ConvAttrs>>();
  const ProductEpilogue epilogue(k, attrs.epilogue);
  forward(k, attrs.product, epilogue.product, &epilogue.run);
}

void conv_input_grad(const KernelArgs& k) {
  const Geometry s(k.out[0].shape, k.in[0].shape, spatial_of(k.in[1].shape), k.attrs.as<ConvInputGradAttrs>());
  const auto cut = cut_product(s.inputs(), s.channels_of_group(), s.taps() * s.filters_of_group(), s.groups);
  gradient<InputGrad>(ConvProduct::InputGrad, s, cut, k);
}

void conv_filter_grad(const KernelArgs& k) {
  const auto& attrs = k.attrs.as<ConvFilterGradAttrs>();
  const Geometry s(k.in[0].shape, k.in[1].shape, attrs.filter_spatial, attrs);
  const auto cut = cut_product(s.taps() * s.channels_of_group(), s.filters_of_group(), s.outputs(), s.groups);
  gradient<FilterGrad>(ConvProduct::FilterGrad, s, cut, k);
}

}  // namespace

void register_conv(OpTable& table) {
  set(table, "conv", conv);
  set(table, "conv_fused", conv_fused);
  set(table, "conv_input_grad", conv_input_grad);
  set(table, "conv_filter_grad", conv_filter_grad);
}

}  // namespace addax::cuda
