// One pool for the whole process. A child of fork starts with no workers and makes its own on first use.
#include "core/thread_pool.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "addax/device.h"
#include "addax/error.h"
#include "core/forked.h"
#include "core/parallel.h"
#include "core/stream.h"

#ifdef __linux__
#include <sched.h>
#endif

namespace addax {
namespace {

thread_local bool inside_body = false, alone = false;

struct Job {
  FunctionRef<void(int64_t, int64_t)> body;
  int64_t n, block, pieces;
  bool long_pieces;
  std::atomic<int64_t> taken{0}, first{0}, last{0};
  std::atomic<bool> failed{false};
  std::exception_ptr error;
  std::mutex error_mutex;

  /// Does one piece: from the front, or from the back. Returns whether there was one left. Two threads thus meet about
  /// where they met in the run before, and find in their own caches what they read then.
  bool step(bool from_back) {
    if (taken.fetch_add(1, std::memory_order_relaxed) >= pieces) return false;
    const int64_t i = from_back ? pieces - 1 - last.fetch_add(1, std::memory_order_relaxed)
                                : first.fetch_add(1, std::memory_order_relaxed);
    if (failed.load(std::memory_order_relaxed)) return true;
    const bool outer = inside_body;
    inside_body = true;
    try {
      const int64_t begin = i * block;
      body(begin, begin + block < n ? begin + block : n);
      end_streams();
    } catch (...) {
      std::lock_guard<std::mutex> lock(error_mutex);
      if (!error) error = std::current_exception();
      failed = true;
    }
    inside_body = outer;
    return true;
  }
  void work(bool from_back = false) {
    while (step(from_back)) {
    }
  }
  int64_t left() const { return pieces - taken.load(std::memory_order_relaxed); }
};

void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

using Clock = std::chrono::steady_clock;

// How long a thread looks for news before it sleeps, in pauses: about 200 microseconds. The pieces of a kernel end, the
// kernels of a step follow each other, and Python begins the next step, before that; to wake a thread takes about
// 50 microseconds.
constexpr int kLooks = 4000;
constexpr std::chrono::microseconds kWorthWaking(50);
// Jobs that begin so soon after the one before belong to one stretch of work.
constexpr std::chrono::microseconds kStretchGap(100);

class ThreadPool {
 public:
  explicit ThreadPool(int threads) { set_target(threads); }

  int size() const { return target_.load(); }

  void resize(int threads) {
    std::lock_guard<std::mutex> running(run_mutex_);
    stop_workers();
    set_target(threads);
  }

  void run(Job& job) {
    // One parallel region at a time; a second caller works alone, with the same pieces and so the same bits.
    std::unique_lock<std::mutex> running(run_mutex_, std::try_to_lock);
    if (!running.owns_lock() || target_ == 1) {
      job.work();
      return;
    }
    start_workers();
    job_.store(&job);
    generation_.fetch_add(1);
    if (asleep_.load() > 0) wake_for(job);
    job.work();
    // A worker counts itself busy before it looks at job_. So once job_ is null and nobody is busy, nobody can reach
    // the job, and all its pieces are done.
    job_.store(nullptr);
    for (int i = 0; i < looks_ && busy_.load() > 0; ++i) pause();
    if (busy_.load() > 0) {
      std::unique_lock<std::mutex> lock(mutex_);
      caller_waits_.store(true);
      idle_.wait(lock, [&] { return busy_.load() == 0; });
      caller_waits_.store(false);
    }
    last_end_ = Clock::now();
  }

  // After fork only the calling thread exists in the child.
  void forget_threads() {
    for (auto& w : workers_) w.release();
    workers_.clear();
    new (&mutex_) std::mutex;
    new (&run_mutex_) std::mutex;
    new (&wake_) std::condition_variable;
    new (&idle_) std::condition_variable;
    job_ = nullptr;
    busy_ = 0;
    asleep_ = 0;
    caller_waits_ = false;
    stopping_ = false;
  }

  void lock_for_fork() {
    run_mutex_.lock();
    mutex_.lock();
  }
  void unlock_after_fork() {
    mutex_.unlock();
    run_mutex_.unlock();
  }

 private:
  void set_target(int threads) {
    target_ = threads;
    // With more threads than processors, one that looks for news keeps another from making it.
    looks_ = threads <= static_cast<int>(std::thread::hardware_concurrency()) ? kLooks : 0;
  }

  void start_workers() {
    while (static_cast<int>(workers_.size()) < target_ - 1)
      workers_.push_back(std::make_unique<std::thread>(
          [this, seen = generation_.load(), from_back = workers_.size() % 2 == 0] { loop(seen, from_back); }));
  }

