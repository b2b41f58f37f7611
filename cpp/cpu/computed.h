// What a reduction reads from a program instead of memory.
#pragma once

#include "cpu/fused.h"
#include "cpu/simd/convert.h"

namespace addax::cpu::ADDAX_ISA {

/// Values that a program gives when they are read, in order and once each.
template <class C>
struct Computed {
  const FusedRun& program;
  Source<C> stored;  // of the values' dtype; they are stored if it has data
  int64_t bytes;     // of a value

  Source<C> source() const { return {this, load, false}; }

 private:
  static const C* load(const void* self, int64_t offset, int64_t, int64_t n, C* to) {
    const Computed& x = *static_cast<const Computed*>(self);
    if (x.stored.data) {
      x.program.rows(offset, 1, n, n);
      return x.stored.read(offset, 1, n, to);
    }
    if (x.stored.direct) {
      x.program.rows(offset, 1, n, n, to);
      return to;
    }
    alignas(64) char piece[4096];
    const int64_t most = static_cast<int64_t>(sizeof piece) / x.bytes;
    for (int64_t at = 0; at < n; at += most) {
      const int64_t count = std::min(most, n - at);
      x.program.rows(offset + at, 1, count, count, piece);
      x.stored.load(piece, 0, 1, count, to + at);
    }
    return to;
  }
};

}  // namespace addax::cpu::ADDAX_ISA
