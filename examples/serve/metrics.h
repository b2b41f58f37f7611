// Counters and histograms in Prometheus's text format.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace serve {

class Histogram {
 public:
  /// Upper bounds of the buckets, ascending; values above the last one count in "+Inf".
  explicit Histogram(std::vector<double> bounds);
  void observe(double value);
  void write(std::string& out, const std::string& name, const std::string& labels) const;

 private:
  mutable std::mutex mutex_;
  std::vector<double> bounds_;
  std::vector<uint64_t> counts_;
  double sum_ = 0;
};

class Counts {
 public:
  void add(int key);
  void write(std::string& out, const std::string& name, const std::string& key_label, const std::string& labels) const;

 private:
  mutable std::mutex mutex_;
  std::map<int, uint64_t> counts_;
};

struct ModelMetrics {
  ModelMetrics();
  Counts requests;  // by status
  Histogram request_seconds, run_seconds, batch_rows, batch_requests;
  std::atomic<int64_t> queue_depth{0};
};

struct Metrics {
  Counts responses;  // all of them, by status
  std::atomic<int64_t> connections{0}, refused_connections{0};
  std::map<std::string, ModelMetrics> models;

  /// The exposition format, version 0.0.4.
  std::string text() const;
};

/// 0 where the system does not tell.
int64_t resident_bytes();

}  // namespace serve
