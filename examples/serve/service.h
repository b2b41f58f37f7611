// The paths of the service: what each answers, and how errors become statuses.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "batcher.h"
#include "http_server.h"
#include "metrics.h"
#include "options.h"

namespace serve {

class Service {
 public:
  /// Loads the models. Throws what Model::load throws, with the model's name.
  explicit Service(const Options& options);

  /// Binds; returns the port.
  int bind();
  /// Answers until stop(); then returns when all connections have ended.
  void run() { server_.run(); }
  /// From any thread: takes no more requests, answers those it has.
  void stop();
  /// From any thread: answers what waits with errors and cuts the connections.
  void abort();
  /// Loads the files again; a model whose file fails stays as it was. Returns a line for the log.
  std::string reload();

 private:
  struct Entry {
    std::string path;
    mutable std::mutex mutex;
    std::shared_ptr<const ServedModel> model;  // guarded by mutex
    std::unique_ptr<Batcher> batcher;
    ModelMetrics* metrics = nullptr;

    std::shared_ptr<const ServedModel> current() const;
  };

  std::shared_ptr<const ServedModel> load(const std::string& name, const std::string& path) const;
  Entry& entry(const std::string& name, const std::string& version);
  std::string infer(const std::string& name, Entry& entry, const httplib::ContentReader& reader);
  void add_routes();

  const Options options_;
  Metrics metrics_;
  std::map<std::string, Entry> entries_;
  std::atomic<bool> stopping_{false};
  std::atomic<int64_t> held_bytes_{0};  // of bodies that are being read or wait
  HttpServer server_;
};

}  // namespace serve
