// Joins requests that wait for the same model into one run, and gives each its own rows back.
#pragma once

#include <addax/model.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <future>
#include <memory>
#include <mutex>
#include <thread>

#include "metrics.h"

namespace serve {

/// A model with what the batcher wants to know of it.
struct ServedModel {
  explicit ServedModel(addax::Model model);

  const addax::Model model;
  /// Whether requests to it may be joined.
  const bool has_rows;
};

struct BatchLimits {
  int64_t max_rows = 0;  // of requests that are joined; one request may have more
  std::chrono::microseconds delay{};
  int64_t max_queue = 0;  // requests
};

class Batcher {
 public:
  Batcher(const BatchLimits& limits, ModelMetrics& metrics);
  /// Runs what is queued.
  ~Batcher();

  /// Runs the model on these inputs, which fit it, and waits for the result: outputs on the CPU. Throws HttpError with
  /// status 429 if the queue is full, 503 when stopping, and whatever the run throws.
  addax::Tensors run(std::shared_ptr<const ServedModel> model, addax::Tensors inputs);
  /// Takes no more requests, and delays those that it has no longer.
  void stop();
  /// Answers what still waits with an error.
  void abandon();

 private:
  using Clock = std::chrono::steady_clock;
  struct Job {
    std::shared_ptr<const ServedModel> model;
    addax::Tensors inputs;
    int64_t rows;  // 0: not to be joined
    Clock::time_point arrived;
    std::promise<addax::Tensors> result;
  };
  using Jobs = std::deque<Job>;

  static bool joinable(const Job& a, const Job& b);
  void work();
  /// Waits; empty once stopped.
  Jobs take();
  void answer(Jobs jobs);
  addax::Tensors timed_run(const ServedModel& model, const addax::Tensors& inputs, int64_t rows, size_t requests);

  const BatchLimits limits_;
  ModelMetrics& metrics_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  Jobs queue_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace serve
