// Checks over graphs.
#include "graph/graph.h"

#include <functional>

namespace addax {

bool operator==(const Graph& a, const Graph& b) {
  if (a.consts.size() != b.consts.size() || a.eqns.size() != b.eqns.size()) return false;
  // Text shows small consts only.
  for (size_t i = 0; i < a.consts.size(); ++i) {
    const Tensor &x = a.consts[i].second, &y = b.consts[i].second;
    if (x.shape() != y.shape() || x.dtype() != y.dtype()) return false;
    const Tensor p = x.contiguous(), q = y.contiguous();
    if (!std::equal(p.data<char>(), p.data<char>() + p.nbytes(), q.data<char>())) return false;
  }
  return to_text(a) == to_text(b);
}

size_t hash_of(const Graph& graph) { return std::hash<std::string>()(to_text(graph)); }

std::vector<int> append(Graph& graph, const Graph& body, const std::vector<int>& inputs) {
  std::vector<int> map(body.vars.size(), -1), outputs;
  const auto at = [&](int v) -> int& { return map[static_cast<size_t>(v)]; };
  const auto add = [&](int v) {
    const Spec& s = body.vars[static_cast<size_t>(v)];
    return at(v) = graph.add_var(s.shape, s.dtype);
  };
  for (size_t i = 0; i < inputs.size(); ++i) at(body.inputs[i]) = inputs[i];
  for (const auto& [v, value] : body.consts) graph.consts.emplace_back(add(v), value);
  for (Eqn e : body.eqns) {
    for (int& v : e.in)
      if (v >= 0) v = at(v);
    for (int& v : e.out) v = add(v);
    graph.eqns.push_back(std::move(e));
  }
  for (const int v : body.outputs) outputs.push_back(at(v));
  return outputs;
}

std::vector<int> use_counts(const Graph& graph) {
  std::vector<int> uses(graph.vars.size(), 0);
  for (const Eqn& e : graph.eqns)
    for (const int v : e.in)
      if (v >= 0) ++uses[static_cast<size_t>(v)];
  for (const int v : graph.outputs) ++uses[static_cast<size_t>(v)];
  return uses;
}

std::vector<Spec> outputs_of(const Graph& g, const Eqn& e) {
  Tensors in;
  for (const int v : e.in) {
    if (v >= static_cast<int>(g.vars.size())) fail<Error>("graph: ", e.op->name, " reads no var of the graph");
    const Spec* spec = v >= 0 ? &g.vars[static_cast<size_t>(v)] : nullptr;
    in.push_back(spec ? Tensor::placeholder(spec->shape, spec->dtype) : Tensor());
  }
  InferContext c{*e.op, e.settings(), in, {}};
  infer_outputs(c);
  return {c.outputs.begin(), c.outputs.end()};
}

Graph fix_states(Graph g, const Tensors& values) {
  const size_t arguments = static_cast<size_t>(g.arguments()), results = static_cast<size_t>(g.results());
  std::vector<int> before, after;
  for (size_t i = 0; i < values.size(); ++i) {
    const int in = g.inputs.at(arguments + i), out = g.outputs.at(results + i);
    if (!values[i]) {
      before.push_back(in);
      after.push_back(out);
      continue;
    }
    if (in != out) fail<ValueError>("graph: it assigns state ", i, ", which cannot become a const");
    g.consts.emplace_back(in, values[i]);
  }
  g.inputs.resize(arguments);
  g.inputs.insert(g.inputs.end(), before.begin(), before.end());
  g.outputs.resize(results);
  g.outputs.insert(g.outputs.end(), after.begin(), after.end());
  g.states = static_cast<int>(before.size());
  return g;
}

void verify(const Graph& g) {
  std::vector<char> defined(g.vars.size(), 0);
  auto define = [&](int v, const char* what) {
    if (v < 0 || v >= static_cast<int>(g.vars.size())) fail<Error>("graph: ", what, " defines no var of the graph");
    if (defined[static_cast<size_t>(v)]++) fail<Error>("graph: ", what, " defines var ", v, " a second time");
  };
  auto use = [&](int v, const char* what) {
    if (v < 0 || v >= static_cast<int>(g.vars.size()) || !defined[static_cast<size_t>(v)])
      fail<Error>("graph: ", what, " reads var ", v, " before it is defined");
  };
  for (const int v : g.inputs) define(v, "input");
  for (const auto& [v, value] : g.consts) {
    define(v, "const");
    const Spec& spec = g.vars[static_cast<size_t>(v)];
    if (value.shape() != spec.shape || value.dtype() != spec.dtype)
      fail<Error>("graph: const ", v, " has another spec");
  }
  for (const Eqn& e : g.eqns) {
    for (const int v : e.in)
      if (v >= 0) use(v, e.op->name);
    const std::vector<Spec> made = outputs_of(g, e);
    if (made.size() != e.out.size()) fail<Error>("graph: ", e.op->name, " has other outputs");
    for (size_t i = 0; i < e.out.size(); ++i) {
      define(e.out[i], e.op->name);
      const Spec& spec = g.vars[static_cast<size_t>(e.out[i])];
      if (spec.shape != made[i].shape || spec.dtype != made[i].dtype)
        fail<Error>("graph: ", e.op->name, " gives ", made[i].dtype, made[i].shape, ", the graph says ", spec.dtype,
                    spec.shape);
    }
  }
  for (const int v : g.outputs) use(v, "output");
}

}  // namespace addax
