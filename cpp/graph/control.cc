// Gradients of control flow, derived from the bodies.
//
// A scan's gradient: the body's own is traced once, over a step's inputs and the gradients of its results. Its eqns
// that read no gradient are the step itself; what the others read of those is stacked by a forward scan. Views, and
// what is the same in all steps, are made again instead.
//
// A cond's gradient computes the branch again, and that of a while_loop is a scan of conds.
#include "ops/control.h"

#include <algorithm>
#include <deque>

#include "addax/autograd.h"
#include "addax/ops/elementwise.h"
#include "addax/ops/movement.h"
#include "graph/body.h"
#include "graph/passes.h"

namespace addax {
namespace {

using Vars = std::vector<int>;
using Marks = std::vector<char>;

Tensor zeros(const Spec& spec) { return broadcast_to(Tensor::scalar(0, spec.dtype), spec.shape); }

bool any(const Marks& marks, const Vars& vars) {
  for (const int v : vars)
    if (v >= 0 && marks[static_cast<size_t>(v)]) return true;
  return false;
}

void mark(Marks& marks, const Vars& vars) {
  for (const int v : vars)
    if (v >= 0) marks[static_cast<size_t>(v)] = 1;
}

class ScanGradient {
 public:
  explicit ScanGradient(const VjpContext& c)
      : c_(c),
        a_(c.attrs.as<LoopAttrs>()),
        body_(graph_of(a_.body)),
        sequences_(static_cast<size_t>(a_.sequences)),
        carries_(static_cast<size_t>(a_.carries)),
        stacks_(c.out.size() - carries_) {}

  Tensors run() {
    trace();
    split();
    return apply_both();
  }

 private:
  bool is_sequence(size_t i) const { return i < sequences_; }
  bool is_carry(size_t i) const { return i >= sequences_ && i < sequences_ + carries_; }
  // Carries pass gradients from step to step whether or not the first value needs one.
  bool wants(size_t i) const { return is_float(c_.in[i].dtype()) && (is_carry(i) || c_.need(static_cast<int>(i))); }

  // One graph of a step and its gradient. Gradients of what is the same in all steps are summed up in carries of the
  // reverse scan: the sum so far is passed to the tape, which adds to it use by use, as it would without a scan.
  void trace() {
    Tensors inputs, targets, seeds, sources;
    for (const int v : body_.inputs) inputs.push_back(trace_.argument(spec(v).shape, spec(v).dtype));
    for (size_t i = 0; i < body_.outputs.size(); ++i) {
      const Spec& s = spec(body_.outputs[i]);
      if (!is_float(s.dtype) || (i < stacks_ && !c_.grads[i])) continue;
      seeded_.push_back(i);
      seeds.push_back(trace_.argument(s.shape, s.dtype));
    }
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (!wants(i)) continue;
      wanted_.push_back(i);
      sources.push_back(inputs[i]);
      if (is_sequence(i) || is_carry(i)) continue;
      targets.push_back(inputs[i]);
    }
    sums_ = targets.size();
    for (const Tensor& t : targets) seeds.push_back(trace_.argument(t.shape(), t.dtype()));
    trace_.start();
    Tape tape(false);
    for (const Tensor& t : sources) tape.watch(t);
    tape.start();
    const Tensors outputs = call(body_, inputs);
    tape.stop();
    Tensors all;
    for (const size_t i : seeded_) all.push_back(outputs[i]);
    all.insert(all.end(), targets.begin(), targets.end());
    Tensors grads = tape.gradient(all, sources, seeds, false);
    Tensors results = outputs;
    for (size_t i = 0; i < grads.size(); ++i) {
      if (!grads[i] && is_carry(wanted_[i])) grads[i] = zeros({sources[i].shape(), sources[i].dtype()});
      if (grads[i]) results.push_back(grads[i]);
      defined_.push_back(static_cast<bool>(grads[i]));
    }
    trace_.stop();
    step_ = trace_.close(results);
  }

