// The one thread pool, as kernels see it.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

namespace addax {

/// A non-owning reference to a callable; never outlives the call it is passed to.
template <class Signature>
class FunctionRef;
template <class R, class... A>
class FunctionRef<R(A...)> {
 public:
  template <class F, class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, FunctionRef>>>
  FunctionRef(F&& f)
      : object_(const_cast<void*>(static_cast<const void*>(&f))), call_([](void* object, A... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(std::forward<A>(args)...);
        }) {}
  R operator()(A... args) const { return call_(object_, std::forward<A>(args)...); }

 private:
  void* object_;
  R (*call_)(void*, A...);
};

/// Calls body(begin, end) for [0, n) cut into pieces of `block`, on any thread in any order. The cut depends on n and
/// block only, never on the number of threads: a body whose result depends only on its own range gives the same bits on
/// any number of threads. Calls from inside a body run inline. An exception in a body is rethrown here.
/// `long_pieces`: that each takes longer than waking a thread is known; else the time of the first one tells.
void parallel_for(int64_t n, int64_t block, FunctionRef<void(int64_t begin, int64_t end)> body,
                  bool long_pieces = false);

/// Whether this thread runs such a body, which knows nothing of the other threads.
bool inside_parallel_for();

/// While it lives, calls of parallel_for by this thread run inline.
class AloneScope {
 public:
  explicit AloneScope(bool on = true);
  ~AloneScope();
  AloneScope(const AloneScope&) = delete;
  AloneScope& operator=(const AloneScope&) = delete;

 private:
  const bool outer_;
};

}  // namespace addax
