#include "metrics.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace serve {
namespace {

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

void sample(std::string& out, const std::string& name, const std::string& labels, const std::string& value) {
  out += name;
  if (!labels.empty()) out += '{' + labels + '}';
  out += ' ' + value + '\n';
}

void head(std::string& out, const char* name, const char* type, const char* help) {
  out += std::string("# HELP ") + name + ' ' + help + "\n# TYPE " + name + ' ' + type + '\n';
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out;
}

std::vector<double> seconds() {
  return {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
}

std::vector<double> powers_of_two() { return {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024}; }

}  // namespace

Histogram::Histogram(std::vector<double> bounds) : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}

void Histogram::observe(double value) {
  const size_t bucket = static_cast<size_t>(std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin());
  const std::lock_guard lock(mutex_);
  ++counts_[bucket];
  sum_ += value;
}

void Histogram::write(std::string& out, const std::string& name, const std::string& labels) const {
  const std::lock_guard lock(mutex_);
  uint64_t total = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    total += counts_[i];
    const std::string bound = i < bounds_.size() ? number(bounds_[i]) : "+Inf";
    sample(out, name + "_bucket", labels + ",le=\"" + bound + '"', std::to_string(total));
  }
  sample(out, name + "_sum", labels, number(sum_));
  sample(out, name + "_count", labels, std::to_string(total));
}

void Counts::add(int key) {
  const std::lock_guard lock(mutex_);
  ++counts_[key];
}

void Counts::write(std::string& out, const std::string& name, const std::string& key_label,
                   const std::string& labels) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, count] : counts_)
    sample(out, name, (labels.empty() ? "" : labels + ',') + key_label + "=\"" + std::to_string(key) + '"',
           std::to_string(count));
}

ModelMetrics::ModelMetrics()
    : request_seconds(seconds()),
      run_seconds(seconds()),
      batch_rows(powers_of_two()),
      batch_requests(powers_of_two()) {}

std::string Metrics::text() const {
  std::string out;
  const auto each = [&](const char* name, const char* type, const char* help, auto write) {
    head(out, name, type, help);
    for (const auto& [model, metrics] : models) write(metrics, name, "model=\"" + escaped(model) + '"');
  };
  const auto histogram = [&](const char* name, const char* help, Histogram ModelMetrics::* field) {
    each(name, "histogram", help, [&](const ModelMetrics& m, const char* name, const std::string& labels) {
      (m.*field).write(out, name, labels);
    });
  };
  head(out, "serve_responses_total", "counter", "HTTP responses by status.");
  responses.write(out, "serve_responses_total", "code", "");
  each("serve_requests_total", "counter", "Inference requests by status.",
       [&](const ModelMetrics& m, const char* name, const std::string& labels) {
         m.requests.write(out, name, "code", labels);
       });
  histogram("serve_request_seconds", "Time from the headers of an inference request to its answer.",
            &ModelMetrics::request_seconds);
  histogram("serve_run_seconds", "Time of one run of a model.", &ModelMetrics::run_seconds);
  histogram("serve_batch_rows", "Rows of one run.", &ModelMetrics::batch_rows);
  histogram("serve_batch_requests", "Requests joined in one run.", &ModelMetrics::batch_requests);
  each("serve_queue_depth", "gauge", "Requests that wait for a run.",
       [&](const ModelMetrics& m, const char* name, const std::string& labels) {
         sample(out, name, labels, std::to_string(m.queue_depth.load()));
       });
  head(out, "serve_connections", "gauge", "Clients connected.");
  sample(out, "serve_connections", "", std::to_string(connections.load()));
  head(out, "serve_refused_connections_total", "counter", "Clients turned away because too many were connected.");
  sample(out, "serve_refused_connections_total", "", std::to_string(refused_connections.load()));
  head(out, "process_resident_memory_bytes", "gauge", "Resident memory of the process.");
  sample(out, "process_resident_memory_bytes", "", std::to_string(resident_bytes()));
  return out;
}

int64_t resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (!file) return 0;
  long long size = 0, resident = 0;
  const int read = std::fscanf(file, "%lld %lld", &size, &resident);
  std::fclose(file);
  return read == 2 ? resident * sysconf(_SC_PAGESIZE) : 0;
}

}  // namespace serve
