// The helper: one thread for the whole process, started when first needed. It sleeps while there is nothing to do. A
// fork waits for its job; the child starts its own.
#include "core/helper.h"

#include <condition_variable>
#include <mutex>
#include <new>
#include <thread>
#include <utility>

#include "core/forked.h"

namespace addax {

class Helper {
 public:
  bool start(std::function<void()> job, Awaited& done) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (done_) return false;
      if (!thread_) thread_ = new std::thread([this] { loop(); });
      job_ = std::move(job);
      done_ = &done;
    }
    news_.notify_one();
    return true;
  }

  void begin() {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++awaited_;
  }
  void end(Awaited& work) {
    const std::lock_guard<std::mutex> lock(mutex_);
    end_locked(work);
  }
  void wait(const Awaited& work) {
    std::unique_lock<std::mutex> lock(mutex_);
    ends_.wait(lock, [&] { return work.ended(); });
  }

  void lock_for_fork() {
    std::unique_lock<std::mutex> lock(mutex_);
    ends_.wait(lock, [&] { return !done_ && awaited_ == 0; });
    lock.release();
  }
  void unlock_after_fork() { mutex_.unlock(); }
  void forget_threads() {
    thread_ = nullptr;  // of the parent; there is nothing to join or free here
    new (&mutex_) std::mutex;
    new (&news_) std::condition_variable;
    new (&ends_) std::condition_variable;
  }

 private:
  void end_locked(Awaited& work) {
    if (work.ended_.exchange(true)) return;  // and from here on it may be gone
    --awaited_;
    ends_.notify_all();
  }

  void loop() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
      news_.wait(lock, [&] { return done_; });
      lock.unlock();
      job_();
      lock.lock();
      job_ = nullptr;
      end_locked(*std::exchange(done_, nullptr));
    }
  }

  std::mutex mutex_;
  std::condition_variable news_, ends_;
  std::thread* thread_ = nullptr;
  std::function<void()> job_;
  Awaited* done_ = nullptr;  // of the job that is running, if one is
  int awaited_ = 0;          // that have not ended
};

namespace {

Helper& helper() {
  static Helper& h = through_forks(ForkOrder::Helper, new Helper);
  return h;
}

}  // namespace

Awaited::Awaited() { helper().begin(); }

void Awaited::end() {
  if (!ended_) helper().end(*this);
}

void Awaited::wait() const {
  if (!ended_) helper().wait(*this);
}

bool start_on_helper(std::function<void()> job, Awaited& done) { return helper().start(std::move(job), done); }

}  // namespace addax
