// A number as the bytes of a dtype, for kernels that move items by their size.
#pragma once

#include <cstring>

#include "cpu/kernels.h"

namespace addax::cpu::ADDAX_ISA {

inline uint64_t bits_of(double value, Dtype dtype) {
  const Tensor scalar = Tensor::scalar(value, dtype);
  uint64_t bits = 0;
  std::memcpy(&bits, scalar.raw(), static_cast<size_t>(size_of(dtype)));
  return bits;
}

}  // namespace addax::cpu::ADDAX_ISA
