#include "core/forked.h"

#include <pthread.h>

#include <atomic>
#include <cstddef>

namespace addax {
namespace {

constexpr size_t kCount = static_cast<size_t>(ForkOrder::Memory) + 1;

std::atomic<const ForkHandlers*> known[kCount];
thread_local const ForkHandlers* locked[kCount];  // by the fork that this thread is about

void before() {
  for (size_t i = 0; i < kCount; ++i)
    if ((locked[i] = known[i].load())) locked[i]->lock();
}

void in_parent() {
  for (size_t i = kCount; i-- > 0;)
    if (locked[i]) locked[i]->unlock();
}

void in_child() {
  for (const auto& handlers : known)
    if (const ForkHandlers* h = handlers.load()) h->forget_threads();
}

}  // namespace

void at_fork(ForkOrder order, const ForkHandlers& handlers) {
  known[static_cast<size_t>(order)] = &handlers;
  [[maybe_unused]] static const int once = pthread_atfork(before, in_parent, in_child);
}

}  // namespace addax
