// Convolutions by cuDNN, where it is installed and was found to be faster than cuda/product.h.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "addax/dtype.h"
#include "core/half.h"

namespace addax::cuda {

/// A convolution of images (images, in..., channels) with filters (filter..., channels of a group, filters) to (images,
/// out..., filters). Spatial dims that it lacks come first, with one place each.
struct ConvSizes {
  int64_t images, channels, filters, groups;
  int64_t in[3], out[3], filter[3], stride[3], low[3], dilation[3];

  int64_t taps() const { return filter[0] * filter[1] * filter[2]; }
  int64_t outputs() const { return images * out[0] * out[1] * out[2]; }
  int64_t inputs() const { return images * in[0] * in[1] * in[2]; }
  ADDAX_BOTH int64_t channels_of_group() const { return channels / groups; }
  ADDAX_BOTH int64_t filters_of_group() const { return filters / groups; }
};

enum class ConvProduct : uint8_t { Forward, InputGrad, FilterGrad };

/// A convolution or a gradient of one, all arrays contiguous and of one float type. What is left out of images, filters
/// and result, or their gradients, is made.
struct DnnConv {
  ConvProduct product;
  Dtype dtype;
  const ConvSizes& sizes;
  const void *first, *second;
  void* out;
};

/// Whether cuDNN has been given the convolution. If not, it is not there or switched off, the convolution is too small,
/// of a type or in places that cuDNN does not read, or `ours`, which does it by addax's kernel, is faster. Which, is
/// measured when a convolution of these sizes first runs on a kind of device, and kept on disk: bits do not change from
/// run to run as long as that is there. Where nothing can be kept, nothing is measured, and it is ours. Throws an error
/// that names `what` and the status if cuDNN fails.
bool dnn_conv(const DnnConv& conv, const std::function<void()>& ours, const char* what);

/// The library's version, or how to get it.
std::string dnn_state();

/// For tests: the library to use, null for none. Forgets what it was asked; ADDAX_CUDNN is read anew.
void use_dnn(void* library);

}  // namespace addax::cuda
