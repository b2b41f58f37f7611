// The CPU's caching allocator: 64-byte aligned blocks kept in free lists by size class.
#pragma once

#include <cstdint>

#include "addax/device.h"

namespace addax {

/// Bytes really reserved for a request: size classes of at most 1/8 waste.
int64_t size_class(int64_t bytes);

/// Tests only: the next `n`-th system allocation from now fails; 0 turns it off.
ADDAX_API void fail_allocation_after(int64_t n);

}  // namespace addax
