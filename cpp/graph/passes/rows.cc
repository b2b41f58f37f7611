// Gradients of tables: what scatter_add adds to zeros for an optimizer's update alone, as that of an embedding, goes
// to a row which adds it up by itself. No gradient of the table's size is ever in memory.
#include <map>

#include "graph/passes.h"

namespace addax {

Graph scatter_in_updates(Graph g) {
  const std::vector<int> uses = use_counts(g);
  const std::map<int, Tensor> consts(g.consts.begin(), g.consts.end());
  std::map<int, const Eqn*> scattered;  // gradients that nobody else reads
  for (Eqn& e : g.eqns) {
    if (e.is("scatter_add")) {
      const auto zeros = consts.find(e.in[0]);
      const auto size = [&](int v) { return numel(g.vars[static_cast<size_t>(v)].shape); };
      const bool pays = size(e.in[2]) <= size(e.out[0]);  // else more time is lost by sorting than saved by the table
      if (pays && uses[static_cast<size_t>(e.out[0])] == 1 && zeros != consts.end() && is_all(zeros->second, 0))
        scattered.emplace(e.out[0], &e);
    }
    const OpDef* row = op_table().find(std::string(e.op->name) + "_rows");
    if (!row || static_cast<int>(e.in.size()) != e.op->min_inputs) continue;
    const auto gradient = scattered.find(e.in[e.out.size()]);
    if (gradient == scattered.end()) continue;
    e.op = row;
    e.in[e.out.size()] = gradient->second->in[1];
    e.in.insert(e.in.begin() + static_cast<ptrdiff_t>(e.out.size()) + 1, gradient->second->in[2]);
  }
  return eliminate_dead_code(std::move(g));
}

}  // namespace addax
