// Function: an endpoint with its plans, one for each combination of input shapes.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "addax/model.h"
#include "graph/plan.h"
#include "model/file.h"

namespace addax {

/// An open file, and its tensors where the model runs.
struct Model::File {
  FileContent content;
  Tensors values;
  LoadOptions options;
  std::vector<std::shared_ptr<Function>> functions;

  static std::shared_ptr<const File> open(std::shared_ptr<const FileBytes> bytes, const LoadOptions& options);
  /// The one that the options name. Throws ValueError if there is none.
  std::shared_ptr<const Function> function(const std::string& name) const;
};

struct Model::Function {
  struct Planned {
    std::vector<Shape> shapes;
    Plan plan;
    std::vector<Spec> outputs;
  };

  Function(const File& file, const Endpoint& endpoint);

  /// The plan for tensors of these shapes, made if there is none yet. Throws if they do not fit.
  std::shared_ptr<const Planned> planned(Span<const Shape> shapes) const;
  std::shared_ptr<const Planned> planned_for(Span<const Tensor> inputs) const;
  /// Runs with addresses of contiguous values on the model's device, states behind.
  static void call(const Planned& planned, Span<const Tensor> inputs, const Tensors& states, Span<const Tensor> outputs,
                   const Tensors& new_states);
  /// On the model's device and contiguous. Throws DtypeError for other dtypes.
  Tensors placed(const Tensors& inputs) const;
  Tensors fresh(const std::vector<Spec>& specs) const;

  const File& file;
  const Endpoint& endpoint;
  std::vector<TensorInfo> inputs, outputs;

 private:
  void check_dtypes(Span<const Tensor> inputs) const;
  std::shared_ptr<const Planned> find(Span<const Shape> shapes) const;
  std::shared_ptr<const Planned> make(const std::vector<Shape>& shapes) const;

  mutable std::mutex mutex_;
  mutable std::list<std::shared_ptr<const Planned>> plans_;  // the most recently used one first
};

/// The graph of an endpoint for inputs of these shapes, after the passes.
Graph planned_graph(const Model::File& file, const Endpoint& endpoint, Span<const Shape> shapes);
/// Throws OutOfMemory if a run takes more than the options allow.
void check_memory(const Plan& plan, const LoadOptions& options, const std::string& endpoint);
/// Throws Error if results differ from the recorded ones by more than rounding.
void compare_example(const FileContent& file, const Endpoint& endpoint, const Tensors& results);

}  // namespace addax
