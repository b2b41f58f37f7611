// One thread that runs a job beside the thread that started it, and work that others wait for.
#pragma once

#include <atomic>
#include <functional>

namespace addax {

/// Work that has begun, in any thread. A fork waits for its end.
class Awaited {
 public:
  Awaited();
  ~Awaited() { end(); }
  Awaited(const Awaited&) = delete;
  Awaited& operator=(const Awaited&) = delete;

  void end();
  bool ended() const { return ended_; }
  /// Returns once it has ended.
  void wait() const;

 private:
  friend class Helper;
  std::atomic<bool> ended_{false};
};

/// Runs the job on the helper, and ends `done` after it. False, and nothing is run, while the helper has another job.
/// The job must not throw.
bool start_on_helper(std::function<void()> job, Awaited& done);

}  // namespace addax
