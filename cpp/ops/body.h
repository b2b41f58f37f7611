// Body: a function of tensors that an attribute holds, such as what a loop repeats. The rows of control flow know
// it by this interface; cpp/graph implements it, since arrows point one way.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "addax/tensor.h"
#include "core/parallel.h"

namespace addax {

struct Spec {
  Shape shape;
  Dtype dtype = Dtype::Float32;
};

class ADDAX_API Body {
 public:
  /// One caller's use of a body: memory of its own, the same for every call.
  class Run {
   public:
    virtual ~Run() = default;
    /// Reads contiguous values at `in` and writes the results to `out`. Only states of the body may lie in both.
    virtual void call(Span<void* const> in, Span<void* const> out) = 0;
  };

  virtual ~Body() = default;
  virtual const std::vector<Spec>& inputs() const = 0;
  virtual const std::vector<Spec>& outputs() const = 0;
  /// Complete: bodies of equal text are equal.
  virtual const std::string& text() const = 0;
  /// Lends a use on a device, where the addresses of its calls lie.
  virtual void run(Device device, FunctionRef<void(Run&)> with) const = 0;
  virtual int64_t flops() const = 0;
};

/// A shared body as the value of an attribute; empty in the defaults of a row.
struct BodyRef {
  std::shared_ptr<const Body> body;

  explicit operator bool() const { return static_cast<bool>(body); }
  const Body* operator->() const { return body.get(); }
  std::string text() const { return body ? body->text() : "none"; }
  friend bool operator==(const BodyRef& a, const BodyRef& b) { return a.body == b.body || a.text() == b.text(); }
};
using Bodies = std::vector<BodyRef>;

}  // namespace addax
