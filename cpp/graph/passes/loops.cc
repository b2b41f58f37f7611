// Scans over the same inputs whose carries are equal become one. Gradient rules write the forward scan a second time,
// with more results.
#include <map>

#include "graph/body.h"
#include "graph/passes.h"
#include "ops/control.h"

namespace addax {
namespace {

// Both graphs over the inputs of the first; the outputs of the second follow those of the first.
Graph side_by_side(Graph a, const Graph& b) {
  const std::vector<int> outputs = append(a, b, a.inputs);
  a.outputs.insert(a.outputs.end(), outputs.begin(), outputs.end());
  return a;
}

// `first` takes over the results of `second`; false if the carries differ.
bool merge(Eqn& first, const Eqn& second, std::vector<int>& map) {
  LoopAttrs attrs = first.settings().as<LoopAttrs>();
  const size_t carries = static_cast<size_t>(attrs.carries);
  const size_t a = first.out.size() - carries, b = second.out.size() - carries;  // stacked results
  Graph body =
      merge_common_subexpressions(side_by_side(graph_of(attrs.body), graph_of(second.settings().as<LoopAttrs>().body)));
  const std::vector<int> all = std::move(body.outputs);
  const auto mine = all.begin(), its = mine + static_cast<ptrdiff_t>(first.out.size());
  if (!std::equal(mine + static_cast<ptrdiff_t>(a), its, its + static_cast<ptrdiff_t>(b))) return false;
  std::map<int, int> stacked;  // var of the body -> var of the graph
  std::vector<int> out(first.out.begin(), first.out.begin() + static_cast<ptrdiff_t>(a));
  body.outputs.assign(mine, mine + static_cast<ptrdiff_t>(a));
  for (size_t i = 0; i < a; ++i) stacked.emplace(all[i], out[i]);
  for (size_t i = 0; i < b; ++i) {
    const int v = all[first.out.size() + i];
    const auto [it, fresh] = stacked.emplace(v, second.out[i]);
    if (fresh) {
      body.outputs.push_back(v);
      out.push_back(second.out[i]);
    } else {
      map[static_cast<size_t>(second.out[i])] = it->second;
    }
  }
  for (size_t i = 0; i < carries; ++i) {
    body.outputs.push_back(all[a + i]);
    out.push_back(first.out[a + i]);
    map[static_cast<size_t>(second.out[b + i])] = first.out[a + i];
  }
  attrs.body = make_body(std::move(body));
  first.attrs = Attrs::of(std::move(attrs));
  first.out = std::move(out);
  return true;
}

}  // namespace

Graph merge_loops(Graph g) {
  std::vector<int> map = identity(g);
  std::map<std::vector<int64_t>, size_t> seen;
  std::vector<Eqn> kept;
  for (Eqn& e : g.eqns) {
    for (int& v : e.in)
      if (v >= 0) v = map[static_cast<size_t>(v)];
    if (e.is("scan")) {
      const LoopAttrs& a = e.settings().as<LoopAttrs>();
      std::vector<int64_t> key = {a.length, a.sequences, a.carries, a.reverse};
      key.insert(key.end(), e.in.begin(), e.in.end());
      const auto [it, fresh] = seen.emplace(std::move(key), kept.size());
      if (!fresh && merge(kept[it->second], e, map)) continue;
    }
    kept.push_back(std::move(e));
  }
  g.eqns = std::move(kept);
  substitute(g, map);
  return g;
}

}  // namespace addax
