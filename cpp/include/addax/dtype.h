// Element types: the enum, its facts (size, kind, name) and the promotion lattice.
#pragma once

#include <cstdint>
#include <ostream>
#include <string_view>

#include "addax/api.h"

namespace addax {

enum class Dtype : uint8_t {
  Bool,
  Int8,
  Int16,
  Int32,
  Int64,
  UInt8,
  UInt16,
  UInt32,
  UInt64,
  Float16,
  BFloat16,
  Float32,
  Float64,
  Complex64,  // place kept: stored and named, no kernels yet
};
inline constexpr int kNumDtypes = 14;

enum class Kind : uint8_t { Bool, Signed, Unsigned, Float, Complex };

/// Bytes of one element.
ADDAX_API int64_t size_of(Dtype dtype);
ADDAX_API Kind kind_of(Dtype dtype);
/// NumPy's name: "float32", "bool", ...
ADDAX_API std::string_view name_of(Dtype dtype);
/// The dtype of that name. Throws DtypeError that lists the known names.
ADDAX_API Dtype dtype_from(std::string_view name);
/// The dtype both convert to: JAX's lattice with float32 as the default float
/// (int64 with float16 gives float16, uint64 with int8 gives float32).
ADDAX_API Dtype promote(Dtype a, Dtype b);
/// The dtype itself if floating, float32 otherwise.
ADDAX_API Dtype to_float(Dtype dtype);

inline bool is_float(Dtype dtype) { return kind_of(dtype) == Kind::Float; }
inline bool is_int(Dtype dtype) { return kind_of(dtype) == Kind::Signed || kind_of(dtype) == Kind::Unsigned; }
inline std::ostream& operator<<(std::ostream& out, Dtype dtype) { return out << name_of(dtype); }

}  // namespace addax
