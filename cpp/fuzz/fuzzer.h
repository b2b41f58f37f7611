// FuzzBytes: a fuzzer's bytes as choices, zeros when they have ended.
#pragma once

#include <array>
#include <cstdint>
#include <cstdlib>
#include <limits>

#include "ops/op.h"

namespace addax {

class FuzzBytes {
 public:
  FuzzBytes(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  uint8_t byte() { return at_ < size_ ? data_[at_++] : 0; }
  size_t below(size_t n) { return n == 0 ? 0 : byte() % n; }
  /// True in so many of 256 cases.
  bool chance(int of_256) { return byte() < of_256; }
  Dtype dtype() {
    const uint8_t b = byte();
    return b < 128 ? Dtype::Float32 : static_cast<Dtype>(b % kNumDtypes);
  }
  const OpDef& op() {
    const auto& rows = op_table().rows();
    return *rows[(byte() | static_cast<size_t>(byte()) << 8) % rows.size()];
  }
  /// Small ones mostly, and those at which arithmetic ends.
  int64_t number() {
    static constexpr int64_t kEnds[] = {-1,
                                        -2,
                                        127,
                                        255,
                                        65536,
                                        std::numeric_limits<int32_t>::max(),
                                        std::numeric_limits<int32_t>::min(),
                                        int64_t{1} << 32,
                                        int64_t{1} << 47,
                                        int64_t{1} << 61,
                                        int64_t{1} << 62,
                                        std::numeric_limits<int64_t>::max(),
                                        std::numeric_limits<int64_t>::max() - 1,
                                        std::numeric_limits<int64_t>::min(),
                                        std::numeric_limits<int64_t>::min() + 1,
                                        -3};
    const uint8_t b = byte();
    return b < 224 ? b % 7 : kEnds[b % 16];
  }
  double real() {
    static constexpr double kEnds[] = {0,
                                       1,
                                       -1,
                                       0.5,
                                       1e-7,
                                       1e300,
                                       -1e300,
                                       std::numeric_limits<double>::infinity(),
                                       -std::numeric_limits<double>::infinity(),
                                       std::numeric_limits<double>::quiet_NaN()};
    return kEnds[byte() % 10];
  }
  /// An element, often no index that there is.
  double value(Dtype dtype) {
    const uint8_t b = byte();
    if (is_float(dtype)) return b < 240 ? (b - 120) / 32.0 : real();
    return b < 200 ? b % 4 : static_cast<double>(number());
  }

 private:
  const uint8_t* data_;
  size_t size_, at_ = 0;
};

}  // namespace addax

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv);
