// Trace: runs a function on placeholders and writes down what it computes.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "addax/variable.h"
#include "graph/graph.h"
#include "ops/record.h"

namespace addax {

/// A variable that a trace read or assigned.
struct State {
  std::shared_ptr<Variable> variable;
  bool trainable;  // as it was while tracing: what the tapes watched depends on it
};

class ADDAX_API Trace final : public Tracer {
 public:
  ~Trace() override;

  /// A placeholder for the next argument.
  Tensor argument(const Shape& shape, Dtype dtype);
  /// From here to stop, what this thread computes from placeholders is written down. Throws Error if the thread is
  /// tracing already.
  void start();
  void stop();
  /// The graph that leads to `results` and to the new values of the states. Ends the trace.
  Graph finish(Span<const Tensor> results);
  const std::vector<State>& states() const { return states_; }

  /// The values of all variables as they are at this point of the trace.
  using Values = std::unordered_map<uint64_t, Tensor>;
  const Values& values() const { return values_; }
  /// Goes back to earlier values, to trace another branch from there.
  void set_values(const Values& values);
  /// Where two branches meet: each variable has its value of `yes` where the 0-d bool `condition` holds, else that of
  /// `no`.
  void merge_values(const Tensor& condition, const Values& yes, const Values& no);

  void record(const OpDef& op, const Attrs& attrs, Span<const Tensor> inputs, Span<const Tensor> outputs) override;
  Tensor& value_of(Variable& variable) override;

 private:
  int id_of(const Tensor& tensor);

  Graph graph_;
  std::unordered_map<uint64_t, int> ids_;  // tensor -> var
  std::vector<State> states_;
  std::vector<int> before_;  // per state: its var at the start
  Tensors first_;            // and the placeholder of that var
  Values values_;            // variable -> its value now
  bool active_ = false;
};

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
