// The helper: one thread for the whole process, started when first needed. It sleeps while there is nothing to do. A
// fork waits for its job; the child starts its own.
#include "core/helper.h"

#include <pthread.h>

#include <condition_variable>
#include <mutex>
#include <new>
#include <thread>

namespace addax {
namespace {

class Helper {
 public:
  bool start(std::function<void()> job, std::atomic<bool>& done) {
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

  void wait(const std::atomic<bool>& done) {
    std::unique_lock<std::mutex> lock(mutex_);
    finished_.wait(lock, [&] { return done.load(); });
  }

  void lock_for_fork() {
    std::unique_lock<std::mutex> lock(mutex_);
    finished_.wait(lock, [&] { return !done_; });
    lock.release();
  }
  void unlock_after_fork() { mutex_.unlock(); }
  void forget_thread() {
    thread_ = nullptr;  // of the parent; there is nothing to join or free here
    new (&mutex_) std::mutex;
    new (&news_) std::condition_variable;
    new (&finished_) std::condition_variable;
  }

 private:
  void loop() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
      news_.wait(lock, [&] { return done_; });
      lock.unlock();
      job_();
      lock.lock();
      job_ = nullptr;
      done_->store(true);
      done_ = nullptr;
      finished_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable news_, finished_;
  std::thread* thread_ = nullptr;
  std::function<void()> job_;
  std::atomic<bool>* done_ = nullptr;  // of the job that is running, if one is
};

// Never destroyed: the sleeping thread ends with the process.
Helper& helper() {
  static Helper* h = [] {
    auto* made = new Helper;
    static Helper* forked = made;
    pthread_atfork([] { forked->lock_for_fork(); }, [] { forked->unlock_after_fork(); },
                   [] { forked->forget_thread(); });
    return made;
  }();
  return *h;
}

}  // namespace

bool start_on_helper(std::function<void()> job, std::atomic<bool>& done) {
  return helper().start(std::move(job), done);
}

void wait_for_helper(const std::atomic<bool>& done) { helper().wait(done); }

}  // namespace addax
