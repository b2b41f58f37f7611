// Convolutions by cuDNN, where it is installed and was found to be faster than cuda/product.h.
#pragma once

#include <functional>
#include <string>

#include "cuda/conv.h"

namespace addax::cuda {

/// Whether cuDNN has been given the convolution. If not, it is not there or switched off, the convolution is too small,
/// of a type or in places that cuDNN does not read, or `ours`, which does it by addax's kernel, is faster. Which, is
/// measured when a convolution of these sizes first runs on a kind of device, and kept on disk: bits do not change from
/// run to run as long as that is there. Where nothing can be kept, nothing is measured, and it is ours. Throws an error
/// that names `what` and the status if cuDNN fails.
bool dnn_conv(const ConvCall& conv, const std::function<void()>& ours, const char* what);

/// The library's version, or how to get it.
std::string dnn_state();

/// For tests: the library to use, null for none. Forgets what it was asked; ADDAX_CUDNN is read anew.
void use_dnn(void* library);

}  // namespace addax::cuda
