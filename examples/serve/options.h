// What the command line says.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace serve {

struct Options {
  std::vector<std::pair<std::string, std::string>> models;  // name, path
  std::string host = "127.0.0.1";
  int port = 8000;
  std::string device;  // empty: addax's default
  int threads = 0;     // of the engine; 0: as many as there are
  int64_t max_batch = 32;
  int64_t batch_delay_us = 500;
  int64_t queue = 64;
  int64_t connections = 128;
  int64_t max_request_bytes = 16 << 20;
  int64_t max_run_bytes = 1 << 30;
  int64_t request_timeout = 10, idle_timeout = 30, grace = 10;  // seconds
  bool verify = false;
  bool help = false;
};

/// Throws std::invalid_argument that names the option.
Options parse_options(int argc, const char* const* argv);
std::string usage();

}  // namespace serve
