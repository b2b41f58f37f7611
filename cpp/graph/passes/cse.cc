// Common subexpressions: eqns of one op with equal settings and inputs. Every op is a pure function of its inputs,
// random ones included.
#include <algorithm>
#include <map>
#include <sstream>

#include "graph/passes.h"

namespace addax {
namespace {

constexpr int64_t kSmall = 16;  // values; larger consts are compared by identity only, which tracing does already

std::string key_of(const Tensor& t) {
  const bool uniform = std::all_of(t.strides().begin(), t.strides().end(), [](int64_t s) { return s == 0; });
  const Tensor c = uniform && t.numel() > 0 ? t.view({{}, {}, t.layout().offset}) : t.contiguous();
  std::ostringstream key;
  key << t.dtype() << t.shape() << uniform << ':';
  return key.str() + std::string(c.data<char>(), static_cast<size_t>(c.nbytes()));
}

}  // namespace

Graph merge_common_subexpressions(Graph g) {
  std::vector<int> map = identity(g);
  std::map<std::string, int> consts;
  for (const auto& [v, value] : g.consts) {
    const bool uniform = std::all_of(value.strides().begin(), value.strides().end(), [](int64_t s) { return s == 0; });
    if (value.numel() > kSmall && !uniform) continue;
    map[static_cast<size_t>(v)] = consts.emplace(key_of(value), v).first->second;
  }
  std::map<std::string, const Eqn*> seen;
  std::vector<Eqn> kept;
  kept.reserve(g.eqns.size());
  for (Eqn& e : g.eqns) {
    std::string key = e.op->name;
    for (int& v : e.in) {
      if (v >= 0) v = map[static_cast<size_t>(v)];
      key += ' ' + std::to_string(v);
    }
    key += '|' + e.settings().text();
    kept.push_back(std::move(e));
    const auto [it, fresh] = seen.emplace(std::move(key), &kept.back());
    if (fresh) continue;
    const Eqn& first = *it->second;
    for (size_t i = 0; i < first.out.size(); ++i) map[static_cast<size_t>(kept.back().out[i])] = first.out[i];
    kept.pop_back();
  }
  g.eqns = std::move(kept);
  substitute(g, map);
  return g;
}

}  // namespace addax
