// What a header of NVIDIA's and what the plugin declares itself, in a namespace `ours`, must have in common.
#pragma once

#include <type_traits>

#define SAME(name)                                                                                                  \
  static_assert(static_cast<long>(ours::name) == static_cast<long>(::name) && sizeof(ours::name) == sizeof(::name), \
                #name)

// Arguments are passed alike: as pointers, or as integers of one size.
template <class A, class B>
constexpr bool alike = std::is_pointer_v<A> == std::is_pointer_v<B> && sizeof(A) == sizeof(B);
template <class A, class B>
constexpr bool same_call = false;
template <class R, class... A, class S, class... B>
constexpr bool same_call<R (*)(A...), S (*)(B...)> =
    sizeof...(A) == sizeof...(B) && alike<R, S> && (alike<A, B> && ...);

#define SAME_CALL(result, name, arguments) \
  static_assert(same_call<decltype(ours::Functions::name), decltype(&::name)>, #name);
