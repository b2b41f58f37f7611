// What NVRTC is given for <cstdint>, <math.h>, <stdint.h> and <type_traits>, whose functions it knows by itself, and
// for the compiler's own that it does not know.
#ifndef ADDAX_FREESTANDING
#define ADDAX_FREESTANDING

using int8_t = signed char;
using int16_t = short;
using int32_t = int;
using int64_t = long;
using uint8_t = unsigned char;
using uint16_t = unsigned short;
using uint32_t = unsigned;
using uint64_t = unsigned long;

#define __builtin_memcpy memcpy
#define __builtin_inff() __int_as_float(0x7f800000)
#define __builtin_inf() __longlong_as_double(0x7ff0000000000000)
#define __builtin_nanf(text) __int_as_float(0x7fc00000)
#define __builtin_nan(text) __longlong_as_double(0x7ff8000000000000)

namespace std {

template <class T>
inline constexpr bool is_floating_point_v = false;
template <>
inline constexpr bool is_floating_point_v<float> = true;
template <>
inline constexpr bool is_floating_point_v<double> = true;

template <class T>
inline constexpr bool is_integral_v = false;
#define ADDAX_INTEGRAL(T) \
  template <>             \
  inline constexpr bool is_integral_v<T> = true;
ADDAX_INTEGRAL(bool)
ADDAX_INTEGRAL(int8_t)
ADDAX_INTEGRAL(int16_t)
ADDAX_INTEGRAL(int32_t)
ADDAX_INTEGRAL(int64_t)
ADDAX_INTEGRAL(uint8_t)
ADDAX_INTEGRAL(uint16_t)
ADDAX_INTEGRAL(uint32_t)
ADDAX_INTEGRAL(uint64_t)
#undef ADDAX_INTEGRAL

template <class A, class B>
inline constexpr bool is_same_v = false;
template <class A>
inline constexpr bool is_same_v<A, A> = true;

template <bool kFirst, class A, class B>
struct conditional {
  using type = A;
};
template <class A, class B>
struct conditional<false, A, B> {
  using type = B;
};
template <bool kFirst, class A, class B>
using conditional_t = typename conditional<kFirst, A, B>::type;

}  // namespace std

#endif
