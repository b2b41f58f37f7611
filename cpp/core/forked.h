// What has locks or threads and lives as long as the process, in a child of fork too.
#pragma once

namespace addax {

/// The order in which a fork takes the locks. Who holds one may be waiting for a later one, never for an earlier one:
/// the work of the helper runs on the pool, and both take arenas and memory.
enum class ForkOrder { Helper, Pool, Arenas, Memory };

struct ForkHandlers {
  void (*lock)(), (*unlock)(), (*forget_threads)();
};

/// From now on a fork calls lock() before, unlock() in the parent, and forget_threads() in the child. One for each
/// place in the order; `handlers` live as long as the process.
void at_fork(ForkOrder order, const ForkHandlers& handlers);

/// An object that is never destroyed, since its sleeping threads end with the process; one for each T. A fork takes its
/// locks, so that the child, where only the thread that forked exists, finds it whole: lock_for_fork() before,
/// unlock_after_fork() in the parent, forget_threads() in the child.
template <class T>
T& through_forks(ForkOrder order, T* made) {
  static T* object;
  object = made;
  static constexpr ForkHandlers handlers{[] { object->lock_for_fork(); }, [] { object->unlock_after_fork(); },
                                         [] { object->forget_threads(); }};
  at_fork(order, handlers);
  return *made;
}

}  // namespace addax