  void split() {
    const Graph& g = step_.graph;
    const size_t n = body_.inputs.size(), gradients = seeded_.size() + sums_;
    const Vars own(g.inputs.begin(), g.inputs.begin() + static_cast<ptrdiff_t>(n));
    const Vars late_inputs(g.inputs.begin() + static_cast<ptrdiff_t>(n),
                           g.inputs.begin() + static_cast<ptrdiff_t>(n + gradients));
    const Vars captured(g.inputs.begin() + static_cast<ptrdiff_t>(n + gradients), g.inputs.end());
    const Vars varying(own.begin(), own.begin() + static_cast<ptrdiff_t>(sequences_ + carries_));
    Marks late(g.vars.size(), 0), varies(g.vars.size(), 0), read(g.vars.size(), 0);
    mark(late, late_inputs);
    mark(varies, varying);
    for (const Eqn& e : g.eqns) {
      if (any(late, e.in)) mark(late, e.out);
      if (any(varies, e.in)) mark(varies, e.out);
    }
    const Vars results(g.outputs.begin(), g.outputs.begin() + static_cast<ptrdiff_t>(body_.outputs.size()));
    const Vars gradients_out(g.outputs.begin() + static_cast<ptrdiff_t>(body_.outputs.size()), g.outputs.end());

    forward_.vars = backward_.vars = g.vars;
    forward_.consts = backward_.consts = g.consts;
    mark(read, gradients_out);
    Vars saved;
    for (size_t i = g.eqns.size(); i-- > 0;) {
      const Eqn& e = g.eqns[i];
      if (!any(late, e.out)) forward_.eqns.push_back(e);
      if (!any(read, e.out)) continue;
      if (any(late, e.out) || !any(varies, e.out) || e.op->view) {
        backward_.eqns.push_back(e);
        mark(read, e.in);
        continue;
      }
      for (const int v : e.out)
        if (read[static_cast<size_t>(v)]) saved.push_back(v);
    }
    std::reverse(forward_.eqns.begin(), forward_.eqns.end());
    std::reverse(backward_.eqns.begin(), backward_.eqns.end());
    for (size_t i = sequences_; i < sequences_ + carries_; ++i)
      if (read[static_cast<size_t>(own[i])]) saved.push_back(own[i]);

    // Inputs of the reverse scan: sequences read, what was saved, gradients of stacked results; gradients of carries,
    // sums; what is the same in all steps.
    for (size_t i = 0; i < sequences_; ++i)
      if (read[static_cast<size_t>(own[i])]) {
        backward_.inputs.push_back(own[i]);
        sequences_read_.push_back(i);
      }
    backward_.inputs.insert(backward_.inputs.end(), saved.begin(), saved.end());
    backward_.inputs.insert(backward_.inputs.end(), late_inputs.begin(), late_inputs.end());
    backward_.inputs.insert(backward_.inputs.end(), own.begin() + static_cast<ptrdiff_t>(sequences_ + carries_),
                            own.end());
    backward_.inputs.insert(backward_.inputs.end(), captured.begin(), captured.end());
    backward_.outputs = gradients_out;

    forward_.inputs = own;
    forward_.outputs.assign(results.begin(), results.begin() + static_cast<ptrdiff_t>(stacks_));
    forward_.outputs.insert(forward_.outputs.end(), saved.begin(), saved.end());
    forward_.outputs.insert(forward_.outputs.end(), results.begin() + static_cast<ptrdiff_t>(stacks_), results.end());
    saved_ = saved.size();
    forward_ = eliminate_dead_code(std::move(forward_));
    backward_ = eliminate_dead_code(std::move(backward_));
    // A gradient rule's own large consts are inputs of the forward scan only where it reads them.
    const std::vector<int> uses = use_counts(forward_);
    for (size_t i = 0; i < captured.size(); ++i)
      if (uses[static_cast<size_t>(captured[i])]) {
        forward_.inputs.push_back(captured[i]);
        forward_captures_.push_back(step_.captures[i]);
      }
  }

  Tensors apply_both() {
    const OpDef& scan = find_op("scan");
    LoopAttrs attrs = a_;
    attrs.body = make_body(std::move(forward_));
    Tensors in(c_.in.begin(), c_.in.end());
    in.insert(in.end(), forward_captures_.begin(), forward_captures_.end());
    const Tensors forward = apply(scan, in, Attrs::of(attrs));

    in.clear();
    for (const size_t i : sequences_read_) in.push_back(c_.in[i]);
    for (size_t i = 0; i < saved_; ++i) in.push_back(forward[stacks_ + i]);
    size_t carried = 0;
    for (const size_t i : seeded_)
      if (i < stacks_) in.push_back(c_.grads[i]);
    attrs.sequences = static_cast<int64_t>(in.size());
    for (const size_t i : seeded_) {
      if (i < stacks_) continue;
      in.push_back(c_.grads[i] ? c_.grads[i] : zeros(spec(body_.outputs[i])));
      ++carried;
    }
    for (const size_t i : wanted_)
      if (!is_sequence(i) && !is_carry(i)) in.push_back(zeros({c_.in[i].shape(), c_.in[i].dtype()}));
    attrs.carries = static_cast<int64_t>(carried + sums_);
    in.insert(in.end(), c_.in.begin() + static_cast<ptrdiff_t>(sequences_ + carries_), c_.in.end());
    in.insert(in.end(), step_.captures.begin(), step_.captures.end());
    attrs.reverse = !a_.reverse;
    attrs.body = make_body(std::move(backward_));
    Tensors grads = apply(scan, in, Attrs::of(attrs));

    Tensors out(c_.in.size());
    size_t next = 0;
    for (size_t k = 0; k < wanted_.size(); ++k)
      if (defined_[k]) out[wanted_[k]] = std::move(grads[next++]);
    return out;
  }

  const Spec& spec(int v) const { return body_.vars[static_cast<size_t>(v)]; }

