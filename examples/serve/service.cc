#include "service.h"

#include <iostream>
#include <new>

#include "protocol.h"

namespace serve {
namespace {

/// Bodies in memory at once, in longest ones; more get 429.
constexpr int64_t kBodies = 8;

void answer_json(httplib::Response& response, std::string body) {
  response.status = 200;
  response.body = std::move(body);
  response.set_header("Content-Type", "application/json");
}

/// Runs `body`, and turns what it throws into an answer.
template <class Body>
void guarded(httplib::Response& response, const Body& body) {
  const auto fail = [&](int status, const std::string& message) {
    response.status = status;
    response.body = error_body(message);
    response.headers.erase("Content-Type");
    response.set_header("Content-Type", "application/json");
    if (status == 429 || status == 503) response.set_header("Retry-After", "1");
  };
  try {
    body();
  } catch (const HttpError& error) {
    fail(error.status, error.what());
  } catch (const addax::OutOfMemory& error) {
    fail(413, error.what());
  } catch (const std::bad_alloc&) {
    fail(503, "out of memory");
  } catch (const addax::ShapeError& error) {
    fail(400, error.what());
  } catch (const addax::DtypeError& error) {
    fail(400, error.what());
  } catch (const addax::ValueError& error) {
    fail(400, error.what());
  } catch (const addax::IndexError& error) {
    fail(400, error.what());
  } catch (const std::exception& error) {
    std::cerr << std::string("serve: internal error: ") + error.what() + "\n";
    fail(500, "internal error");
  }
}

}  // namespace

std::shared_ptr<const ServedModel> Service::Entry::current() const {
  const std::lock_guard lock(mutex);
  return model;
}

Service::Service(const Options& options)
    : options_(options),
      server_({options.connections, options.max_request_bytes, std::chrono::seconds(options.request_timeout),
               std::chrono::seconds(options.idle_timeout)},
              metrics_) {
  const BatchLimits limits{options.max_batch, std::chrono::microseconds(options.batch_delay_us), options.queue};
  for (const auto& [name, path] : options.models) {
    Entry& entry = entries_[name];
    entry.path = path;
    entry.model = load(name, path);
    entry.metrics = &metrics_.models[name];
    entry.batcher = std::make_unique<Batcher>(limits, *entry.metrics);
  }
  add_routes();
}

std::shared_ptr<const ServedModel> Service::load(const std::string& name, const std::string& path) const {
  addax::LoadOptions options;
  if (!options_.device.empty()) options.device = addax::device_from(options_.device);
  options.threads = options_.threads;
  options.verify = options_.verify;
  options.memory_limit = options_.max_run_bytes;
  auto model = std::make_shared<const ServedModel>(addax::Model::load(path, options));
  if (model->model.has_state())
    throw std::runtime_error(path + ": the model remembers something from run to run, and clients would share it");
  for (const auto* infos : {&model->model.inputs(), &model->model.outputs()})
    for (const addax::TensorInfo& info : *infos)
      if (datatype_of(info.dtype).empty())
        throw std::runtime_error(name + ": the protocol has no datatype for '" + info.name + "'");
  return model;
}

int Service::bind() { return server_.bind(options_.host, options_.port); }

void Service::stop() {
  stopping_ = true;
  for (auto& [name, entry] : entries_) entry.batcher->stop();
  server_.stop();
}

void Service::abort() {
  for (auto& [name, entry] : entries_) entry.batcher->abandon();
  server_.abort();
}

std::string Service::reload() {
  std::string line = "loaded again:";
  for (auto& [name, entry] : entries_) {
    try {
      auto model = load(name, entry.path);
      const std::lock_guard lock(entry.mutex);
      entry.model = std::move(model);
      line += " " + name;
    } catch (const std::exception& error) {
      line += " " + name + " not (" + error.what() + ")";
    }
  }
  return line;
}

Service::Entry& Service::entry(const std::string& name, const std::string& version) {
  const auto found = entries_.find(name);
  if (found == entries_.end()) throw HttpError(404, "there is no model of this name");
  if (!version.empty() && version != kModelVersion)
    throw HttpError(404, std::string("the model has version ") + kModelVersion + " only");
  return found->second;
}

std::string Service::infer(const std::string& name, Entry& entry, const httplib::ContentReader& reader) {
  struct Held {
    std::atomic<int64_t>& all;
    int64_t own = 0;
    ~Held() { all -= own; }
  } held{held_bytes_};
  if (stopping_) throw HttpError(503, "the server is shutting down");
  InferRequest request;
  const std::shared_ptr<const ServedModel> model = entry.current();
  {
    const std::string body = server_.read_body(reader, [&](size_t size) {
      held.own += static_cast<int64_t>(size);
      if ((held.all += static_cast<int64_t>(size)) > kBodies * options_.max_request_bytes)
        throw HttpError(429, "the requests at work are too large together; try again later");
    });
    request = parse_request(body, model->model.inputs(), model->model.outputs());
  }
  const addax::Tensors outputs = entry.batcher->run(model, std::move(request.inputs));
  return response_body(name, request, outputs, model->model.outputs());
}

void Service::add_routes() {
  using httplib::ContentReader, httplib::Request, httplib::Response;
  const std::string model = R"(/v2/models/([^/]+)(?:/versions/([^/]+))?)";
  server_.Get("/v2/?", [](const Request&, Response& response) { answer_json(response, server_metadata()); });
  server_.Get("/v2/health/live", [](const Request&, Response& response) { answer_json(response, "{\"live\":true}"); });
  server_.Get("/v2/health/ready", [this](const Request&, Response& response) {
    guarded(response, [&] {
      if (stopping_) throw HttpError(503, "the server is shutting down");
      answer_json(response, "{\"ready\":true}");
    });
  });
  server_.Get(model, [this](const Request& request, Response& response) {
    guarded(response, [&] {
      const auto served = entry(request.matches[1], request.matches[2]).current();
      answer_json(response, model_metadata(request.matches[1], served->model.inputs(), served->model.outputs()));
    });
  });
  server_.Get(model + "/ready", [this](const Request& request, Response& response) {
    guarded(response, [&] {
      entry(request.matches[1], request.matches[2]);
      if (stopping_) throw HttpError(503, "the server is shutting down");
      answer_json(response, "{\"ready\":true}");
    });
  });
  server_.Get("/metrics", [this](const Request&, Response& response) {
    response.set_content(metrics_.text(), "text/plain; version=0.0.4");
  });
  server_.Post(model + "/infer", [this](const Request& request, Response& response, const ContentReader& reader) {
    const auto start = std::chrono::steady_clock::now();
    ModelMetrics* metrics = nullptr;
    guarded(response, [&] {
      Entry& chosen = entry(request.matches[1], request.matches[2]);
      metrics = chosen.metrics;
      answer_json(response, infer(request.matches[1], chosen, reader));
    });
    if (!metrics) return;
    metrics->requests.add(response.status);
    metrics->request_seconds.observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  });
  // The body of any other POST is not read.
  server_.Post("/.*", [](const Request&, Response& response, const ContentReader&) {
    guarded(response, [] { throw HttpError(404, "no such path; POST /v2/models/{name}/infer"); });
  });
}

}  // namespace serve
