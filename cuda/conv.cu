// CUDA kernels of the conv family, channels last: cuDNN, where it is and is faster, else implicit products, whose
// matrices are read out of the images as the tiles are filled. A product per group. Where the images are the matrix,
// the product is cuBLASLt's.
#include <atomic>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "cuda/convert.h"
#include "cuda/cublaslt.h"
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

// ---- products of matrices, by cuBLASLt

std::atomic<bool>& patches_setting() {
  static std::atomic<bool> value = [] {
    const char* given = std::getenv("ADDAX_CONV_PATCHES");
    return given && std::string_view(given) == "1";
  }();
  return value;
}

// Every pixel meets one filter, as it lies.
bool is_pointwise(const ConvSizes& s) {
  bool is = s.taps() == 1;
  for (int d = 0; d < 3; ++d) is = is && s.stride[d] == 1 && s.low[d] == 0 && s.in[d] == s.out[d];
  return is;
}

// patches (pixels, taps, channels): what each pixel of y reads of x through each tap or, `back`, each of x of y.
template <class S>
__global__ void patches_kernel(Geometry s, bool back, int64_t taps, int64_t channels, int64_t n, const S* images,
                               S* patches) {
  for (int64_t i = thread_index(); i < n; i += thread_count()) {
    const int64_t line = i / channels, pixel = line / taps, tap = line % taps;
    const int64_t from = back ? s.output_of(pixel, tap) : s.input_of(pixel, tap);
    patches[i] = from < 0 ? S(0) : images[from * channels + i % channels];
  }
}

// Whether cuBLASLt has been given the convolution.
template <class S>
bool matrix_product(const ConvCall& c, const Geometry& s, const char* what) {
  const bool pointwise = is_pointwise(s), back = c.product == ConvProduct::InputGrad;
  const int64_t pixels = back ? s.inputs() : s.outputs(), channels = back ? s.filters : s.channels;
  const int64_t terms = s.taps() * channels, elements = pointwise ? 1 : pixels * terms;
  if (s.groups != 1 || elements == 0 || !(pointwise || writes_patches())) return false;
  const auto *images = static_cast<const S*>(c.first), *second = static_cast<const S*>(c.second);
  const Temporary<S> patches(elements, what), turned(back && !pointwise ? terms * s.channels : 1, what);
  if (!pointwise) {
    launch(patches_kernel<S>, grid_for(elements), kThreads, s, back, s.taps(), channels, elements, images,
           patches.get());
    images = patches.get();
  }
  LtProduct p{c.dtype, 1, pixels, s.filters, terms, {images, terms, 1, 0}, {second, s.filters, 1, 0}, c.out};
  if (back) {
    p.n = s.channels;
    p.b = {second, 1, s.filters, 0};
    if (!pointwise) {  // the filters of all taps below each other
      const Shape shape{s.taps(), s.filters, s.channels};
      copy_strided(turned.get(), contiguous_strides(shape), second, {s.channels * s.filters, 1, s.filters}, shape,
                   sizeof(S));
      p.b = {turned.get(), s.channels, 1, 0};
    }
  } else if (c.product == ConvProduct::FilterGrad) {
    std::swap(p.m, p.k);
    std::swap(p.a.row_step, p.a.column_step);
  }
  return lt_product(p, what);
}

// Whether a library has been given the convolution, which `own` does else.
template <class S, class F>
bool by_library(const ConvCall& c, const Geometry& s, const char* what, F&& own) {
  const auto ours = [&] {
    if (!matrix_product<S>(c, s, what)) own();
  };
  return (!writes_patches() && dnn_conv(c, ours, what)) || matrix_product<S>(c, s, what);
}

// ---- rows

Dims spatial_of(const Shape& w) { return Dims(w.begin(), w.end() - 2); }

void forward(const KernelArgs& k, const ConvAttrs& attrs, const View& out, const ProgramRun* program = nullptr) {
  const Geometry s(k.in[0].shape, out.shape, spatial_of(k.in[1].shape), attrs);
  const auto cut = cut_product(s.outputs(), s.filters_of_group(), s.taps() * s.channels_of_group(), s.groups);
  with_float(out.dtype, [&](auto c) {
    using S = decltype(c);
    const Forward<S> own(s, k, out);
    const ConvCall call{ConvProduct::Forward, out.dtype, s, k.in[0].data, k.in[1].data, out.data};
    if (!by_library<S>(call, s, k.op.name, [&] { run_product(own, cut, k.op.name); }))
      run_product(own, cut, k.op.name, program);
    else if (program)
      program->all();
  });
}

// By addax's product P, cut so, or by a library.
template <template <class> class P>
void gradient(ConvProduct product, const Geometry& s, const ProductShape& cut, const KernelArgs& k) {
  const View& out = k.out[0];
  with_float(out.dtype, [&](auto c) {
    using S = decltype(c);
    const P<S> p(s, k, out);
    const auto own = [&] { run_product(p, cut, k.op.name); };
    if (!by_library<S>({product, out.dtype, s, k.in[0].data, k.in[1].data, out.data}, s, k.op.name, own)) own();
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

bool writes_patches() { return patches_setting().load(std::memory_order_relaxed); }
void write_patches(bool value) { patches_setting().store(value, std::memory_order_relaxed); }

void register_conv(OpTable& table) {
  set(table, "conv", conv);
  set(table, "conv_fused", conv_fused);
  set(table, "conv_input_grad", conv_input_grad);
  set(table, "conv_filter_grad", conv_filter_grad);
}

}  // namespace addax::cuda
