// One run of a plan at a time: its arena, and the kernels' arguments with addresses filled in. A plan keeps idle ones.
#pragma once

#include <exception>
#include <vector>

#include "core/helper.h"
#include "graph/arena.h"
#include "graph/plan.h"
#include "graph/thread_choice.h"
#include "ops/kernel.h"
#include "ops/record.h"

namespace addax {

class DeviceRuntime;

class PlanRun {
 public:
  explicit PlanRun(const Plan& plan);
  PlanRun(const PlanRun&) = delete;
  PlanRun& operator=(const PlanRun&) = delete;
  ~PlanRun();

  /// Takes memory for what lives inside of the run, before it is bound.
  void begin() { move(inner_, arena_.take()); }
  /// The memory may be taken by other runs.
  void end() { arena_.give(); }

  /// What a run reads and must be kept until its end, and what it will return.
  struct Bound {
    Tensors held, results;
  };
  /// Points the kernels to arguments, states and results.
  Bound bind(Span<const Tensor> arguments);
  /// Runs what is bound. `seconds`: receives the time of each step, if given.
  void run_steps(const Bound& bound, std::vector<double>* seconds = nullptr);
  Tensors run(Span<const Tensor> arguments, std::vector<double>* seconds = nullptr);
  /// Of a body, with the addresses of contiguous inputs and outputs. A state's may be the same.
  void call(Span<void* const> in, Span<void* const> out);

 private:
  // Where the step may keep what it makes of its second input; null: nowhere.
  Storage* weights(const Step& step) const;
  // A view whose address changes from run to run, and its distance from the base in bytes.
  struct Patch {
    size_t view;
    int64_t offset;
  };
  struct Base {
    void* address = nullptr;
    std::vector<Patch> patches;
  };

  void move(Base& base, void* address);
  // One step after the other.
  void walk(std::vector<double>* seconds);
  // With or without the pool, whichever is quicker.
  void walk_quickly();
  void capture();
  void forget_captured();

  const Plan& plan_;
  DeviceRuntime* runtime_ = nullptr;  // null: on the CPU
  std::vector<View> views_;
  std::vector<KernelArgs> calls_;
  std::vector<Base> arguments_, states_, results_;
  Base inner_;
  // On a device, steps are captured when they run a second time with the same addresses, and then launched as one. So
  // arguments and results have places of their own, from and to which values are copied. What captured steps mention
  // lives as long as this run: these places, its arena, the states, consts of the plan and its bodies, and what the
  // steps allocated.
  const bool captures_;
  Tensors own_arguments_, own_results_;
  bool settled_ = false;  // the states lie where they did in the run before
  bool refused_ = false;  // the device does not take these steps as one
  void* captured_ = nullptr;
  bool captured_tf32_ = false;  // the setting that captured kernels have read
  ThreadChoice threads_;
  Arena arena_;
};

/// An idle run of a plan, or a new one; goes back to the plan. A body's is new while steps are captured, and ends with
/// the lease: its arena lives with the captured steps and is theirs alone, since a launch of them may come between the
/// kernels of another thread's run.
class PlanLease {
 public:
  explicit PlanLease(const Plan& plan);
  ~PlanLease();
  PlanLease(const PlanLease&) = delete;
  PlanLease& operator=(const PlanLease&) = delete;
  PlanRun* operator->() const { return run_.get(); }

 private:
  const Plan& plan_;
  const bool captured_;
  std::unique_ptr<PlanRun> run_;
};

/// A run while other threads go on. It is made, and ends, under the lock that guards the variables; variables that it
/// assigns wait for it in between when somebody wants their values, so that nobody can tell it from a run that has
/// ended. It lies on the heap: in a child of fork nobody takes it from the variables, and the thread's stack is gone.
class ADDAX_API StartedRun final : public Pending {
 public:
  StartedRun(const Plan& plan, Span<const Tensor> arguments);
  ~StartedRun() override;
  StartedRun(const StartedRun&) = delete;
  StartedRun& operator=(const StartedRun&) = delete;

  /// Runs beside this thread. False, and nothing has begun, while another run does.
  bool start();
  /// Runs all steps in this thread, and `then` before forks may go on. One of the two must be called.
  void run(FunctionRef<void()> then = [] {});
  void wait() override;
  /// Gives the values back to the variables, after the end. Throws what a kernel threw.
  Tensors finish();

 private:
  void run_steps();
  void release();

  const Plan& plan_;
  PlanLease lease_;
  PlanRun::Bound bound_;
  std::exception_ptr error_;
  Awaited steps_;
};

}  // namespace addax
