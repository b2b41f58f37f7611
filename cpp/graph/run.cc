// Running a plan: addresses, then one kernel after the other.
#include "graph/run.h"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>

#include "addax/device.h"
#include "addax/ops/index.h"
#include "core/copy.h"
#include "core/helper.h"
#include "core/runtime.h"
#include "ops/elsewhere.h"

namespace addax {
namespace {

// Steps that are captured at most, since each takes the host's time to make the graph and memory while it lives.
constexpr int64_t kMostCaptured = int64_t{1} << 14;
// Operations and bytes of a run: less is not worth looking at the clock.
constexpr int64_t kWorthTiming = int64_t{1} << 18;

}  // namespace

PlanRun::PlanRun(const Plan& plan)
    : plan_(plan),
      runtime_(plan.device_.has_runtime() ? &runtime_of(plan.device_) : nullptr),
      captures_(runtime_ && !plan.steps_.empty() && plan.stats_.captured_steps <= kMostCaptured),
      arena_(plan.stats_.arena_bytes, plan.device_, !runtime_) {
  arguments_.resize(static_cast<size_t>(plan.graph_.arguments()));
  states_.resize(static_cast<size_t>(plan.graph_.states));
  results_.resize(plan.results_.size());

  auto add = [&](int l) {
    if (l < 0) {
      views_.push_back({});
      return;
    }
    const Location& x = plan.locations_[static_cast<size_t>(l)];
    const int64_t within = x.layout.offset * size_of(x.dtype);
    const size_t index = static_cast<size_t>(x.index);
    void* address = nullptr;
    if (x.place == Place::Arena)
      inner_.patches.push_back({views_.size(), x.offset + within});
    else if (x.place == Place::Const)
      address = static_cast<char*>(plan.consts_[index].address()) + within;
    else
      (x.place == Place::Argument ? arguments_
       : x.place == Place::State  ? states_
                                  : results_)[index]
          .patches.push_back({views_.size(), within});
    views_.push_back({address, x.dtype, x.layout.shape, x.layout.strides});
  };
  for (const Step& s : plan.steps_) {
    for (const int l : s.in) add(l);
    for (const int l : s.out) add(l);
  }
  const View* next = views_.data();
  for (const Step& s : plan.steps_) {
    const Span<const View> in(next, s.in.size()), out(next + s.in.size(), s.out.size());
    next += s.in.size() + s.out.size();
    static const OpDef copy;  // copies read no row
    calls_.push_back(KernelArgs{in, out, s.attrs, s.op ? *s.op : copy, plan.device_, weights(s)});
  }
}

Storage* PlanRun::weights(const Step& s) const {
  if (!plan_.keeps_weights_ || runtime_ || s.in.size() < 2 || s.in[1] < 0) return nullptr;
  const Location& x = plan_.locations_[static_cast<size_t>(s.in[1])];
  return x.place == Place::Const ? plan_.consts_[static_cast<size_t>(x.index)].storage().get() : nullptr;
}

PlanRun::~PlanRun() { forget_captured(); }

void PlanRun::move(Base& base, void* address) {
  if (base.address == address) return;
  base.address = address;
  for (const Patch& p : base.patches) views_[p.view].data = static_cast<char*>(address) + p.offset;
}

PlanRun::Bound PlanRun::bind(Span<const Tensor> arguments) {
  const auto fresh = [&](const Shape& shape, Dtype dtype) {
    return Tensor::empty(shape, dtype, plan_.device_, "compiled function");
  };
  Tensors held;  // arguments in order, and states that this plan only reads, stay alive until the end
  held.reserve(arguments.size() + states_.size());
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (captures_) {
      const Tensor& given = arguments[i];
      if (own_arguments_.size() <= i) own_arguments_.push_back(fresh(given.shape(), given.dtype()));
      write(own_arguments_[i], given);
      held.push_back(own_arguments_[i]);
    } else {
      held.push_back(arguments[i].to(plan_.device_).contiguous());
    }
    move(arguments_[i], held.back().address());
  }
  for (size_t i = 0; i < states_.size(); ++i) {
    Tensor& value = plan_.states_[i].variable->value();
    if (plan_.assigned_[i]) {
      // Whoever read the value before keeps it as it was.
      if (!value.is_unique() || value.storage()->read_only || value.storage()->foreign) value = value.copy();
    } else {
      held.push_back(value);
    }
    settled_ = settled_ && states_[i].address == value.address();
    move(states_[i], value.address());
  }
  Tensors results;
  results.reserve(results_.size());
  for (size_t i = 0; i < results_.size(); ++i) {
    const Location& l = plan_.locations_[static_cast<size_t>(plan_.results_[i])];
    results.push_back(fresh(l.layout.shape, l.dtype));
    if (captures_ && own_results_.size() <= i) own_results_.push_back(fresh(l.layout.shape, l.dtype));
    move(results_[i], (captures_ ? own_results_[i] : results.back()).address());
  }
  if (!settled_) forget_captured();
  return {std::move(held), std::move(results)};
}

