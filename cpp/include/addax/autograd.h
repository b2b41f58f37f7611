// Reverse-mode differentiation by tape.
#pragma once

#include <functional>
#include <memory>

#include "addax/tensor.h"

namespace addax {

class Variable;

/// Records what is computed from watched tensors while it is active on this thread. It dies with its last reference;
/// nothing global points at it.
class ADDAX_API Tape {
 public:
  /// `watch_variables`: trainable variables are watched when they are read.
  explicit Tape(bool watch_variables = true);
  /// Stops recording if it still is.
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  /// Becomes the innermost active tape of the calling thread.
  void start();
  void stop();
  bool recording() const;
  /// Treats the tensor as something to differentiate with respect to.
  void watch(const Tensor& tensor);
  void watch(const Variable& variable);
  bool watches(const Tensor& tensor) const;
  /// Forgets everything recorded and watched.
  void reset();

  /// Gradient of sum(targets * output_grads) with respect to each source; undefined where unconnected. An undefined
  /// output gradient means ones. Unless `keep`, the record is freed while it is walked.
  Tensors gradient(const Tensors& targets, const Tensors& sources, const Tensors& output_grads, bool keep);
  /// The same with respect to variables, over every value of theirs that was read under this tape.
  Tensors gradient(const Tensors& targets, Span<const Variable* const> sources, const Tensors& output_grads, bool keep);

  /// Ids of the variables watched so far, in order of first reading.
  std::vector<uint64_t> watched_variables() const;
  /// Number of recorded operations.
  size_t size() const;

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

/// While one lives on this thread, no tape records.
class ADDAX_API StopRecording {
 public:
  StopRecording();
  ~StopRecording();
  StopRecording(const StopRecording&) = delete;
  StopRecording& operator=(const StopRecording&) = delete;
};

/// While it lives, the tapes that were active on this thread before it record nothing; those started since do.
class ADDAX_API SuspendTapes {
 public:
  SuspendTapes();
  ~SuspendTapes();
  SuspendTapes(const SuspendTapes&) = delete;
  SuspendTapes& operator=(const SuspendTapes&) = delete;
  /// True if one of the suspended tapes would record an op over this tensor.
  bool watch(const Tensor& tensor) const;

 private:
  std::vector<Tape::Impl*> tapes_;
};

/// What this thread's tapes record while one lives keeps no values that were computed inside: a gradient that needs
/// them computes them again, from what came from outside. An inner one belongs to the outer one.
class ADDAX_API Rematerialize {
 public:
  Rematerialize();
  ~Rematerialize();
  Rematerialize(const Rematerialize&) = delete;
  Rematerialize& operator=(const Rematerialize&) = delete;

 private:
  std::vector<std::shared_ptr<class Region>> regions_;
};

/// True if an active tape of this thread would record an op over this tensor.
ADDAX_API bool is_watched(const Tensor& tensor);

/// Gradients of the inputs, given those of the outputs (undefined where absent).
using CustomVjp = std::function<Tensors(const Tensors& grads)>;
/// Records `outputs` as one operation over `inputs` with a gradient of the caller's own.
ADDAX_API void record_custom(const Tensors& inputs, const Tensors& outputs, CustomVjp vjp);
/// As Tensor::to, recorded by tapes: the gradient moves back.
ADDAX_API Tensor move_to(const Tensor& x, Device device);

}  // namespace addax
