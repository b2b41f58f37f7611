// One run of a plan at a time: its arena, and the kernels' arguments with addresses filled in. A plan keeps idle ones.
#pragma once

#include <vector>

#include "graph/plan.h"
#include "ops/kernel.h"

namespace addax {

class PlanRun {
 public:
  explicit PlanRun(const Plan& plan);
  PlanRun(const PlanRun&) = delete;
  PlanRun& operator=(const PlanRun&) = delete;

  /// `seconds`: receives the time of each step, if given.
  Tensors run(Span<const Tensor> arguments, std::vector<double>* seconds = nullptr);
  /// Of a body, with the addresses of contiguous inputs and outputs. A state's may be the same.
  void call(Span<void* const> in, Span<void* const> out);

 private:
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
  void run_steps(std::vector<double>* seconds);

  const Plan& plan_;
  Tensor arena_;
  std::vector<View> views_;
  std::vector<KernelArgs> calls_;
  std::vector<Base> arguments_, states_, results_;
};

/// An idle run of a plan, or a new one; goes back to the plan.
class PlanLease {
 public:
  explicit PlanLease(const Plan& plan);
  ~PlanLease();
  PlanLease(const PlanLease&) = delete;
  PlanLease& operator=(const PlanLease&) = delete;
  PlanRun* operator->() const { return run_.get(); }

 private:
  const Plan& plan_;
  std::unique_ptr<PlanRun> run_;
};

}  // namespace addax