Tensors PlanRun::run(Span<const Tensor> arguments, std::vector<double>* seconds) {
  Bound bound = bind(arguments);
  run_steps(bound, seconds);
  return std::move(bound.results);
}

void PlanRun::call(Span<void* const> in, Span<void* const> out) {
  for (size_t i = 0; i < arguments_.size(); ++i) move(arguments_[i], in[i]);
  for (size_t i = 0; i < results_.size(); ++i) move(results_[i], out[i]);
  for (size_t i = 0; i < states_.size(); ++i) {
    const void* before = in[arguments_.size() + i];
    void* const after = out[results_.size() + i];
    const Spec& spec = plan_.graph_.vars[static_cast<size_t>(plan_.graph_.inputs[arguments_.size() + i])];
    if (before != after) {
      const Strides strides = contiguous_strides(spec.shape);
      copy_strided(plan_.device_, after, strides, before, strides, spec.shape, size_of(spec.dtype));
    }
    move(states_[i], after);
  }
  walk(nullptr);
}

void PlanRun::run_steps(const Bound& bound, std::vector<double>* seconds) {
  // Kernels that a changed setting chooses run once before they are captured, as at first: libraries may load them.
  const bool changed = captured_ && captured_tf32_ != tf32();
  if (changed) forget_captured();
  if (captures_ && settled_ && !changed && !refused_ && !seconds && !captured_) capture();
  if (captured_ && !seconds) {
    runtime_->launch(plan_.device_.index, captured_);
  } else {
    if (seconds || runtime_ || num_threads() == 1 || plan_.stats_.flops + plan_.stats_.bytes_moved < kWorthTiming)
      walk(seconds);
    else
      walk_quickly();
    settled_ = true;
  }
  for (size_t i = 0; i < own_results_.size(); ++i) write(bound.results[i], own_results_[i]);
}

void PlanRun::capture() {
  captured_tf32_ = tf32();
  captured_ = runtime_->capture(plan_.device_.index, [&] { walk(nullptr); });
  refused_ = !captured_;
}

void PlanRun::forget_captured() {
  if (captured_) runtime_->destroy(plan_.device_.index, std::exchange(captured_, nullptr));
}

void PlanRun::walk(std::vector<double>* seconds) {
  using Clock = std::chrono::steady_clock;
  Clock::time_point before;
  for (size_t i = 0; i < calls_.size(); ++i) {
    const KernelArgs& call = calls_[i];
    if (seconds) before = Clock::now();
    const Kernel kernel = plan_.steps_[i].kernel;
    if (!kernel)
      copy_strided(plan_.device_, call.out[0].data, call.out[0].strides, call.in[0].data, call.in[0].strides,
                   call.in[0].shape, size_of(call.in[0].dtype));
    else if (runtime_)
      runtime_->run(plan_.device_.index, kernel, call);
    else
      kernel(call);
    if (seconds && runtime_) runtime_->synchronize(plan_.device_.index);
    if (seconds) seconds->push_back(std::chrono::duration<double>(Clock::now() - before).count());
  }
}

void PlanRun::walk_quickly() {
  using Clock = std::chrono::steady_clock;
  const auto before = Clock::now();
  {
    const AloneScope alone(threads_.alone());
    walk(nullptr);
  }
  threads_.took(std::chrono::duration<double>(Clock::now() - before).count());
}

