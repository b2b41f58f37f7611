// Every exception addax throws. The binding maps each to one Python type.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

#include "addax/api.h"

namespace addax {

/// Base of all addax exceptions. Python: RuntimeError.
class ADDAX_API Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A dtype that the operation cannot take. Python: TypeError.
class ADDAX_API DtypeError : public Error {
 public:
  using Error::Error;
};

/// Shapes or ranks that do not fit. Python: ValueError.
class ADDAX_API ShapeError : public Error {
 public:
  using Error::Error;
};

/// An attribute or argument out of its domain. Python: ValueError.
class ADDAX_API ValueError : public Error {
 public:
  using Error::Error;
};

/// An axis or index out of range. Python: IndexError.
class ADDAX_API IndexError : public Error {
 public:
  using Error::Error;
};

/// Memory could not be allocated; the engine stays usable. Python: MemoryError.
class ADDAX_API OutOfMemory : public Error {
 public:
  using Error::Error;
};

/// Throws E with the text of all parts streamed together.
template <class E = ValueError, class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw E(text.str());
}

}  // namespace addax
