// The hooks through which apply tells tapes and traces what it computed. Set by cpp/autograd and cpp/graph; arrows
// point one way.
#pragma once

#include "ops/op.h"

namespace addax {

class Variable;

class ADDAX_API Recorder {
 public:
  virtual ~Recorder() = default;
  virtual void record(const OpDef& op, const Attrs& attrs, Span<const Tensor> inputs, Span<const Tensor> outputs) = 0;
};

/// Also stands between variables and their values.
class ADDAX_API Tracer : public Recorder {
 public:
  /// Where this trace keeps the variable's value: a placeholder at first.
  virtual Tensor& value_of(Variable& variable) = 0;
  /// A function with a gradient of its own has been called, which no row tells.
  virtual void note_custom_gradient() {}
};

/// A run that writes the values of variables while other work goes on.
class ADDAX_API Pending {
 public:
  virtual ~Pending() = default;
  /// Returns once they are written.
  virtual void wait() = 0;
};

/// The recorder of this thread; null when nothing records.
ADDAX_API extern thread_local Recorder* active_recorder;
/// The trace of this thread; null when nothing is traced.
ADDAX_API extern thread_local Tracer* active_tracer;

}  // namespace addax
