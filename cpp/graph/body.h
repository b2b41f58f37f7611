// Graphs as the bodies of control flow: planned, after the passes, with the graph around them or when they first run.
#pragma once

#include <list>
#include <mutex>

#include "graph/graph.h"
#include "graph/plan.h"

namespace addax {

class ADDAX_API GraphBody final : public Body {
 public:
  /// States are inputs and results that are updated in place where the caller gives both one address. Throws ValueError
  /// for a graph with consts that have no text; what is large is passed to a body as an input.
  explicit GraphBody(Graph graph);

  const Graph& graph() const { return graph_; }
  const std::vector<Spec>& inputs() const override { return inputs_; }
  const std::vector<Spec>& outputs() const override { return outputs_; }
  const std::string& text() const override { return text_; }
  void run(Device device, FunctionRef<void(Run&)> with) const override;
  int64_t flops() const override;
  const Plan& plan(Device device) const;

 private:
  Graph graph_;
  std::vector<Spec> inputs_, outputs_;
  std::string text_;
  mutable std::mutex mutex_;
  mutable std::list<Plan> plans_;  // one for each device that asked
};

ADDAX_API BodyRef make_body(Graph graph);
/// All bodies are graphs.
inline const Graph& graph_of(const BodyRef& body) { return static_cast<const GraphBody*>(body.body.get())->graph(); }
inline const Plan& plan_of(const BodyRef& body, Device device) {
  return static_cast<const GraphBody*>(body.body.get())->plan(device);
}
/// Applies the graph's eqns to values of its inputs.
Tensors call(const Graph& graph, Span<const Tensor> inputs);

}  // namespace addax
