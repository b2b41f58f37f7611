// From a Dtype to a C++ type: `with_float(dtype, [&](auto t) { using T = decltype(t); ... })`.
#pragma once

#include "addax/dtype.h"
#include "addax/error.h"
#include "core/half.h"

namespace addax {

#define ADDAX_CASE(dtype, type) \
  case Dtype::dtype:            \
    return f(type());

/// float16, bfloat16, float32, float64.
template <class F>
auto with_float(Dtype dtype, F&& f) {
  switch (dtype) {
    ADDAX_CASE(Float16, Float16)
    ADDAX_CASE(BFloat16, BFloat16)
    ADDAX_CASE(Float64, double)
    default:
      return f(float());
  }
}

/// Every dtype with kernels; bool is bool.
template <class F>
auto with_any(Dtype dtype, F&& f) {
  switch (dtype) {
    ADDAX_CASE(Bool, bool)
    ADDAX_CASE(Int8, int8_t)
    ADDAX_CASE(Int16, int16_t)
    ADDAX_CASE(Int32, int32_t)
    ADDAX_CASE(Int64, int64_t)
    ADDAX_CASE(UInt8, uint8_t)
    ADDAX_CASE(UInt16, uint16_t)
    ADDAX_CASE(UInt32, uint32_t)
    ADDAX_CASE(UInt64, uint64_t)
    default:
      return with_float(dtype, f);
  }
}

/// By element size only, for kernels that move bytes: uint8_t, uint16_t, uint32_t or uint64_t.
template <class F>
auto with_bytes(Dtype dtype, F&& f) {
  switch (size_of(dtype)) {
    case 1:
      return f(uint8_t());
    case 2:
      return f(uint16_t());
    case 4:
      return f(uint32_t());
    default:
      return f(uint64_t());
  }
}
#undef ADDAX_CASE

}  // namespace addax
