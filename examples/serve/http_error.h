// An answer that is an error, thrown to whoever writes it.
#pragma once

#include <stdexcept>
#include <string>

namespace serve {

class HttpError : public std::runtime_error {
 public:
  HttpError(int status, const std::string& message) : std::runtime_error(message), status(status) {}
  const int status;
};

/// {"error": message}, of valid UTF-8.
std::string error_body(const std::string& message);

}  // namespace serve
