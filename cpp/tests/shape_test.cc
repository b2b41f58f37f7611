// Shapes, strides, broadcasting, axes, dtypes and 16-bit floats.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <sstream>

#include "addax/dtype.h"
#include "addax/tensor.h"
#include "core/half.h"

using namespace addax;

TEST_CASE("numel counts and refuses to overflow") {
  CHECK(numel({}) == 1);
  CHECK(numel({2, 3, 4}) == 24);
  CHECK(numel({5, 0, 7}) == 0);
  CHECK_THROWS_AS(numel({int64_t{1} << 40, int64_t{1} << 40}), ShapeError);
}

TEST_CASE("rank is bounded with an error") {
  Dims d = Dims::filled(kMaxRank, 1);
  CHECK_THROWS_AS(d.push_back(1), ShapeError);
}

TEST_CASE("broadcast follows NumPy") {
  CHECK(broadcast({2, 1, 4}, {3, 1}, "t") == Shape{2, 3, 4});
  CHECK(broadcast({}, {5}, "t") == Shape{5});
  CHECK(broadcast({0}, {1}, "t") == Shape{0});
  CHECK_THROWS_WITH_AS(broadcast({2, 3}, {4}, "add"), doctest::Contains("add: shapes (2, 3) and (4,)"), ShapeError);
}

TEST_CASE("axes are normalised") {
  CHECK(normalize_axis(-1, 3, "t") == 2);
  CHECK(normalize_axes({}, 2, "t") == Dims{0, 1});
  CHECK(normalize_axes({-1, 0}, 3, "t") == Dims{0, 2});
  CHECK_THROWS_AS(normalize_axes({0, -3}, 3, "t"), ValueError);
  CHECK_THROWS_AS(normalize_axis(3, 3, "t"), IndexError);
}

TEST_CASE("contiguity ignores dimensions of size one") {
  CHECK(Layout{{2, 1, 3}, {3, 99, 1}, 0}.is_contiguous());
  CHECK_FALSE(Layout{{2, 3}, {1, 2}, 0}.is_contiguous());
  CHECK(Layout{{0, 3}, {7, 7}, 0}.is_contiguous());
}

TEST_CASE("promotion is commutative and idempotent") {
  for (int i = 0; i < kNumDtypes; ++i)
    for (int j = 0; j < kNumDtypes; ++j) {
      const auto a = static_cast<Dtype>(i), b = static_cast<Dtype>(j);
      CHECK(promote(a, b) == promote(b, a));
      CHECK(promote(a, promote(a, b)) == promote(a, b));
    }
  CHECK(promote(Dtype::Int64, Dtype::Float16) == Dtype::Float16);
  CHECK(promote(Dtype::Float16, Dtype::BFloat16) == Dtype::Float32);
  CHECK(promote(Dtype::UInt8, Dtype::Int8) == Dtype::Int16);
  CHECK_THROWS_AS(dtype_from("float31"), DtypeError);
}

TEST_CASE("float16 survives a round trip for every bit pattern") {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    Float16 h;
    h.bits = static_cast<uint16_t>(bits);
    const float f = static_cast<float>(h);
    if (std::isnan(f))
      CHECK(std::isnan(static_cast<float>(Float16(f))));
    else
      CHECK(Float16(f).bits == h.bits);
  }
}

TEST_CASE("16-bit floats round to nearest even") {
  CHECK(static_cast<float>(Float16(65519.0f)) == 65504.0f);
  CHECK(std::isinf(static_cast<float>(Float16(65520.0f))));
  CHECK(Float16(1.0f + 0x1p-11f).bits == Float16(1.0f).bits);
  CHECK(Float16(1.0f + 3 * 0x1p-11f).bits == Float16(1.0f + 0x1p-9f).bits);
  CHECK(Float16(0x1p-25f).bits == 0);
  CHECK(Float16(0x1.8p-25f).bits == 1);
  CHECK(BFloat16(1.0f + 0x1p-8f).bits == BFloat16(1.0f).bits);
  CHECK(BFloat16(1.0f + 3 * 0x1p-8f).bits == BFloat16(1.0f + 0x1p-6f).bits);
  CHECK(std::isnan(static_cast<float>(BFloat16(std::numeric_limits<float>::quiet_NaN()))));
}
