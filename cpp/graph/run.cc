// Running a plan: addresses, then one kernel after the other.
#include "graph/run.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <system_error>

#include "addax/ops/index.h"
#include "core/copy.h"
#include "core/helper.h"

namespace addax {

PlanRun::PlanRun(const Plan& plan) : plan_(plan) {
  arena_ = Tensor::empty({plan.stats_.arena_bytes}, Dtype::UInt8, "compiled function");
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
      address = arena_.data<char>() + x.offset + within;
    else if (x.place == Place::Const)
      address = static_cast<char*>(plan.consts_[index].raw()) + within;
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
    calls_.push_back(KernelArgs{in, out, s.attrs, s.op ? *s.op : copy});
  }
}

void PlanRun::move(Base& base, void* address) {
  if (base.address == address) return;
  base.address = address;
  for (const Patch& p : base.patches) views_[p.view].data = static_cast<char*>(address) + p.offset;
}

PlanRun::Bound PlanRun::bind(Span<const Tensor> arguments) {
  Tensors held;  // arguments in order, and states that this plan only reads, stay alive until the end
  held.reserve(arguments.size() + states_.size());
  for (size_t i = 0; i < arguments.size(); ++i) {
    held.push_back(arguments[i].contiguous());
    move(arguments_[i], held.back().raw());
  }
  for (size_t i = 0; i < states_.size(); ++i) {
    Tensor& value = plan_.states_[i].variable->value();
    if (plan_.assigned_[i]) {
      // Whoever read the value before keeps it as it was.
      if (!value.is_unique() || value.storage()->read_only || value.storage()->foreign) {
        const Tensor own = Tensor::empty(value.shape(), value.dtype(), "variable");
        std::copy_n(value.data<char>(), value.nbytes(), own.data<char>());
        value = own;
      }
    } else {
      held.push_back(value);
    }
    move(states_[i], value.raw());
  }
  Tensors results;
  results.reserve(results_.size());
  for (size_t i = 0; i < results_.size(); ++i) {
    const Location& l = plan_.locations_[static_cast<size_t>(plan_.results_[i])];
    results.push_back(Tensor::empty(l.layout.shape, l.dtype, "compiled function"));
    move(results_[i], results.back().raw());
  }
  return {std::move(held), std::move(results)};
}

Tensors PlanRun::run(Span<const Tensor> arguments, std::vector<double>* seconds) {
  Bound bound = bind(arguments);
  run_steps(seconds);
  return std::move(bound.results);
}

void PlanRun::call(Span<void* const> in, Span<void* const> out) {
  for (size_t i = 0; i < arguments_.size(); ++i) move(arguments_[i], in[i]);
  for (size_t i = 0; i < results_.size(); ++i) move(results_[i], out[i]);
  for (size_t i = 0; i < states_.size(); ++i) {
    const void* before = in[arguments_.size() + i];
    void* const after = out[results_.size() + i];
    const Spec& spec = plan_.graph_.vars[static_cast<size_t>(plan_.graph_.inputs[arguments_.size() + i])];
    if (before != after) std::memcpy(after, before, static_cast<size_t>(numel(spec.shape) * size_of(spec.dtype)));
    move(states_[i], after);
  }
  run_steps(nullptr);
}

void PlanRun::run_steps(std::vector<double>* seconds) {
  using Clock = std::chrono::steady_clock;
  Clock::time_point before;
  for (size_t i = 0; i < calls_.size(); ++i) {
    const KernelArgs& call = calls_[i];
    if (seconds) before = Clock::now();
    if (const Kernel kernel = plan_.steps_[i].kernel)
      kernel(call);
    else
      copy_strided(call.out[0].data, call.out[0].strides, call.in[0].data, call.in[0].strides, call.in[0].shape,
                   size_of(call.in[0].dtype));
    if (seconds) seconds->push_back(std::chrono::duration<double>(Clock::now() - before).count());
  }
}

PlanLease::PlanLease(const Plan& plan) : plan_(plan) {
  {
    const std::lock_guard<std::mutex> lock(plan.mutex_);
    if (!plan.idle_.empty()) {
      run_ = std::move(plan.idle_.back());
      plan.idle_.pop_back();
    }
  }
  if (!run_) run_ = std::make_unique<PlanRun>(plan);
}

PlanLease::~PlanLease() {
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
    lease_->run_steps();
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
