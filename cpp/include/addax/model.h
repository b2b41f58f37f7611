// Model: an exported `.addax` file, ready to run. docs/format.md describes the file.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "addax/tensor.h"

namespace addax {

/// What an input or output must be like.
struct TensorInfo {
  std::string name;
  Dtype dtype = Dtype::Float32;
  Shape shape;                     // -1: any size, or one that follows from those of the inputs
  std::vector<std::string> sizes;  // per dim: the name of its size, equal for dims that must be equal; else empty
};

struct LoadOptions {
  /// Where it runs.
  Device device = default_device();
  /// Threads that share the work of one run, in the whole process; 0 leaves them as they are.
  int threads = 0;
  /// Checks every byte of the weights against its checksum, runs the recorded example and compares the results.
  bool verify = false;
  /// The most bytes that one run may take beside weights and caller's buffers; 0: any.
  int64_t memory_limit = 0;
  /// Keeps no weights packed as kernels of products and convolutions read them. Packed ones are made by the first run
  /// that reads them, and take as much memory as the weights, or up to four times for 3 x 3 filters; six times at most.
  bool save_memory = false;
  /// Which of the file's functions `run` calls; empty: the first.
  std::string endpoint;
};

struct ModelStats {
  int64_t weights_bytes = 0;  // in the file, each tensor once
  int64_t arena_bytes = 0;    // what one run takes for inner values
  int64_t flops = 0;          // of one run
  int steps = 0;
};

/// What a model remembers from run to run, such as the state of a stateful recurrent layer. Of one sequence of runs;
/// not for two threads at once.
class ADDAX_API ModelState {
 public:
  /// In the order of the file, with their names.
  const std::vector<std::string>& names() const { return names_; }
  const Tensors& values() const { return values_; }
  /// Throws ValueError for a name that is none, ShapeError or DtypeError for another spec.
  void set(const std::string& name, const Tensor& value);

 private:
  friend class Model;
  std::vector<std::string> names_;
  Tensors values_;
};

/// A handle: copies share the weights and plans. All functions are const and may be called by several threads at once.
class ADDAX_API Model {
 public:
  /// Maps the file; weights are read when they are used. Throws ValueError for a file that is not one, is damaged or
  /// of a later version, Error if the system cannot open it. The file must not be changed in place meanwhile: replace
  /// it by renaming another one.
  static Model load(const std::string& path, const LoadOptions& options = {});
  /// Of a file's bytes, which are copied.
  static Model from_bytes(const void* bytes, size_t size, const LoadOptions& options = {});

  const std::vector<TensorInfo>& inputs() const;
  const std::vector<TensorInfo>& outputs() const;
  /// The names of the file's functions.
  std::vector<std::string> endpoints() const;
  /// Another function of the same file, over the same weights. Throws ValueError for a name that is none.
  Model endpoint(const std::string& name) const;

  /// One tensor per input, in order. Any sizes where the file leaves them open; the first run with new ones makes a
  /// plan, which takes milliseconds. Throws ShapeError, DtypeError or ValueError for inputs that do not fit.
  Tensors run(const Tensors& inputs) const;
  std::map<std::string, Tensor> run(const std::map<std::string, Tensor>& inputs) const;
  /// Writes the results into contiguous tensors of the caller's (`Tensor::borrow` makes one over any memory). Once it
  /// has run with these sizes in as many threads at once, it allocates nothing, but for loops, which make a few small
  /// lists. Inputs that are not contiguous or lie elsewhere are refused with ValueError.
  void run(Span<const Tensor> inputs, Span<const Tensor> outputs) const;
  /// Of a model with a state, which moves on. If it throws, the state has not changed.
  Tensors run(const Tensors& inputs, ModelState& state) const;

  /// Whether runs need a state.
  bool has_state() const;
  /// As it was when the model was exported.
  ModelState initial_state() const;
  /// The shapes of what inputs of these shapes give.
  std::vector<Shape> output_shapes(const std::vector<Shape>& inputs) const;
  /// Makes the plan for inputs of these shapes, and memory for so many runs at once.
  void prepare(const std::vector<Shape>& inputs, int runs = 1) const;
  ModelStats stats(const std::vector<Shape>& inputs) const;
  /// Runs the recorded example. Throws Error with the largest difference if a result is not the recorded one, within
  /// 1e-4 of its largest value in float32 (16-bit floats: 2e-2).
  void check_example() const;

  struct File;
  struct Function;

 private:
  Model() = default;
  std::shared_ptr<const File> file_;
  std::shared_ptr<const Function> function_;
};

/// A training step exported with `model.export_training`: the weights are its own, and move.
class ADDAX_API Trainer {
 public:
  static Trainer load(const std::string& path, const LoadOptions& options = {});
  Trainer(Trainer&&) noexcept;
  Trainer& operator=(Trainer&&) noexcept;
  ~Trainer();

  /// What a step takes: the inputs, then the targets, then sample weights if there are such.
  const std::vector<TensorInfo>& inputs() const;
  /// What it returns: the loss, then the metrics since `reset_metrics`.
  const std::vector<TensorInfo>& outputs() const;
  /// One step on one batch. Throws as Model::run does; then nothing has changed.
  Tensors step(const Tensors& batch);
  void reset_metrics();

  /// All that a step changes or reads, in the order of the file: weights, optimizer state, metrics, seeds.
  std::vector<std::string> names() const;
  /// A value now. Throws ValueError for a name that is none.
  Tensor value(const std::string& name) const;
  void set_value(const std::string& name, const Tensor& value);
  /// Writes the file with the values of now, to a temporary name that is then renamed. `Trainer::load` goes on from it,
  /// `Model::load` serves it, and Python's `addax.export.load_weights` reads it.
  void save(const std::string& path) const;

 private:
  struct Impl;
  explicit Trainer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace addax
