// The inner loops of elementwise rows, for the drivers in elementwise.cc and fused.cc.
#pragma once

#include <array>
#include <string_view>

#include "cpu/kernels.h"

namespace addax::cpu::ADDAX_ISA {

/// Reads contiguous values of in[0], in[1], ..., writes n contiguous values. `out` may be in[0] if the dtypes are
/// equal.
using Tile = void (*)(const void* const* in, void* out, int64_t n);
using Tiles = std::array<Tile, kNumDtypes>;  // by compute dtype

/// The loop of a row that computes in a dtype; null if there is none. 16-bit floats are computed in float32.
Tile tile_of(std::string_view name, Dtype compute);
/// Converts between any two dtypes of which neither is a 16-bit float, and between those and bool, float32, float64.
Tile convert_of(Dtype from, Dtype to);

}  // namespace addax::cpu::ADDAX_ISA
