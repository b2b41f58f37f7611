// Keyword arguments of a pybind11 call in the layout of a vector call: values beside a tuple of names.
#pragma once

#include <vector>

#include "bind/bind.h"

namespace addax::bind {

class __attribute__((visibility("hidden"))) Keywords {
 public:
  explicit Keywords(const py::kwargs& kwargs) : names_(kwargs.size()) {
    size_t i = 0;
    for (const auto& [key, value] : kwargs) {
      names_[i++] = key;
      values_.push_back(value.ptr());
    }
  }
  Attrs attrs_of(const OpDef& op) const { return parse_attrs(op, values_.data(), names_.ptr()); }

 private:
  py::tuple names_;
  std::vector<PyObject*> values_;
};

}  // namespace addax::bind
