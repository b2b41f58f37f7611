// Constant folding. Large results stay eqns: a const of their size would be memory for nothing.
#include <map>

#include "graph/passes.h"

namespace addax {
namespace {
constexpr int64_t kMostBytes = 4096;
}

Graph fold_constants(Graph g) {
  std::map<int, Tensor> known(g.consts.begin(), g.consts.end());
  std::vector<Eqn> kept;
  for (Eqn& e : g.eqns) {
    int64_t bytes = 0;
    for (const int v : e.out)
      bytes += numel(g.vars[static_cast<size_t>(v)].shape) * size_of(g.vars[static_cast<size_t>(v)].dtype);
    Tensors in;
    bool constant = bytes <= kMostBytes;
    for (const int v : e.in) {
      const auto it = known.find(v);
      constant = constant && (v < 0 || it != known.end());
      in.push_back(it == known.end() ? Tensor() : it->second);
    }
    if (!constant) {
      kept.push_back(std::move(e));
      continue;
    }
    const Tensors out = apply(*e.op, in, e.settings());
    for (size_t i = 0; i < out.size(); ++i) {
      known.emplace(e.out[i], out[i]);
      g.consts.emplace_back(e.out[i], out[i]);
    }
  }
  g.eqns = std::move(kept);
  return g;
}

}  // namespace addax
