// The tape: what was computed from watched tensors, and the walk back over it. Regions: what is computed again there.
#include <algorithm>
#include <deque>
#include <unordered_map>
#include <unordered_set>

#include "addax/autograd.h"
#include "addax/ops/elementwise.h"
#include "addax/ops/movement.h"
#include "addax/variable.h"
#include "autograd/watch.h"
#include "ops/elsewhere.h"
#include "ops/record.h"
#include "ops/vjp.h"

namespace addax {
namespace {

using Ids = std::vector<uint64_t>;
using Grads = std::unordered_map<uint64_t, Tensor>;

struct Node {
  const OpDef* op = nullptr;  // null: a custom gradient
  Attrs attrs;
  Tensors in, out;  // ghosts where the gradient does not read the value, or where the region computes it again
  CustomVjp custom;
  std::shared_ptr<Region> region;  // that it was recorded in
};

const char* name_of(const Node& node) { return node.op ? node.op->name : "custom_gradient"; }

// Bit 31 stands for all positions from 31 on (concatenate takes any number of inputs).
uint32_t bit(size_t position) { return 1u << std::min<size_t>(position, 31); }

void keep_saved(Tensors& tensors, uint32_t mask) {
  for (size_t i = 0; i < tensors.size(); ++i)
    if (tensors[i] && !(mask & bit(i))) tensors[i] = tensors[i].ghost();
}

void accumulate(Grads& grads, uint64_t id, Tensor grad) {
  auto [it, fresh] = grads.emplace(id, grad);
  if (!fresh) it->second = add(it->second, grad);
}

Tensor ones_like(const Tensor& t) {
  if (t.is_placeholder() && !active_tracer) return Tensor::placeholder(t.shape(), t.dtype());
  return broadcast_to(Tensor::scalar(1, t.dtype()).to(t.device()), t.shape());
}

}  // namespace

// What was computed inside of a Rematerialize, to be computed again. The values of inner tensors are never held between
// the two times.
class Region {
 public:
  explicit Region(int64_t number) : number_(number) {}
  bool open() const { return open_; }
  bool made(const Tensor& t) const { return made_.count(t.id()) > 0; }

  void record(const OpDef& op, const Attrs& attrs, Span<const Tensor> in, Span<const Tensor> out) {
    Call call{&op, attrs, {in.begin(), in.end()}, {}};
    for (Tensor& t : call.in)
      if (t && made(t)) t = t.ghost();
    for (const Tensor& t : out) {
      call.out.push_back(t.id());
      made_.insert(t.id());
    }
    calls_.push_back(std::move(call));
  }

  // Leaves ghosts of what the region makes, and notes which of those a gradient reads.
  void take_over(Tensors& tensors, uint32_t mask) {
    for (size_t i = 0; i < tensors.size(); ++i) {
      Tensor& t = tensors[i];
      if (!t || !made(t)) continue;
      if (mask & bit(i)) wanted_.insert(t.id());
      t = t.ghost();
    }
  }

  // Only what leads to values that gradients read is kept.
  void close() {
    open_ = false;
    std::vector<Call> kept;
    for (size_t i = calls_.size(); i-- > 0;) {
      Call& call = calls_[i];
      if (std::none_of(call.out.begin(), call.out.end(), [&](uint64_t id) { return wanted_.count(id); })) continue;
      for (const Tensor& t : call.in)
        if (t && made(t)) wanted_.insert(t.id());
      kept.push_back(std::move(call));
    }
    calls_.assign(std::make_move_iterator(kept.rbegin()), std::make_move_iterator(kept.rend()));
  }

  // The values for tensors that were saved. They are computed when the first is asked for. What comes from outside goes
  // through a barrier, so that a graph does not find the first computation again.
  Tensors restored(Tensors tensors) {
    for (Tensor& t : tensors)
      if (t && wanted_.count(t.id())) t = value(t);
    return tensors;
  }

  void forget() { values_.clear(); }

 private:
  struct Call {
    const OpDef* op;
    Attrs attrs;
    Tensors in;  // ghosts where another call makes it
    Ids out;
  };

  const Tensor& value(const Tensor& t) {
    if (values_.empty()) compute();
    return values_.at(t.id());
  }

  void compute() {
    for (const Call& call : calls_) {
      Tensors in = call.in;
      for (Tensor& t : in) {
        if (!t) continue;
        const auto it = values_.find(t.id());
        t = it != values_.end() ? it->second : values_.emplace(t.id(), barrier(t, number_)).first->second;
      }
      const Tensors out = apply(*call.op, in, call.attrs);
      for (size_t i = 0; i < out.size(); ++i) values_[call.out[i]] = out[i];
    }
  }

