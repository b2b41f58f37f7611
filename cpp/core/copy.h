// The strided copy: behind contiguous(), the movement kernels, and wherever bytes change their order.
#pragma once

#include <cstdint>

#include "addax/device.h"
#include "addax/shape.h"

namespace addax {

/// Copies an array of `shape` whose items have `item` bytes (1, 2, 4 or 8). Strides count items; they may be negative,
/// and zero in the source. The two arrays must not overlap. Runs on the pool.
void copy_strided(void* dst, const Strides& dst_strides, const void* src, const Strides& src_strides,
                  const Shape& shape, int64_t item);

/// The same on a device, in order with its kernels.
void copy_strided(Device device, void* dst, const Strides& dst_strides, const void* src, const Strides& src_strides,
                  const Shape& shape, int64_t item);

}  // namespace addax
