// Engine: runs whole rows in the place of the CPU column, on values of its own. The JAX engine is one; cpp/bind makes
// it known, so the core knows neither Python nor JAX.
#pragma once

#include "ops/op.h"

namespace addax {

class ADDAX_API Engine {
 public:
  virtual ~Engine() = default;
  /// Computes a row. `out` holds the specs that `infer` gave. Inputs may lie in the host's memory.
  virtual Tensors run(const OpDef& op, const Attrs& attrs, Span<const Tensor> in, Span<const Spec> out) = 0;
  /// The same values where the engine computes, known to no tape, in memory that nobody else changes. If there is an
  /// `old` value, they lie over the engine's devices as that does.
  virtual Tensor put(const Tensor& value, const Tensor& old) = 0;
};

/// While it lives, this thread computes by the native kernels, in the host's memory.
class ADDAX_API OnHost {
 public:
  OnHost();
  ~OnHost();
  OnHost(const OnHost&) = delete;
  OnHost& operator=(const OnHost&) = delete;
  static bool active();

 private:
  bool before_;
};

/// The engine of this process; null: the native one. Chosen before the first tensor is made.
ADDAX_API extern Engine* active_engine;

}  // namespace addax
