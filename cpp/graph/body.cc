// Bodies of control flow: checks, the plan, and calls of it.
#include "graph/body.h"

#include "graph/passes.h"
#include "graph/run.h"

namespace addax {
namespace {

class PlannedRun final : public Body::Run {
 public:
  explicit PlannedRun(const Plan& plan) : run_(plan) {}
  void call(Span<void* const> in, Span<void* const> out) override { run_->call(in, out); }

 private:
  PlanLease run_;
};

std::vector<Spec> specs(const Graph& g, const std::vector<int>& vars) {
  std::vector<Spec> out;
  for (const int v : vars) out.push_back(g.vars[static_cast<size_t>(v)]);
  return out;
}

}  // namespace

GraphBody::GraphBody(Graph graph) : graph_(std::move(graph)) {
  for (const auto& c : graph_.consts)
    if (!has_text(c.second))
      fail<ValueError>("body: a const of ", c.second.numel(), " values has no text; pass it as an input");
  verify(graph_);
  inputs_ = specs(graph_, graph_.inputs);
  outputs_ = specs(graph_, graph_.outputs);
  text_ = to_text(graph_);
  text_.pop_back();  // the end of the last line
}

const Plan& GraphBody::plan(Device device) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const Plan& plan : plans_)
    if (plan.device() == device) return plan;
  return plans_.emplace_back(optimize(graph_), device);
}

// Of whichever plan there is: where a graph is planned, its bodies are first.
int64_t GraphBody::flops() const {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!plans_.empty()) return plans_.front().stats().flops;
  }
  return plan({}).stats().flops;
}

void GraphBody::run(Device device, FunctionRef<void(Run&)> with) const {
  PlannedRun run(plan(device));
  with(run);
}

BodyRef make_body(Graph graph) { return {std::make_shared<GraphBody>(std::move(graph))}; }

Tensors call(const Graph& g, Span<const Tensor> inputs) {
  Tensors values(g.vars.size());
  const auto at = [&](int v) -> Tensor& { return values[static_cast<size_t>(v)]; };
  for (size_t i = 0; i < g.inputs.size(); ++i) at(g.inputs[i]) = inputs[i];
  for (const auto& [v, value] : g.consts) at(v) = value;
  for (const Eqn& e : g.eqns) {
    Tensors in;
    for (const int v : e.in) in.push_back(v < 0 ? Tensor() : at(v));
    Tensors out = apply(*e.op, in, e.attrs);
    for (size_t i = 0; i < out.size(); ++i) at(e.out[i]) = std::move(out[i]);
  }
  Tensors results;
  for (const int v : g.outputs) results.push_back(at(v));
  return results;
}

}  // namespace addax
