// The idle arenas of the process.
#include "graph/arena.h"

#include <algorithm>
#include <mutex>
#include <new>
#include <vector>

#include "core/forked.h"

namespace addax {
namespace {

constexpr int64_t kLeastShared = int64_t{1} << 20;  // bytes; for less the search would not pay
constexpr int64_t kMostWasted = 4;  // an idle arena so many times too large is left to those who need it

}  // namespace

class IdleArenas {
 public:
  static IdleArenas& instance() {
    static IdleArenas& all = through_forks(ForkOrder::Arenas, new IdleArenas());
    return all;
  }

  void add(Arena* arena) {
    const std::lock_guard<std::mutex> lock(mutex_);
    idle_.push_back(arena);
  }

  /// Without its memory, if somebody has taken that.
  void remove(Arena* arena) {
    const std::lock_guard<std::mutex> lock(mutex_);
    idle_.erase(std::remove(idle_.begin(), idle_.end(), arena), idle_.end());
  }

  /// Memory for the arena: the smallest that is idle and large enough. If there is none, the largest of those that are
  /// too small is let go, since the new one can take its place.
  Tensor other_for(const Arena& arena) {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto best = idle_.end(), small = idle_.end();
    for (auto it = idle_.begin(); it != idle_.end(); ++it) {
      const Arena& a = **it;
      if (!(a.device_ == arena.device_)) continue;
      const int64_t bytes = a.memory_.nbytes();
      if (bytes < arena.bytes_) {
        if (small == idle_.end() || bytes > (*small)->memory_.nbytes()) small = it;
      } else if (bytes / kMostWasted <= arena.bytes_ && (best == idle_.end() || bytes < (*best)->memory_.nbytes())) {
        best = it;
      }
    }
    if (best == idle_.end()) {
      if (small != idle_.end()) taken(small);
      return {};
    }
    return taken(best);
  }

  void lock_for_fork() { mutex_.lock(); }
  void unlock_after_fork() { mutex_.unlock(); }
  void forget_threads() { new (&mutex_) std::mutex; }

 private:
  Tensor taken(std::vector<Arena*>::iterator it) {
    Tensor memory = std::move((*it)->memory_);
    (*it)->memory_ = Tensor();
    idle_.erase(it);
    return memory;
  }

  std::mutex mutex_;  // for the memory of idle arenas too
  std::vector<Arena*> idle_;
};

Arena::Arena(int64_t bytes, Device device, bool shared)
    : bytes_(bytes), device_(device), shared_(shared && bytes >= kLeastShared) {}

Arena::~Arena() {
  if (shared_) IdleArenas::instance().remove(this);
}

void* Arena::take() {
  if (shared_) IdleArenas::instance().remove(this);
  if (!memory_ && shared_) memory_ = IdleArenas::instance().other_for(*this);
  if (!memory_) memory_ = Tensor::empty({bytes_}, Dtype::UInt8, device_, "compiled function");
  return memory_.address();
}

void Arena::give() {
  if (shared_) IdleArenas::instance().add(this);
}

}  // namespace addax
