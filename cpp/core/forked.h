// What owns threads and lives as long as the process, in a child of fork too.
#pragma once

#include <pthread.h>

namespace addax {

/// An object that is never destroyed, since its sleeping threads end with the process; one for each T. A fork takes its
/// locks, so that the child, where only the thread that forked exists, finds it whole: lock_for_fork() before,
/// unlock_after_fork() in the parent, forget_threads() in the child.
template <class T>
T& through_forks(T* made) {
  static T* object;
  object = made;
  pthread_atfork([] { object->lock_for_fork(); }, [] { object->unlock_after_fork(); },
                 [] { object->forget_threads(); });
  return *made;
}

}  // namespace addax