  int64_t number_;  // on its tape
  bool open_ = true;
  std::vector<Call> calls_;
  std::unordered_set<uint64_t> made_, wanted_;
  Grads values_;
};

struct Tape::Impl {
  explicit Impl(bool watch) : watch_variables(watch) {}

  bool watch_variables;
  bool active = false;
  std::unordered_set<uint64_t> tracked;
  std::deque<Node> nodes;                   // a deque: walking a tape that still records appends to it
  std::unordered_map<uint64_t, Ids> reads;  // variable -> ids of the values read
  Ids read_order;
  int64_t regions = 0;
  std::shared_ptr<Region> region;  // the one that is or was open last

  const std::shared_ptr<Region>& open_region() {
    if (region && !region->open()) region.reset();
    return region;
  }

  void add(Node node, uint32_t save_inputs, uint32_t save_outputs) {
    if (open_region()) {
      region->take_over(node.in, save_inputs);
      region->take_over(node.out, save_outputs);
      node.region = region;
    }
    keep_saved(node.in, save_inputs);
    keep_saved(node.out, save_outputs);
    nodes.push_back(std::move(node));
  }

  void watch(const Variable& variable, const Tensor& value) {
    if (!is_float(value.dtype())) return;
    tracked.insert(value.id());
    Ids& ids = reads[variable.id()];
    if (ids.empty()) read_order.push_back(variable.id());
    if (ids.empty() || ids.back() != value.id()) ids.push_back(value.id());
  }

  bool any_tracked(Span<const Tensor> tensors) const {
    for (const Tensor& t : tensors)
      if (t && tracked.count(t.id())) return true;
    return false;
  }

  bool track_outputs(Span<const Tensor> outputs) {
    bool any = false;
    for (const Tensor& t : outputs)
      if (t && is_float(t.dtype())) {
        tracked.insert(t.id());
        any = true;
      }
    return any;
  }

  Grads walk(const Tensors& targets, const Ids& sources, const Tensors& output_grads, bool keep);
  void walk_node(Node& node, const Tensors& incoming, const std::unordered_set<uint64_t>& reachable, Grads& grads);
};

namespace {

// The active tapes of this thread, innermost last.
struct Stack final : Recorder {
  std::vector<Tape::Impl*> tapes;
  int stopped = 0;

  void refresh() { active_recorder = tapes.empty() || stopped ? nullptr : this; }

