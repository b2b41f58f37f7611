// Dead code: walks back from the outputs and keeps what they need.
#include <algorithm>

#include "graph/body.h"
#include "graph/passes.h"
#include "ops/control.h"

namespace addax {
namespace {

// Which inputs are read; states count as such.
void note_read(const Graph& g, std::vector<char>& read) {
  const std::vector<int> uses = use_counts(g);
  for (size_t i = 0; i < read.size(); ++i)
    read[i] |= uses[static_cast<size_t>(g.inputs[i])] > 0 || static_cast<int>(i) >= g.arguments();
}

}  // namespace

std::vector<size_t> drop_unread_inputs(std::vector<Graph>& graphs) {
  std::vector<char> read(graphs[0].inputs.size(), 0);
  for (const Graph& g : graphs) note_read(g, read);
  std::vector<size_t> kept;
  for (size_t i = 0; i < read.size(); ++i)
    if (read[i]) kept.push_back(i);
  for (Graph& g : graphs) {
    std::vector<int> inputs;
    for (const size_t i : kept) inputs.push_back(g.inputs[i]);
    g.inputs = std::move(inputs);
  }
  return kept;
}

namespace {

// Of a cond: only the results that are needed, and the inputs that they take.
void trim(Eqn& e, const std::vector<char>& needed) {
  const Bodies& whole = e.settings().as<BranchAttrs>().bodies;
  std::vector<size_t> results;
  for (size_t i = 0; i < e.out.size(); ++i)
    if (needed[static_cast<size_t>(e.out[i])]) results.push_back(i);
  std::vector<char> read(e.in.size() - 1, 0);
  for (const BodyRef& body : whole) note_read(graph_of(body), read);
  if (results.size() == e.out.size() && std::all_of(read.begin(), read.end(), [](char r) { return r; })) return;
  std::vector<Graph> bodies;
  for (const BodyRef& body : whole) bodies.push_back(graph_of(body));
  const auto keep = [](std::vector<int>& vars, const std::vector<size_t>& positions, size_t first) {
    for (size_t k = 0; k < positions.size(); ++k) vars[first + k] = vars[first + positions[k]];
    vars.resize(first + positions.size());
  };
  const size_t first = static_cast<size_t>(bodies[0].results());
  const bool all_states = std::all_of(e.out.begin() + static_cast<ptrdiff_t>(first), e.out.end(),
                                      [&](int v) { return needed[static_cast<size_t>(v)]; });
  if (results.size() < e.out.size())
    for (Graph& g : bodies) {
      if (!all_states) g.states = 0;  // inputs like others
      keep(g.outputs, results, 0);
      g = eliminate_dead_code(std::move(g));
    }
  const std::vector<size_t> inputs = drop_unread_inputs(bodies);
  keep(e.out, results, 0);
  keep(e.in, inputs, 1);
  BranchAttrs attrs;
  for (Graph& g : bodies) attrs.bodies.push_back(make_body(std::move(g)));
  e.attrs = Attrs::of(std::move(attrs));
}

}  // namespace

Graph eliminate_dead_code(Graph g) {
  std::vector<char> needed(g.vars.size(), 0);
  for (const int v : g.outputs) needed[static_cast<size_t>(v)] = 1;
  std::vector<Eqn> kept;
  for (size_t i = g.eqns.size(); i-- > 0;) {
    Eqn& e = g.eqns[i];
    bool alive = false;
    for (const int v : e.out) alive = alive || needed[static_cast<size_t>(v)];
    if (!alive) continue;
    if (e.is("cond")) trim(e, needed);
    for (const int v : e.in)
      if (v >= 0) needed[static_cast<size_t>(v)] = 1;
    kept.push_back(std::move(e));
  }
  g.eqns.assign(std::make_move_iterator(kept.rbegin()), std::make_move_iterator(kept.rend()));
  std::vector<std::pair<int, Tensor>> consts;
  for (auto& c : g.consts)
    if (needed[static_cast<size_t>(c.first)]) consts.push_back(std::move(c));
  g.consts = std::move(consts);
  return g;
}

}  // namespace addax
