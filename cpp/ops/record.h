// The hook through which apply tells the tapes what it computed. Set by cpp/autograd; arrows point one way.
#pragma once

#include "ops/op.h"

namespace addax {

class Recorder {
 public:
  virtual ~Recorder() = default;
  virtual void record(const OpDef& op, const Attrs& attrs, Span<const Tensor> inputs, Span<const Tensor> outputs) = 0;
};

/// The recorder of this thread; null when nothing records.
extern thread_local Recorder* active_recorder;

}  // namespace addax