  void record(const OpDef& op, const Attrs& attrs, Span<const Tensor> inputs, Span<const Tensor> outputs) override {
    for (Tape::Impl* tape : tapes) {
      if (tape->open_region()) tape->region->record(op, attrs, inputs, outputs);
      if (!op.differentiable || !tape->any_tracked(inputs) || !tape->track_outputs(outputs)) continue;
      tape->add({&op, attrs, {inputs.begin(), inputs.end()}, {outputs.begin(), outputs.end()}, {}, {}}, op.save_inputs,
                op.save_outputs);
    }
  }
};

Stack& stack() {
  thread_local Stack s;
  return s;
}

}  // namespace

void Tape::Impl::walk_node(Node& node, const Tensors& incoming, const std::unordered_set<uint64_t>& reachable,
                           Grads& grads) {
  uint32_t needs = 0;
  for (size_t i = 0; i < node.in.size(); ++i)
    if (node.in[i] && reachable.count(node.in[i].id())) needs |= bit(i);
  Tensors outgoing;
  if (node.custom) {
    outgoing = node.custom(incoming);
  } else {
    if (!node.op->vjp) fail<Error>(name_of(node), ": has no gradient rule");
    const Tensors in = node.region ? node.region->restored(node.in) : node.in,
                  out = node.region ? node.region->restored(node.out) : node.out;
    const MovesConstants constants;
    outgoing = node.op->vjp({*node.op, node.attrs, in, out, incoming, needs});
  }
  if (outgoing.size() != node.in.size())
    fail<Error>(name_of(node), ": its gradient returned ", outgoing.size(), " values for ", node.in.size(), " inputs");
  for (size_t i = 0; i < node.in.size(); ++i) {
    const Tensor& input = node.in[i];
    if (!outgoing[i] || !input || !reachable.count(input.id())) continue;
    if (outgoing[i].shape() != input.shape())
      fail<ShapeError>(name_of(node), ": its gradient for input ", i, " has shape ", outgoing[i].shape(),
                       ", expected that of the input ", input.shape());
    if (outgoing[i].dtype() != input.dtype()) outgoing[i] = cast(outgoing[i], input.dtype());
    accumulate(grads, input.id(), std::move(outgoing[i]));
  }
}

Grads Tape::Impl::walk(const Tensors& targets, const Ids& sources, const Tensors& output_grads, bool keep) {
  if (!output_grads.empty() && output_grads.size() != targets.size())
    fail<ValueError>("gradient: expected one output gradient per target (", targets.size(), "), got ",
                     output_grads.size());
  Grads grads;
  for (size_t i = 0; i < targets.size(); ++i) {
    const bool given = i < output_grads.size() && output_grads[i];
    if (given && output_grads[i].shape() != targets[i].shape())
      fail<ShapeError>("gradient: output gradient ", i, " has shape ", output_grads[i].shape(),
                       ", expected that of its target ", targets[i].shape());
    accumulate(grads, targets[i].id(), given ? output_grads[i] : ones_like(targets[i]));
  }

  // What depends on a source, found forwards; only that is walked back.
  const std::unordered_set<uint64_t> wanted(sources.begin(), sources.end());
  std::unordered_set<uint64_t> reachable = wanted;
  const size_t count = nodes.size();
  std::vector<char> relevant(count, 0);
  for (size_t n = 0; n < count; ++n) {
    for (const Tensor& t : nodes[n].in)
      if (t && reachable.count(t.id())) relevant[n] = 1;
    if (relevant[n])
      for (const Tensor& t : nodes[n].out)
        if (t && is_float(t.dtype())) reachable.insert(t.id());
  }

  for (size_t n = count; n-- > 0;) {
    Node& node = nodes[n];
    Tensors incoming(node.out.size());
    bool any = false;
    if (relevant[n])
      for (size_t i = 0; i < node.out.size(); ++i) {
        const auto it = node.out[i] ? grads.find(node.out[i].id()) : grads.end();
        if (it == grads.end()) continue;
        incoming[i] = it->second;
        any = true;
        if (!wanted.count(it->first)) grads.erase(it);
      }
    if (any) walk_node(node, incoming, reachable, grads);
    if (node.region && (n == 0 || nodes[n - 1].region != node.region)) node.region->forget();
    if (!keep) node = Node{};
  }
  return grads;
}

Tape::Tape(bool watch_variables) : impl_(std::make_unique<Impl>(watch_variables)) {}

Tape::~Tape() {
  if (impl_->active) stop();
}

void Tape::start() {
  if (impl_->active) fail<Error>("GradientTape: this tape is already recording");
  impl_->active = true;
  stack().tapes.push_back(impl_.get());
  stack().refresh();
}

void Tape::stop() {
  auto& tapes = stack().tapes;
  const auto it = std::find(tapes.begin(), tapes.end(), impl_.get());
  if (it == tapes.end()) fail<Error>("GradientTape: this tape is not recording on this thread");
  tapes.erase(it);
  impl_->active = false;
  stack().refresh();
}

bool Tape::recording() const { return impl_->active; }

void Tape::watch(const Tensor& tensor) {
  if (!is_float(tensor.dtype()))
    fail<DtypeError>("GradientTape.watch: expected a tensor of floating dtype, got ", tensor.dtype(), " of shape ",
                     tensor.shape(), "; cast it to a float dtype first");
  impl_->tracked.insert(tensor.id());
}

void Tape::watch(const Variable& variable) { impl_->watch(variable, variable.peek()); }

bool Tape::watches(const Tensor& tensor) const { return impl_->tracked.count(tensor.id()) > 0; }

void Tape::reset() {
  impl_->nodes.clear();
  impl_->tracked.clear();
  impl_->reads.clear();
  impl_->read_order.clear();
}

Tensors Tape::gradient(const Tensors& targets, const Tensors& sources, const Tensors& output_grads, bool keep) {
  Ids ids;
  for (const Tensor& s : sources) ids.push_back(s.id());
  const Grads grads = impl_->walk(targets, ids, output_grads, keep);
  Tensors out;
  for (const Tensor& s : sources) {
    const auto it = grads.find(s.id());
    // Rules make zeros on the CPU, which does not matter until somebody else gets them.
    out.push_back(it == grads.end() ? Tensor() : it->second.to(s.is_placeholder() ? it->second.device() : s.device()));
  }
  if (!keep) reset();
  return out;
}

Tensors Tape::gradient(const Tensors& targets, Span<const Variable* const> sources, const Tensors& output_grads,
                       bool keep) {
  Ids all;
  for (const Variable* v : sources) {
    const Ids& ids = impl_->reads[v->id()];
    all.insert(all.end(), ids.begin(), ids.end());
  }
  const Grads grads = impl_->walk(targets, all, output_grads, keep);
  Tensors out;
  for (const Variable* v : sources) {
    Tensor sum;
    for (const uint64_t id : impl_->reads[v->id()]) {
      const auto it = grads.find(id);
      if (it != grads.end()) sum = sum ? add(sum, it->second) : it->second;
    }
    out.push_back(std::move(sum));
  }
  if (!keep) reset();
  return out;
}

std::vector<uint64_t> Tape::watched_variables() const { return impl_->read_order; }
size_t Tape::size() const { return impl_->nodes.size(); }

StopRecording::StopRecording() {
  ++stack().stopped;
  stack().refresh();
}

StopRecording::~StopRecording() {
  --stack().stopped;
  stack().refresh();
}

SuspendTapes::SuspendTapes() {
  tapes_.swap(stack().tapes);
  stack().refresh();
}

SuspendTapes::~SuspendTapes() {
  tapes_.swap(stack().tapes);
  stack().refresh();
}

bool SuspendTapes::watch(const Tensor& tensor) const {
  return std::any_of(tapes_.begin(), tapes_.end(), [&](const auto* t) { return t->tracked.count(tensor.id()) > 0; });
}

Rematerialize::Rematerialize() {
  for (Tape::Impl* tape : stack().tapes)
    if (!tape->open_region()) regions_.push_back(tape->region = std::make_shared<Region>(++tape->regions));
}

Rematerialize::~Rematerialize() {
  for (const auto& region : regions_) region->close();
}

bool is_watched(const Tensor& tensor) {
  if (!active_recorder) return false;
  for (const Tape::Impl* tape : stack().tapes)
    if (tape->tracked.count(tensor.id())) return true;
  return false;
}

void record_custom(const Tensors& inputs, const Tensors& outputs, CustomVjp vjp) {
  if (active_tracer) active_tracer->note_custom_gradient();
  if (!active_recorder) return;
  for (Tape::Impl* tape : stack().tapes) {
    if (!tape->any_tracked(inputs) || !tape->track_outputs(outputs)) continue;
    tape->add({nullptr, {}, inputs, outputs, vjp, {}}, kSaveNone, kSaveNone);
  }
}

Tensor move_to(const Tensor& x, Device device) {
  Tensor out = x.to(device);
  if (out.id() != x.id() && is_watched(x))
    record_custom({x}, {out}, [home = x.device()](const Tensors& grads) { return Tensors{move_to(grads[0], home)}; });
  return out;
}

void watch_read(const Variable& variable, const Tensor& value) {
  if (!active_recorder) return;
  for (Tape::Impl* tape : stack().tapes)
    if (tape->watch_variables) tape->watch(variable, value);
}

Tensors vjp_of_compose(const VjpContext& c) {
  // The original inputs are watched, not copies: outer tapes must see how the result depends on them.
  Tensors in(c.in.begin(), c.in.end()), sources;
  std::vector<size_t> positions;
  Tape tape(false);
  for (size_t i = 0; i < in.size(); ++i) {
    if (!in[i] || !is_float(in[i].dtype()) || !c.need(static_cast<int>(i))) continue;
    // One tensor passed twice needs two identities, or each position would receive the gradient of both.
    for (size_t j = 0; j < i; ++j)
      if (in[j] && in[j].id() == in[i].id()) in[i] = reshape(in[i], in[i].shape());
    tape.watch(in[i]);
    sources.push_back(in[i]);
    positions.push_back(i);
  }
  tape.start();
  const Tensors out = c.op.compose(in, c.attrs);
  tape.stop();
  Tensors targets, seeds;
  for (size_t i = 0; i < out.size(); ++i)
    if (i < c.grads.size() && c.grads[i]) {
      targets.push_back(out[i]);
      seeds.push_back(c.grads[i]);
    }
  const Tensors grads = tape.gradient(targets, sources, seeds, false);
  Tensors result(in.size());
  for (size_t i = 0; i < grads.size(); ++i) result[positions[i]] = grads[i];
  return result;
}

}  // namespace addax
