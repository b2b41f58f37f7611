// What apply and variables tell a trace.
#include "graph/trace.h"

#include <algorithm>

#include "addax/ops/elementwise.h"
#include "graph/passes.h"
#include "ops/elsewhere.h"

namespace addax {

bool States::are_current() const {
  return std::all_of(states_.begin(), states_.end(),
                     [](const State& s) { return s.variable->trainable == s.trainable; });
}

Trace::~Trace() {
  if (active_) stop();
}

Tensor Trace::argument(const Shape& shape, Dtype dtype, Device device) {
  if (device.has_runtime()) devices_.push_back(device);
  const Tensor t = Tensor::placeholder(shape, dtype);
  const int v = graph_.add_var(shape, dtype);
  ids_.emplace(t.id(), v);
  graph_.inputs.push_back(v);
  return t;
}

Device Trace::device() const {
  Device found;
  const auto add = [&](Device device) {
    if (!device.has_runtime() || device == found) return;
    if (found.has_runtime())
      fail<ValueError>("compiled function: tensors and variables lie on ", found, " and ", device,
                       "; move them to one device");
    found = device;
  };
  for (const Device d : devices_) add(d);
  for (const State& s : states_) add(s.variable->device());
  return found;
}

void Trace::start() {
  if (kind_ == Kind::Body)
    tapes_ = std::make_unique<SuspendTapes>();
  else if (active_tracer)
    fail<Error>("trace: this thread is tracing already");
  outer_ = active_tracer;
  active_tracer = this;
  active_ = true;
}

void Trace::stop() {
  if (active_tracer == this) active_tracer = outer_;
  tapes_.reset();
  active_ = false;
}

int Trace::id_of(const Tensor& t) {
  const auto it = ids_.find(t.id());
  if (it != ids_.end()) return it->second;
  if (kind_ == Kind::Body && (t.is_placeholder() || !has_text(t) || (tapes_ && tapes_->watch(t)))) {
    const int v = graph_.add_var(t.shape(), t.dtype());
    captured_.emplace_back(v, t);
    ids_.emplace(t.id(), v);
    return v;
  }
  if (t.is_placeholder())
    fail<Error>(
        "trace: a symbolic tensor of shape ", t.shape(), " and dtype ", t.dtype(),
        " comes from outside of the function being traced, or from a branch or loop body that has ended; pass it "
        "as an argument, return it from the body, and keep no tensors of a trace in attributes");
  const int v = graph_.add_var(t.shape(), t.dtype());
  if (t.device().has_runtime()) devices_.push_back(t.device());
  graph_.consts.emplace_back(v, t.device().has_runtime() ? moved(t, {}) : t);
  ids_.emplace(t.id(), v);
  return v;
}

void Trace::record(const OpDef& op, const Attrs& attrs, Span<const Tensor> inputs, Span<const Tensor> outputs) {
  Eqn e;
  e.op = &op;
  e.attrs = attrs;
  for (const Tensor& t : inputs) e.in.push_back(t ? id_of(t) : -1);
  for (const Tensor& t : outputs) {
    const int v = graph_.add_var(t.shape(), t.dtype());
    ids_.emplace(t.id(), v);
    e.out.push_back(v);
  }
  graph_.eqns.push_back(std::move(e));
}

Tensor& Trace::value_of(Variable& variable) {
  const auto it = values_.find(variable.id());
  if (it != values_.end()) return it->second;
  std::shared_ptr<Variable> owner = variable.weak_from_this().lock();
  if (!owner) fail<Error>("trace: a Variable that a traced function reads must be owned by a std::shared_ptr");
  const Spec spec{variable.shape(), variable.dtype()};
  const Tensor t = Tensor::placeholder(spec.shape, spec.dtype);
  const int v = graph_.add_var(spec.shape, spec.dtype);
  ids_.emplace(t.id(), v);
  before_.push_back(v);
  first_.push_back(t);
  states_.push_back({std::move(owner), variable.trainable});
  return values_.emplace(variable.id(), t).first->second;
}

void Trace::note_custom_gradient() {
  custom_gradient_ = true;
  if (outer_) outer_->note_custom_gradient();
}

bool Trace::has_assigned(const Values& since) const {
  for (size_t i = 0; i < states_.size(); ++i) {
    const uint64_t id = states_[i].variable->id();
    const auto it = since.find(id);
    if (values_.at(id).id() != (it == since.end() ? first_[i] : it->second).id()) return true;
  }
  return false;
}

void Trace::set_values(const Values& values) {
  // A variable that was first met since has its value from before the trace.
  for (size_t i = 0; i < states_.size(); ++i) {
    const uint64_t id = states_[i].variable->id();
    const auto it = values.find(id);
    values_[id] = it == values.end() ? first_[i] : it->second;
  }
}

void Trace::merge_values(const Tensor& condition, const Values& yes, const Values& no) {
  for (size_t i = 0; i < states_.size(); ++i) {
    const uint64_t id = states_[i].variable->id();
    const auto a = yes.find(id), b = no.find(id);
    const Tensor &x = a == yes.end() ? first_[i] : a->second, &y = b == no.end() ? first_[i] : b->second;
    values_[id] = x.id() == y.id() ? x : where(condition, x, y);
  }
}

Graph Trace::finish(Span<const Tensor> results) {
  for (const Tensor& t : results) graph_.outputs.push_back(id_of(t));
  for (size_t i = 0; i < states_.size(); ++i) {
    graph_.inputs.push_back(before_[i]);
    graph_.outputs.push_back(id_of(values_.at(states_[i].variable->id())));
  }
  graph_.states = static_cast<int>(states_.size());
  stop();
  return std::move(graph_);
}

ClosedTrace Trace::close(Span<const Tensor> results) {
  ClosedTrace closed;
  const auto read = [&](size_t i) { return values_.at(states_[i].variable->id()).id() == first_[i].id(); };
  for (const Tensor& t : results) graph_.outputs.push_back(id_of(t));
  for (size_t i = 0; i < states_.size(); ++i) {
    if (read(i)) continue;
    graph_.inputs.push_back(before_[i]);
    graph_.outputs.push_back(id_of(values_.at(states_[i].variable->id())));
    closed.assigned.push_back(states_[i].variable);
  }
  for (size_t i = 0; i < states_.size(); ++i) {
    if (!read(i)) continue;
    graph_.inputs.push_back(before_[i]);
    closed.captures.push_back(states_[i].variable->read());
  }
  for (const auto& [v, t] : captured_) {
    graph_.inputs.push_back(v);
    closed.captures.push_back(t);
  }
  closed.graph = std::move(graph_);
  return closed;
}

JoinedBranches join(std::vector<ClosedTrace> branches) {
  JoinedBranches joined;
  const auto find = [](const auto& list, const auto& v) {
    return static_cast<size_t>(std::find(list.begin(), list.end(), v) - list.begin());
  };
  for (const ClosedTrace& b : branches)
    for (const auto& v : b.assigned)
      if (find(joined.assigned, v) == joined.assigned.size()) joined.assigned.push_back(v);
  Tensors before;
  std::unordered_map<uint64_t, size_t> places;  // tensor -> position among the joined inputs
  size_t captures = 0;
  for (const auto& v : joined.assigned) places.emplace(before.emplace_back(v->read()).id(), 0);
  for (const ClosedTrace& b : branches)
    for (const Tensor& t : b.captures)
      if (places.emplace(t.id(), captures).second) ++captures, joined.inputs.push_back(t);
  for (size_t i = before.size(); i-- > 0;) places[before[i].id()] = captures + i;
  joined.inputs.insert(joined.inputs.end(), before.begin(), before.end());

  for (ClosedTrace& b : branches) {
    Graph& g = b.graph;
    const size_t own = b.assigned.size(), arguments = g.inputs.size() - own - b.captures.size();
    const size_t results = g.outputs.size() - own;
    // What a branch reads of several variables with one value comes as one input.
    std::vector<int> map = identity(g), given(joined.inputs.size(), -1), after;
    const auto take = [&](size_t position, int var) {
      int& at = given[position];
      if (at < 0) at = var;
      map[static_cast<size_t>(var)] = at;
    };
    for (size_t i = 0; i < own; ++i) take(captures + find(joined.assigned, b.assigned[i]), g.inputs[arguments + i]);
    for (size_t i = 0; i < b.captures.size(); ++i) take(places.at(b.captures[i].id()), g.inputs[arguments + own + i]);
    substitute(g, map);
    for (size_t i = 0; i < given.size(); ++i)
      if (given[i] < 0) given[i] = g.add_var(joined.inputs[i].shape(), joined.inputs[i].dtype());
    for (size_t i = 0; i < joined.assigned.size(); ++i) {
      const size_t at = find(b.assigned, joined.assigned[i]);
      after.push_back(at < own ? g.outputs[results + at] : given[captures + i]);
    }
    g.inputs.resize(arguments);
    g.inputs.insert(g.inputs.end(), given.begin(), given.end());
    g.outputs.resize(results);
    g.outputs.insert(g.outputs.end(), after.begin(), after.end());
    g.states = static_cast<int>(after.size());
    joined.graphs.push_back(std::move(g));
  }
  return joined;
}

}  // namespace addax
