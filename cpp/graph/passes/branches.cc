// A cond whose bodies are all equal is that body.
#include <algorithm>
#include <utility>

#include "graph/body.h"
#include "graph/passes.h"
#include "ops/control.h"

namespace addax {

Graph merge_branches(Graph g) {
  std::vector<int> map = identity(g);
  for (Eqn& e : std::exchange(g.eqns, {})) {
    for (int& v : e.in)
      if (v >= 0) v = map[static_cast<size_t>(v)];
    const Bodies* bodies = e.is("cond") ? &e.settings().as<BranchAttrs>().bodies : nullptr;
    if (!bodies ||
        !std::all_of(bodies->begin(), bodies->end(), [&](const BodyRef& b) { return b == bodies->front(); })) {
      g.eqns.push_back(std::move(e));
      continue;
    }
    const std::vector<int> out = append(g, graph_of(bodies->front()), {e.in.begin() + 1, e.in.end()});
    for (size_t i = 0; i < out.size(); ++i) map[static_cast<size_t>(e.out[i])] = out[i];
  }
  for (size_t v = map.size(); v < g.vars.size(); ++v) map.push_back(static_cast<int>(v));
  substitute(g, map);
  return g;
}

}  // namespace addax
