// Plan: a graph made ready to run. Kernels are resolved, views are layouts, everything that lives only inside has its
// place in one arena. Running it is a walk over the steps, without Python.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/parallel.h"
#include "graph/graph.h"
#include "graph/trace.h"

namespace addax {

/// Where a value lies.
enum class Place : uint8_t { Arena, Argument, State, Const, Result };

struct Location {
  Place place = Place::Arena;
  int index = 0;       // of the argument, state, const or result
  int64_t offset = 0;  // bytes from the start of the arena; of a view: within its buffer, in `layout`
  Layout layout;
  Dtype dtype = Dtype::Float32;
};

struct Step {
  const OpDef* op = nullptr;  // null: a copy of in[0] to out[0]
  Kernel kernel = nullptr;
  Attrs attrs;
  std::vector<int> in, out;  // positions in Plan::locations; -1: not given
};

struct PlanStats {
  int64_t arena_bytes = 0;   // what lives inside a run, at its largest, laid out
  int64_t body_bytes = 0;    // arenas of the bodies of loops and branches, kept between runs
  int64_t result_bytes = 0;  // fresh memory for results, per run
  int64_t const_bytes = 0;
  int64_t bytes_moved = 0;  // read and written by all steps
  int64_t flops = 0;
  int steps = 0;
  bool has_bodies = false;  // of loops and branches; how long they run is not known
  // With those of bodies, which stand once for each step of a scan: what a capture writes down.
  int64_t captured_steps = 0;
};

class PlanRun;

class ADDAX_API Plan {
 public:
  /// `states[i]` holds the value of the graph's state i. Values on the CPU go to the device, and stay there. Throws
  /// ValueError for one on another device.
  Plan(Graph graph, std::vector<State> states, Device device = {});
  /// Of a body, whose states lie where the caller says.
  explicit Plan(Graph body, Device device = {});
  /// From the next run on kernels keep what they make of consts, such as packed weights, with these, whose values then
  /// must not change.
  void keep_weights() { keeps_weights_ = true; }
  ~Plan();
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  /// Runs all steps and moves the states on. On a device it returns once the kernels wait there in order; what they
  /// find wrong is thrown to whoever next waits for the device. Arguments may lie anywhere. Several threads may run one
  /// Plan at the same time as long as it assigns no state. Throws ShapeError or DtypeError if the arguments are not
  /// what was planned for. `seconds`: receives the time of each step, if given.
  Tensors run(Span<const Tensor> arguments, std::vector<double>* seconds = nullptr) const;
  /// Runs once for each batch of the rows [start, stop) of `data`, the arguments, in their order or in that of `order`;
  /// returns the results of the last run. Throws ValueError if the rows are not whole batches, or none.
  /// `unlocked` calls its argument without the lock that guards the variables.
  Tensors run_rows(Span<const Tensor> data, const Tensor* order, int64_t start, int64_t stop,
                   FunctionRef<void(FunctionRef<void()>)> unlocked) const;
  /// False if a state is not trainable as it was while the graph was traced.
  bool is_current() const;

  const Graph& graph() const { return graph_; }
  Device device() const { return device_; }
  const PlanStats& stats() const { return stats_; }
  /// The steps with the places of what they read and write, one line each.
  std::string text() const;

 private:
  // Throws if the arguments are not what was planned for.
  void check(Span<const Tensor> arguments) const;

  friend class PlanRun;
  friend class PlanLease;
  friend class StartedRun;
  friend class Planner;

  Graph graph_;
  Device device_;
  std::vector<State> states_;
  std::vector<char> assigned_;  // per state: whether its value changes
  std::vector<Location> locations_;
  std::vector<Step> steps_;
  std::vector<int> results_;  // per result: the location it is returned from
  std::vector<Tensor> consts_;
  PlanStats stats_;
  bool keeps_weights_ = false;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<PlanRun>> idle_;
};

}  // namespace addax