PlanLease::PlanLease(const Plan& plan)
    : plan_(plan), captured_(plan.device_.has_runtime() && runtime_of(plan.device_).is_capturing()) {
  {
    const std::lock_guard<std::mutex> lock(plan.mutex_);
    if (!plan.idle_.empty()) {
      run_ = std::move(plan.idle_.back());
      plan.idle_.pop_back();
    }
  }
  if (captured_) run_.reset();  // the capture may be given its memory
  if (!run_) run_ = std::make_unique<PlanRun>(plan);
  run_->begin();
}

PlanLease::~PlanLease() {
  if (captured_) return;
  run_->end();
  const std::lock_guard<std::mutex> lock(plan_.mutex_);
  plan_.idle_.push_back(std::move(run_));
}

void Plan::check(Span<const Tensor> arguments) const {
  if (static_cast<int>(arguments.size()) != graph_.arguments())
    fail<ValueError>("compiled function: expected ", graph_.arguments(), " tensors, got ", arguments.size());
  for (size_t i = 0; i < arguments.size(); ++i) {
    const Spec& spec = graph_.vars[static_cast<size_t>(graph_.inputs[i])];
    if (arguments[i].shape() != spec.shape)
      fail<ShapeError>("compiled function: argument ", i, " was traced with shape ", spec.shape, ", got ",
                       arguments[i].shape());
    if (arguments[i].dtype() != spec.dtype)
      fail<DtypeError>("compiled function: argument ", i, " was traced with dtype ", spec.dtype, ", got ",
                       arguments[i].dtype());
  }
}

Tensors Plan::run(Span<const Tensor> arguments, std::vector<double>* seconds) const {
  check(arguments);
  return PlanLease(*this)->run(arguments, seconds);
}

Tensors Plan::run_rows(Span<const Tensor> data, const Tensor* order, int64_t start, int64_t stop,
                       FunctionRef<void(FunctionRef<void()>)> unlocked) const {
  const Shape* first = graph_.arguments() > 0 ? &graph_.vars[static_cast<size_t>(graph_.inputs[0])].shape : nullptr;
  const int64_t batch = first && !first->empty() ? (*first)[0] : 0;
  if (batch <= 0 || start < 0 || stop <= start || (stop - start) % batch != 0)
    fail<ValueError>("compiled function: rows ", start, " to ", stop, " are not whole batches of ", batch);
  Tensors rows, results;
  unlocked([&] {
    const Awaited gathered;
    rows = take_rows(data, order, start, start + batch);
  });
  for (int64_t at = start; at < stop; at += batch) {
    const auto run = std::make_unique<StartedRun>(*this, rows);
    unlocked([&] {
      run->run([&] {
        if (at + batch < stop) rows = take_rows(data, order, at + batch, at + 2 * batch);
      });
    });
    results = run->finish();
  }
  return results;
}

StartedRun::StartedRun(const Plan& plan, Span<const Tensor> arguments) : plan_(plan), lease_(plan) {
  plan.check(arguments);
  bound_ = lease_->bind(arguments);
  for (size_t i = 0; i < plan.states_.size(); ++i)
    if (plan.assigned_[i]) plan.states_[i].variable->pending_ = this;
}

bool StartedRun::start() {
  try {
    return start_on_helper([this] { run_steps(); }, steps_);
  } catch (const std::system_error&) {  // no more threads are to be had
    return false;
  }
}

void StartedRun::run(FunctionRef<void()> then) {
  struct End {
    Awaited& steps;
    ~End() { steps.end(); }
  } const end{steps_};
  run_steps();
  then();
}

void StartedRun::run_steps() {
  try {
    lease_->run_steps(bound_);
  } catch (...) {
    error_ = std::current_exception();
  }
}

StartedRun::~StartedRun() {
  wait();
  release();
}

void StartedRun::wait() { steps_.wait(); }

void StartedRun::release() {
  for (const State& s : plan_.states_)
    if (s.variable->pending_ == this) s.variable->pending_ = nullptr;
}

Tensors StartedRun::finish() {
  wait();
  release();
  if (error_) std::rethrow_exception(error_);
  return std::move(bound_.results);
}

}  // namespace addax
