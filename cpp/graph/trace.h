// Trace: runs a function on placeholders and writes down what it computes.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "addax/autograd.h"
#include "addax/variable.h"
#include "graph/graph.h"
#include "ops/record.h"

namespace addax {

/// A variable that a trace read or assigned.
struct State {
  std::shared_ptr<Variable> variable;
  bool trainable;  // as it was while tracing: what the tapes watched depends on it
};

/// The values of a trace's states, for an engine that runs whole graphs.
class ADDAX_API States {
 public:
  explicit States(std::vector<State> states) : states_(std::move(states)) {}
  size_t size() const { return states_.size(); }
  Tensor& value(size_t i) const { return states_[i].variable->value(); }
  /// False if a state is not trainable as it was while the graph was traced.
  bool are_current() const;

 private:
  std::vector<State> states_;
};

/// What a loop or branch becomes. Inputs of the graph: the arguments, the variables that it assigns, then what it
/// takes from outside. Outputs: the results, then the new values of those variables.
struct ClosedTrace {
  Graph graph;
  std::vector<std::shared_ptr<Variable>> assigned;
  Tensors captures;
};

/// Branches as bodies that take and give the same. Inputs of each graph: the arguments, then `inputs`, of which the
/// last are the variables that any branch assigns: the states of all graphs.
struct JoinedBranches {
  std::vector<Graph> graphs;
  std::vector<std::shared_ptr<Variable>> assigned;
  Tensors inputs;
};

class ADDAX_API Trace final : public Tracer {
 public:
  /// A body is traced within another trace. What was recording before does not hear it.
  enum class Kind { Function, Body };
  explicit Trace(Kind kind = Kind::Function) : kind_(kind) {}
  ~Trace() override;

  /// A placeholder for the next argument, whose values will lie on `device`.
  Tensor argument(const Shape& shape, Dtype dtype, Device device = {});
  /// The one device other than the CPU on which arguments, variables or constants lie, else the CPU. Throws ValueError
  /// for several.
  Device device() const;
  /// From here to stop, what this thread computes from placeholders is written down. New tensors are made on the CPU,
  /// and so all constants of the graph lie there. Throws Error if the thread is
  /// tracing already.
  void start();
  void stop();
  /// The graph that leads to `results` and to the new values of the states. Ends the trace.
  Graph finish(Span<const Tensor> results);
  /// The same of a body that has been stopped. Variables that it only reads are read now, by the outer trace and tapes.
  ClosedTrace close(Span<const Tensor> results);
  /// True once a function with a gradient of its own has been called: its graph does not tell that gradient.
  bool has_custom_gradient() const { return custom_gradient_; }
  const std::vector<State>& states() const { return states_; }
  /// What has been written down so far.
  const std::vector<Eqn>& eqns() const { return graph_.eqns; }

  /// The values of all variables as they are at this point of the trace.
  using Values = std::unordered_map<uint64_t, Tensor>;
  const Values& values() const { return values_; }
  /// Whether a variable has been assigned since it had these values.
  bool has_assigned(const Values& since) const;
  /// Goes back to earlier values, to trace another branch from there.
  void set_values(const Values& values);
  /// Where two branches meet: each variable has its value of `yes` where the 0-d bool `condition` holds, else that of
  /// `no`.
  void merge_values(const Tensor& condition, const Values& yes, const Values& no);

  void record(const OpDef& op, const Attrs& attrs, Span<const Tensor> inputs, Span<const Tensor> outputs) override;
  Tensor& value_of(Variable& variable) override;
  void note_custom_gradient() override;

 private:
  int id_of(const Tensor& tensor);

  Graph graph_;
  std::vector<Device> devices_;            // of arguments and constants that do not lie on the CPU
  std::unordered_map<uint64_t, int> ids_;  // tensor -> var
  std::vector<State> states_;
  std::vector<int> before_;  // per state: its var at the start
  Tensors first_;            // and the placeholder of that var
  Values values_;            // variable -> its value now
  Kind kind_;
  std::vector<std::pair<int, Tensor>> captured_;
  Tracer* outer_ = nullptr;
  std::unique_ptr<SuspendTapes> tapes_;
  bool active_ = false;
  bool custom_gradient_ = false;
};

/// The bodies of a choice among `branches`. Variables are read now.
ADDAX_API JoinedBranches join(std::vector<ClosedTrace> branches);

/// While it lives, this thread does not trace: what is computed now is computed, and variables have their real values.
class SuspendTrace {
 public:
  SuspendTrace() : outer_(active_tracer) { active_tracer = nullptr; }
  ~SuspendTrace() { active_tracer = outer_; }
  SuspendTrace(const SuspendTrace&) = delete;
  SuspendTrace& operator=(const SuspendTrace&) = delete;

 private:
  Tracer* outer_;
};

}  // namespace addax
