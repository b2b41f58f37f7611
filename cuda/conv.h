// A convolution as all that can do it are asked for it: addax's own product, cuBLASLt, cuDNN.
#pragma once

#include <cstdint>

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
struct ConvCall {
  ConvProduct product;
  Dtype dtype;
  const ConvSizes& sizes;
  const void *first, *second;
  void* out;
};

/// Whether all convolutions of one group are products by cuBLASLt over patches that are written out: the simple
/// reference for the other ways. ADDAX_CONV_PATCHES=1, else no.
bool writes_patches();
/// For tests.
void write_patches(bool value);

}  // namespace addax::cuda
