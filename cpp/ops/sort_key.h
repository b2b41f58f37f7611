// The order of values, as the kernels of all devices sort by it. Host and device compile this header.
#pragma once

#include <type_traits>

#include "core/half.h"
#include "ops/scalar_math.h"

namespace addax {

/// The unsigned integer of T's width.
template <class T>
using SortKey = std::conditional_t<
    sizeof(T) == 1, uint8_t,
    std::conditional_t<sizeof(T) == 2, uint16_t, std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>>>;

/// Less where the value is less. Of floats, negative values have their bits inverted, others their sign bit set; zeros
/// are equal, NaNs equal and above infinity.
template <class T>
ADDAX_HD SortKey<T> sort_key(T value) {
  using U = SortKey<T>;
  U bits;
  __builtin_memcpy(&bits, &value, sizeof(T));
  constexpr U kSign = static_cast<U>(U(1) << (8 * sizeof(T) - 1));
  if constexpr (std::is_same_v<T, bool> || std::is_unsigned_v<T>) {
    return bits;
  } else if constexpr (std::is_integral_v<T>) {
    return static_cast<U>(bits ^ kSign);
  } else {
    constexpr int kMantissa = sizeof(T) == 8 ? 52 : sizeof(T) == 4 ? 23 : std::is_same_v<T, Float16> ? 10 : 7;
    constexpr U kInfinity = static_cast<U>((kSign - 1) >> kMantissa << kMantissa);
    const U magnitude = static_cast<U>(bits & (kSign - 1));
    if (magnitude > kInfinity) return static_cast<U>(~U(0));
    if (magnitude == 0) return kSign;
    return static_cast<U>(bits & kSign ? ~bits : bits | kSign);
  }
}

}  // namespace addax
