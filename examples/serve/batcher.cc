#include "batcher.h"

#include <cstring>

#include "http_error.h"
#include "rows.h"

namespace serve {
namespace {

using addax::Shape;
using addax::Tensor;
using addax::Tensors;

/// Of all models: one run has the engine's threads for itself.
std::mutex& engine() {
  static std::mutex mutex;
  return mutex;
}

int64_t row_bytes(const Tensor& tensor) { return tensor.shape()[0] ? tensor.nbytes() / tensor.shape()[0] : 0; }

}  // namespace

ServedModel::ServedModel(addax::Model loaded) : model(std::move(loaded)), has_rows(has_independent_rows(model)) {}

Batcher::Batcher(const BatchLimits& limits, ModelMetrics& metrics)
    : limits_(limits), metrics_(metrics), thread_([this] { work(); }) {}

Batcher::~Batcher() {
  stop();
  thread_.join();
}

Tensors Batcher::run(std::shared_ptr<const ServedModel> model, Tensors inputs) {
  const int64_t rows = model->has_rows ? inputs[0].shape()[0] : 0;
  Job job{std::move(model), std::move(inputs), rows, Clock::now(), {}};
  std::future<Tensors> result = job.result.get_future();
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) throw HttpError(503, "the server is shutting down");
    if (static_cast<int64_t>(queue_.size()) >= limits_.max_queue)
      throw HttpError(429, "too many requests wait for this model; try again later");
    queue_.push_back(std::move(job));
    metrics_.queue_depth = static_cast<int64_t>(queue_.size());
    changed_.notify_all();
  }
  return result.get();
}

void Batcher::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
}

void Batcher::abandon() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  for (Job& job : queue_)
    job.result.set_exception(std::make_exception_ptr(HttpError(503, "the server is shutting down")));
  queue_.clear();
  metrics_.queue_depth = 0;
  changed_.notify_all();
}

bool Batcher::joinable(const Job& a, const Job& b) {
  if (a.model != b.model || !a.rows || !b.rows) return false;
  for (size_t i = 0; i < a.inputs.size(); ++i) {
    const Shape &x = a.inputs[i].shape(), &y = b.inputs[i].shape();
    if (!std::equal(x.begin() + 1, x.end(), y.begin() + 1, y.end())) return false;
  }
  return true;
}

Batcher::Jobs Batcher::take() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
  // The first job takes with it, in order, those that fit. Meanwhile `abandon` may empty the queue.
  const auto full = [this] {
    if (queue_.empty() || stopping_) return true;
    int64_t rows = 0;
    for (const Job& job : queue_)
      if (joinable(queue_.front(), job)) rows += job.rows;
    return rows == 0 || rows >= limits_.max_rows;
  };
  if (!queue_.empty()) changed_.wait_until(lock, queue_.front().arrived + limits_.delay, full);
  Jobs taken, left;
  int64_t rows = 0;
  for (Job& job : queue_) {
    const bool fits = taken.empty() || (joinable(taken.front(), job) && rows + job.rows <= limits_.max_rows);
    if (fits) rows += job.rows;
    (fits ? taken : left).push_back(std::move(job));
  }
  queue_ = std::move(left);
  metrics_.queue_depth = static_cast<int64_t>(queue_.size());
  return taken;
}

void Batcher::work() {
  for (;;) {
    Jobs jobs = take();
    if (jobs.empty()) return;
    answer(std::move(jobs));
  }
}

Tensors Batcher::timed_run(const ServedModel& model, const Tensors& inputs, int64_t rows, size_t requests) {
  const std::lock_guard lock(engine());
  const auto start = Clock::now();
  Tensors outputs = model.model.run(inputs);
  for (Tensor& output : outputs) output = output.to(addax::Device{});
  metrics_.run_seconds.observe(std::chrono::duration<double>(Clock::now() - start).count());
  metrics_.batch_rows.observe(static_cast<double>(rows));
  metrics_.batch_requests.observe(static_cast<double>(requests));
  return outputs;
}

void Batcher::answer(Jobs jobs) {
  if (jobs.size() > 1) {
    // Where the joint run fails, each request runs alone and gets its own error.
    try {
      const ServedModel& model = *jobs.front().model;
      int64_t rows = 0;
      for (const Job& job : jobs) rows += job.rows;
      Tensors joint;
      for (size_t i = 0; i < jobs.front().inputs.size(); ++i) {
        const Tensor& first = jobs.front().inputs[i];
        Shape shape = first.shape();
        shape[0] = rows;
        joint.push_back(Tensor::empty(shape, first.dtype(), addax::Device{}, "batch"));
        char* place = joint.back().data<char>();
        for (const Job& job : jobs) {
          std::memcpy(place, job.inputs[i].raw(), static_cast<size_t>(job.inputs[i].nbytes()));
          place += job.inputs[i].nbytes();
        }
      }
      const Tensors outputs = timed_run(model, joint, rows, jobs.size());
      std::vector<Tensors> parts(jobs.size());
      for (const Tensor& output : outputs) {
        if (output.shape()[0] != rows) throw std::runtime_error("an output has lost rows");
        const char* place = output.data<char>();
        for (size_t k = 0; k < jobs.size(); ++k) {
          Shape shape = output.shape();
          shape[0] = jobs[k].rows;
          parts[k].push_back(Tensor::empty(shape, output.dtype(), addax::Device{}, "rows"));
          const int64_t bytes = jobs[k].rows * row_bytes(output);
          std::memcpy(parts[k].back().raw(), place, static_cast<size_t>(bytes));
          place += bytes;
        }
      }
      for (size_t k = 0; k < jobs.size(); ++k) jobs[k].result.set_value(std::move(parts[k]));
      return;
    } catch (const std::exception&) {
    }
  }
  for (Job& job : jobs) {
    try {
      job.result.set_value(timed_run(*job.model, job.inputs, std::max<int64_t>(job.rows, 1), 1));
    } catch (...) {
      job.result.set_exception(std::current_exception());
    }
  }
}

}  // namespace serve