  const VjpContext& c_;
  const LoopAttrs& a_;
  const Graph& body_;
  const size_t sequences_, carries_, stacks_;
  Trace trace_{Trace::Kind::Body};
  ClosedTrace step_;
  std::vector<size_t> seeded_;  // outputs of the body whose gradients are given
  std::vector<size_t> wanted_;  // inputs of the body that want one
  Marks defined_;               // which of those have one
  Graph forward_, backward_;
  size_t sums_ = 0, saved_ = 0;
  std::vector<size_t> sequences_read_;
  Tensors forward_captures_;
};

// One step of a while_loop: the body if there is another step, else the carries as they are.
BodyRef guarded(const BodyRef& body) {
  Trace trace(Trace::Kind::Body);
  Graph pass;
  Tensors in;
  for (const Spec& s : body->inputs()) {
    in.push_back(trace.argument(s.shape, s.dtype));
    pass.inputs.push_back(pass.add_var(s.shape, s.dtype));
  }
  pass.outputs.assign(pass.inputs.begin(), pass.inputs.begin() + static_cast<ptrdiff_t>(body->outputs().size()));
  trace.start();
  in.insert(in.begin(), cast(in[0], Dtype::Int32));
  const Tensors out = apply(find_op("cond"), in, Attrs::of(BranchAttrs{{make_body(std::move(pass)), body}}));
  trace.stop();
  return make_body(trace.close(out).graph);
}

}  // namespace

Tensors scan_vjp(const VjpContext& c) { return ScanGradient(c).run(); }

Tensors cond_vjp(const VjpContext& c) {
  const Bodies& bodies = c.attrs.as<BranchAttrs>().bodies;
  std::vector<size_t> seeded, wanted;
  for (size_t i = 0; i < c.out.size(); ++i)
    if (c.grads[i] && is_float(c.out[i].dtype())) seeded.push_back(i);
  for (size_t i = 1; i < c.in.size(); ++i)
    if (is_float(c.in[i].dtype()) && c.need(static_cast<int>(i))) wanted.push_back(i);

  std::deque<Trace> traces;
  std::vector<Tensors> grads;
  for (const BodyRef& body : bodies) {
    Trace& trace = traces.emplace_back(Trace::Kind::Body);
    Tensors inputs, sources, targets, seeds;
    for (const Spec& s : body->inputs()) inputs.push_back(trace.argument(s.shape, s.dtype));
    for (const size_t i : seeded) seeds.push_back(trace.argument(c.out[i].shape(), c.out[i].dtype()));
    for (const size_t i : wanted) sources.push_back(inputs[i - 1]);
    trace.start();
    Tape tape(false);
    for (const Tensor& t : sources) tape.watch(t);
    tape.start();
    const Tensors outputs = call(graph_of(body), inputs);
    tape.stop();
    for (const size_t i : seeded) targets.push_back(outputs[i]);
    grads.push_back(tape.gradient(targets, sources, seeds, false));
    trace.stop();
  }

  // A branch gives zeros where only another one has a gradient.
  std::vector<size_t> defined;
  for (size_t k = 0; k < wanted.size(); ++k)
    if (std::any_of(grads.begin(), grads.end(), [&](const Tensors& g) { return g[k]; })) defined.push_back(k);
  std::vector<ClosedTrace> closed;
  for (size_t b = 0; b < bodies.size(); ++b) {
    Tensors results;
    for (const size_t k : defined) {
      const Tensor& x = c.in[wanted[k]];
      results.push_back(grads[b][k] ? grads[b][k] : zeros({x.shape(), x.dtype()}));
    }
    closed.push_back(traces[b].close(results));
    closed.back().graph = eliminate_dead_code(std::move(closed.back().graph));
  }
  JoinedBranches joined = join(std::move(closed));

  Tensors all(c.in.begin() + 1, c.in.end()), in = {c.in[0]};
  for (const size_t i : seeded) all.push_back(c.grads[i]);
  all.insert(all.end(), joined.inputs.begin(), joined.inputs.end());
  for (const size_t i : drop_unread_inputs(joined.graphs)) in.push_back(all[i]);
  BranchAttrs attrs;
  for (Graph& g : joined.graphs) attrs.bodies.push_back(make_body(std::move(g)));
  Tensors results = apply(c.op, in, Attrs::of(std::move(attrs))), out(c.in.size());
  for (size_t k = 0; k < defined.size(); ++k) out[wanted[defined[k]]] = std::move(results[k]);
  return out;
}

bool cond_in_place(const Attrs& attrs, int output, int input) {
  const Graph& g = graph_of(attrs.as<BranchAttrs>().bodies[0]);
  return output >= g.results() && input == 1 + g.arguments() + output - g.results();
}

Tensors while_compose(Span<const Tensor> in, const Attrs& attrs) {
  const WhileAttrs& a = attrs.as<WhileAttrs>();
  if (a.maximum < 0)
    fail<ValueError>(
        "while_loop: there is no gradient through a loop of a compiled function that may run any number of steps. Pass "
        "`maximum_iterations`, or use scan or fori_loop");
  LoopAttrs scan;
  scan.body = guarded(a.body);
  scan.length = a.maximum;
  scan.carries = static_cast<int64_t>(a.body->outputs().size());
  return apply(find_op("scan"), in, Attrs::of(scan));
}

}  // namespace addax
