// Facts of each dtype and the promotion lattice.
#include "addax/dtype.h"

#include <array>

#include "addax/error.h"

namespace addax {
namespace {

struct Facts {
  std::string_view name;
  int64_t size;
  Kind kind;
};

constexpr std::array<Facts, kNumDtypes> kFacts{{
    {"bool", 1, Kind::Bool},
    {"int8", 1, Kind::Signed},
    {"int16", 2, Kind::Signed},
    {"int32", 4, Kind::Signed},
    {"int64", 8, Kind::Signed},
    {"uint8", 1, Kind::Unsigned},
    {"uint16", 2, Kind::Unsigned},
    {"uint32", 4, Kind::Unsigned},
    {"uint64", 8, Kind::Unsigned},
    {"float16", 2, Kind::Float},
    {"bfloat16", 2, Kind::Float},
    {"float32", 4, Kind::Float},
    {"float64", 8, Kind::Float},
    {"complex64", 8, Kind::Complex},
}};

const Facts& facts(Dtype dtype) { return kFacts[static_cast<size_t>(dtype)]; }

Dtype signed_of(int64_t size) {
  return size == 1 ? Dtype::Int8 : size == 2 ? Dtype::Int16 : size == 4 ? Dtype::Int32 : Dtype::Int64;
}

}  // namespace

int64_t size_of(Dtype dtype) { return facts(dtype).size; }
Kind kind_of(Dtype dtype) { return facts(dtype).kind; }
std::string_view name_of(Dtype dtype) { return facts(dtype).name; }

Dtype dtype_from(std::string_view name) {
  for (size_t i = 0; i < kFacts.size(); ++i)
    if (kFacts[i].name == name) return static_cast<Dtype>(i);
  std::string known;
  for (const Facts& f : kFacts) known += (known.empty() ? "" : ", ") + std::string(f.name);
  fail<DtypeError>("dtype: unknown dtype '", name, "'; expected one of ", known);
}

Dtype promote(Dtype a, Dtype b) {
  if (a == b) return a;
  const Facts &fa = facts(a), &fb = facts(b);
  if (fa.kind == Kind::Complex || fb.kind == Kind::Complex) return Dtype::Complex64;
  if (fa.kind == Kind::Bool) return b;
  if (fb.kind == Kind::Bool) return a;
  if (fa.kind == Kind::Float && fb.kind == Kind::Float) {
    if (fa.size == fb.size) return Dtype::Float32;  // float16 with bfloat16
    return fa.size > fb.size ? a : b;
  }
  if (fa.kind == Kind::Float) return a;
  if (fb.kind == Kind::Float) return b;
  if (fa.kind == fb.kind) return fa.size > fb.size ? a : b;
  const Facts& u = fa.kind == Kind::Unsigned ? fa : fb;
  const Facts& s = fa.kind == Kind::Unsigned ? fb : fa;
  if (s.size > u.size) return signed_of(s.size);
  if (u.size == 8) return Dtype::Float32;  // no integer holds both
  return signed_of(u.size * 2);
}

Dtype to_float(Dtype dtype) {
  const Kind kind = kind_of(dtype);
  return kind == Kind::Float || kind == Kind::Complex ? dtype : Dtype::Float32;
}

}  // namespace addax
