// Reverse-mode differentiation by tape.
#pragma once

#include <functional>
#include <memory>

#include "addax/tensor.h"

namespace addax {

/// Records what is computed from watched tensors while it is active on this thread. Dies with its last reference;
/// nothing global points at it.
class ADDAX_API Tape {
 public:
  Tape();
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  /// Becomes the innermost active tape of the calling thread / stops being active.
  void start();
  void stop();
  bool recording() const;
  /// Treats the tensor as an input to differentiate with respect to.
  void watch(const Tensor& tensor);
  bool watches(const Tensor& tensor) const;
  void reset();
  /// Gradient of sum(targets * output_grads) with respect to each source; undefined where unconnected. An undefined
  /// output gradient means ones. `keep` false frees the record while walking it.
  Tensors gradient(const Tensors& targets, const Tensors& sources, const Tensors& output_grads, bool keep);

  /// Recorded operations, for tests.
  size_t size() const;

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// While one lives on this thread, no tape records.
class ADDAX_API StopRecording {
 public:
  StopRecording();
  ~StopRecording();
};

/// True if an active tape of this thread would record an op over this tensor.
ADDAX_API bool is_watched(const Tensor& tensor);

/// Gradients of the inputs, given those of the outputs (undefined where absent).
using CustomVjp = std::function<Tensors(const Tensors& grads)>;
/// Records `outputs` as one operation over `inputs` with a gradient of the caller's own.
ADDAX_API void record_custom(const Tensors& inputs, const Tensors& outputs, CustomVjp vjp);

}  // namespace addax
