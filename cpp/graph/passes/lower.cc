// Rows that a device has no kernel for become their compositions.
#include <algorithm>

#include "addax/autograd.h"
#include "graph/passes.h"
#include "graph/trace.h"

namespace addax {
namespace {

bool is_missing(const Eqn& e, Device device) {
  return !e.op->kernels[static_cast<size_t>(device.type)] && e.op->compose;
}

// One round: compositions may hold such rows too.
Graph lower_once(const Graph& g, Device device) {
  Trace trace(Trace::Kind::Body);  // no tape hears it
  Tensors values(g.vars.size());
  const auto at = [&](int v) -> Tensor& { return values[static_cast<size_t>(v)]; };
  for (const int v : g.inputs) {
    const Spec& spec = g.vars[static_cast<size_t>(v)];
    at(v) = trace.argument(spec.shape, spec.dtype);
  }
  for (const auto& [v, value] : g.consts) at(v) = value.detach();
  trace.start();
  for (const Eqn& e : g.eqns) {
    Tensors in;
    for (const int v : e.in) in.push_back(v < 0 ? Tensor() : at(v));
    Tensors out = is_missing(e, device) ? e.op->compose(in, e.settings()) : apply(*e.op, in, e.settings());
    for (size_t i = 0; i < e.out.size(); ++i) at(e.out[i]) = std::move(out[i]);
  }
  trace.stop();
  Tensors results;
  for (const int v : g.outputs) results.push_back(at(v));
  ClosedTrace closed = trace.close(results);
  Graph made = std::move(closed.graph);
  // Consts that have no text are what a body takes from outside.
  for (size_t i = 0; i < closed.captures.size(); ++i)
    made.consts.emplace_back(made.inputs[g.inputs.size() + i], std::move(closed.captures[i]));
  made.inputs.resize(g.inputs.size());
  made.states = g.states;
  return made;
}

}  // namespace

Graph lower(Graph g, Device device) {
  const auto missing = [&](const Eqn& e) { return is_missing(e, device); };
  while (std::any_of(g.eqns.begin(), g.eqns.end(), missing)) g = eliminate_dead_code(lower_once(g, device));
  return g;
}

}  // namespace addax
