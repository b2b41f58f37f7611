// Dead code: walks back from the outputs and keeps what they need.
#include "graph/passes.h"

namespace addax {

Graph eliminate_dead_code(Graph g) {
  std::vector<char> needed(g.vars.size(), 0);
  for (const int v : g.outputs) needed[static_cast<size_t>(v)] = 1;
  std::vector<Eqn> kept;
  for (size_t i = g.eqns.size(); i-- > 0;) {
    Eqn& e = g.eqns[i];
    bool alive = false;
    for (const int v : e.out) alive = alive || needed[static_cast<size_t>(v)];
    if (!alive) continue;
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
