// Values of any dtype in device code: loads and stores by a dtype known at run time. All threads of a kernel take the
// same branch of such a switch.
#pragma once

#include "core/dispatch.h"
#include "cuda/launch.h"
#include "cuda/values.h"

namespace addax::cuda {

// Those of their own arithmetic, then all.
#define ADDAX_OWN_TYPES(X) \
  X(Bool, bool)            \
  X(Int8, int8_t)          \
  X(Int16, int16_t)        \
  X(Int32, int32_t)        \
  X(Int64, int64_t)        \
  X(UInt8, uint8_t)        \
  X(UInt16, uint16_t)      \
  X(UInt32, uint32_t)      \
  X(UInt64, uint64_t)      \
  X(Float32, float)        \
  X(Float64, double)
#define ADDAX_DTYPES(X) \
  ADDAX_OWN_TYPES(X)    \
  X(Float16, Float16)   \
  X(BFloat16, BFloat16)

/// Element i of an array of a dtype, as T.
template <class T>
__device__ inline T load(const void* data, Dtype dtype, int64_t i) {
  switch (dtype) {
#define ADDAX_CASE(name, type) \
  case Dtype::name:            \
    return convert<T>(static_cast<const type*>(data)[i]);
    ADDAX_DTYPES(ADDAX_CASE)
#undef ADDAX_CASE
    default:
      return T(0);
  }
}

template <class T>
__device__ inline void store(void* data, Dtype dtype, int64_t i, T value) {
  switch (dtype) {
#define ADDAX_CASE(name, type)                          \
  case Dtype::name:                                     \
    static_cast<type*>(data)[i] = convert<type>(value); \
    break;
    ADDAX_DTYPES(ADDAX_CASE)
#undef ADDAX_CASE
    default:
      break;
  }
}

/// The same for floating dtypes only, and in the type their arithmetic is done in.
template <class C>
__device__ inline C load_float(const void* data, Dtype dtype, int64_t i) {
  switch (dtype) {
    case Dtype::Float16:
      return static_cast<C>(static_cast<float>(static_cast<const Float16*>(data)[i]));
    case Dtype::BFloat16:
      return static_cast<C>(static_cast<float>(static_cast<const BFloat16*>(data)[i]));
    case Dtype::Float64:
      return static_cast<C>(static_cast<const double*>(data)[i]);
    default:
      return static_cast<C>(static_cast<const float*>(data)[i]);
  }
}
template <class C>
__device__ inline void store_float(void* data, Dtype dtype, int64_t i, C value) {
  switch (dtype) {
    case Dtype::Float16:
      static_cast<Float16*>(data)[i] = convert<Float16>(value);
      break;
    case Dtype::BFloat16:
      static_cast<BFloat16*>(data)[i] = convert<BFloat16>(value);
      break;
    case Dtype::Float64:
      static_cast<double*>(data)[i] = static_cast<double>(value);
      break;
    default:
      static_cast<float*>(data)[i] = static_cast<float>(value);
  }
}

/// float for the dtypes whose arithmetic is done in float, double for float64.
template <class F>
void with_compute(Dtype dtype, F&& f) {
  if (dtype == Dtype::Float64)
    f(double());
  else
    f(float());
}

}  // namespace addax::cuda