  // For a job that outlasts waking, or a stretch of short ones that has done so: then there are more to come.
  void wake_for(Job& job) {
    const auto start = Clock::now();
    if (start - last_end_ > kStretchGap) stretch_ = start;
    if (job.long_pieces || start - stretch_ > kWorthWaking) {
      wake(job.pieces - 1);
      stretch_ = start;  // who wakes up takes as long
    } else {
      job.step(false);
      if (job.left() * (Clock::now() - start) > kWorthWaking) wake(job.left());
    }
  }

  void wake(int64_t count) {
    const std::lock_guard<std::mutex> lock(mutex_);  // whoever is about to sleep has seen the new generation or waits
    if (count >= static_cast<int64_t>(workers_.size()))
      wake_.notify_all();
    else
      for (int64_t i = 0; i < count; ++i) wake_.notify_one();
  }

  void stop_workers() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (auto& w : workers_) w->join();
    workers_.clear();
    stopping_ = false;
  }

  void loop(uint64_t seen, bool from_back) {
    const auto news = [&] { return stopping_.load() || generation_.load() != seen; };
    while (true) {
      for (int i = 0; i < looks_ && !news(); ++i) pause();
      if (!news()) {
        std::unique_lock<std::mutex> lock(mutex_);
        asleep_.fetch_add(1);
        wake_.wait(lock, news);
        asleep_.fetch_sub(1);
      }
      if (stopping_) return;
      seen = generation_.load();
      busy_.fetch_add(1);
      if (Job* job = job_.load()) job->work(from_back);
      if (busy_.fetch_sub(1) == 1 && caller_waits_.load()) {
        {
          const std::lock_guard<std::mutex> lock(mutex_);
        }  // the caller sleeps, or has seen that nobody is busy
        idle_.notify_one();
      }
    }
  }

  std::atomic<int> target_{1};
  std::atomic<int> looks_{0};
  std::vector<std::unique_ptr<std::thread>> workers_;
  std::mutex run_mutex_;
  Clock::time_point last_end_, stretch_;  // guarded by it
  std::mutex mutex_;  // for sleeping and waking; what is shared is atomic, in sequentially consistent order
  std::condition_variable wake_, idle_;
  std::atomic<Job*> job_{nullptr};
  std::atomic<uint64_t> generation_{0};
  std::atomic<int> busy_{0}, asleep_{0};
  std::atomic<bool> caller_waits_{false}, stopping_{false};
};

ThreadPool& pool() {
  static ThreadPool& p = through_forks(ForkOrder::Pool, new ThreadPool(default_num_threads()));
  return p;
}

}  // namespace

int default_num_threads() {
  if (const char* text = std::getenv("ADDAX_NUM_THREADS")) {
    char* end = nullptr;
    const long n = std::strtol(text, &end, 10);
    if (end == text || *end || n < 1 || n > 4096)
      fail<ValueError>("ADDAX_NUM_THREADS: expected a whole number from 1 to 4096, got '", text, "'");
    return static_cast<int>(n);
  }
  int logical = static_cast<int>(std::thread::hardware_concurrency());
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    logical = CPU_COUNT(&set);
    std::set<std::string> cores;  // sibling lists name each physical core once
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (!CPU_ISSET(cpu, &set)) continue;
      std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list");
      std::string line;
      if (std::getline(file, line)) cores.insert(line);
    }
    if (!cores.empty()) return static_cast<int>(cores.size());
  }
#endif
  return logical > 0 ? logical : 1;
}

int num_threads() { return pool().size(); }

void set_num_threads(int n) {
  if (n < 1 || n > 4096) fail<ValueError>("set_num_threads: expected a whole number from 1 to 4096, got ", n);
  if (inside_body) fail<Error>("set_num_threads: cannot change the pool from inside a kernel");
  pool().resize(n);
}

void parallel_for(int64_t n, int64_t block, FunctionRef<void(int64_t, int64_t)> body, bool long_pieces) {
  if (n <= 0) return;
  if (block < 1) block = 1;
  if (n <= block) {
    body(0, n);
    if (!inside_body) end_streams();
    return;
  }
  Job job{body, n, block, (n + block - 1) / block, long_pieces, {}, {}, {}, {}, {}, {}};
  if (inside_body || alone)
    job.work();
  else
    pool().run(job);
  if (job.error) std::rethrow_exception(job.error);
}

bool inside_parallel_for() { return inside_body; }

AloneScope::AloneScope(bool on) : outer_(alone) { alone = alone || on; }
AloneScope::~AloneScope() { alone = outer_; }

}  // namespace addax
