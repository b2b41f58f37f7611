#include "options.h"

#include <charconv>
#include <functional>
#include <stdexcept>

namespace serve {
namespace {

struct Option {
  const char* name;
  const char* value;  // what the usage calls it; null: a flag
  const char* text;
  std::function<void(Options&, const std::string&)> set;
};

int64_t integer(const std::string& name, const std::string& text, int64_t low, int64_t high) {
  int64_t value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end.ec != std::errc() || end.ptr != text.data() + text.size() || value < low || value > high)
    throw std::invalid_argument(name + " must be an integer from " + std::to_string(low) + " to " +
                                std::to_string(high) + ", not '" + text + "'");
  return value;
}

template <class T>
Option number(const char* name, const char* value, const char* text, T Options::* field, int64_t low, int64_t high) {
  return {name, value, text,
          [=](Options& o, const std::string& v) { o.*field = static_cast<T>(integer(name, v, low, high)); }};
}

void add_model(Options& options, const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos || equals + 1 == text.size())
    throw std::invalid_argument("--model must be name=path, not '" + text + "'");
  const std::string name = text.substr(0, equals);
  if (name.find('/') != std::string::npos)
    throw std::invalid_argument("--model: a name stands in paths and has no '/': '" + name + "'");
  for (const auto& [other, path] : options.models)
    if (other == name) throw std::invalid_argument("--model: two models are named '" + name + "'");
  options.models.emplace_back(name, text.substr(equals + 1));
}

const std::vector<Option>& table() {
  // A descriptor above FD_SETSIZE is refused by httplib, hence at most 900 connections.
  static const std::vector<Option> options = {
      {"--model", "NAME=PATH", "an .addax file and the name it is served under; may be given several times", add_model},
      {"--host", "ADDRESS", "where to listen (127.0.0.1; 0.0.0.0 for all interfaces)",
       [](Options& o, const std::string& v) { o.host = v; }},
      number("--port", "N", "0: any free one, which the line on stdout names (8000)", &Options::port, 0, 65535),
      {"--device", "NAME", "cpu, cuda:0, ... (ADDAX_DEVICE, else the first GPU, else the CPU)",
       [](Options& o, const std::string& v) { o.device = v; }},
      number("--threads", "N", "threads that share one run of a model (all cores)", &Options::threads, 1, 4096),
      number("--max-batch", "ROWS", "most rows in a run of joined requests; 1: requests are not joined (32)",
             &Options::max_batch, 1, 1 << 20),
      number("--batch-delay-us", "US", "how long a request waits for others to join it (500)", &Options::batch_delay_us,
             0, 3'600'000'000),
      number("--queue", "N", "most requests that wait for one model; more get 429 (64)", &Options::queue, 1, 1 << 20),
      number("--connections", "N", "most clients connected at once; more get 503 (128)", &Options::connections, 1, 900),
      number("--max-request-bytes", "N", "longest body; longer ones get 413 (16777216)", &Options::max_request_bytes, 1,
             int64_t{1} << 31),
      number("--max-run-bytes", "N",
             "most memory that one run may take beside the weights; requests that need more get 413 (1073741824)",
             &Options::max_run_bytes, 1, INT64_MAX),
      number("--request-timeout", "S", "seconds for a client to send a request, and to take the answer (10)",
             &Options::request_timeout, 1, 86400),
      number("--idle-timeout", "S", "seconds a connection may be silent between requests (30)", &Options::idle_timeout,
             1, 86400),
      number("--grace", "S", "seconds to finish what is queued after SIGTERM or SIGINT (10)", &Options::grace, 0,
             86400),
      {"--verify", nullptr, "check the files' checksums and recorded examples before serving",
       [](Options& o, const std::string&) { o.verify = true; }},
      {"--help", nullptr, "this text", [](Options& o, const std::string&) { o.help = true; }},
  };
  return options;
}

}  // namespace

Options parse_options(int argc, const char* const* argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    std::string name = argv[i], value;
    const size_t equals = name.find('=');
    const bool joined = equals != std::string::npos;
    if (joined) {
      value = name.substr(equals + 1);
      name.resize(equals);
    }
    const Option* option = nullptr;
    for (const Option& o : table())
      if (name == o.name) option = &o;
    if (!option) throw std::invalid_argument("unknown option '" + name + "'");
    if (option->value && !joined) {
      if (++i == argc) throw std::invalid_argument(name + " needs a value: " + option->value);
      value = argv[i];
    } else if (!option->value && joined) {
      throw std::invalid_argument(name + " takes no value");
    }
    option->set(options, value);
  }
  if (options.models.empty() && !options.help) throw std::invalid_argument("--model name=path.addax is needed");
  return options;
}

std::string usage() {
  std::string text =
      "serve --model name=path.addax [options]\n\nServes exported models over HTTP: the Open Inference Protocol v2 and "
      "/metrics.\n\n";
  for (const Option& o : table()) {
    std::string head = std::string("  ") + o.name + (o.value ? std::string(" ") + o.value : "");
    head.resize(std::max<size_t>(head.size() + 2, 28), ' ');
    text += head + o.text + "\n";
  }
  return text + "\nSIGTERM, SIGINT: answer what is queued, then exit 0. SIGHUP: load the files again.\n";
}

}  // namespace serve
