// Algebra that keeps every bit. Not here: x + 0, which turns -0 into 0, and anything that reorders sums.
#include <map>

#include "graph/passes.h"
#include "ops/movement.h"

namespace addax {
namespace {

class Algebra {
 public:
  explicit Algebra(Graph g) : g_(std::move(g)), map_(identity(g_)), maker_(g_.vars.size(), -1) {
    for (const auto& [v, value] : g_.consts) consts_.emplace(v, &value);
  }

  Graph run() {
    std::vector<Eqn> kept;
    for (Eqn& e : g_.eqns) {
      for (int& v : e.in)
        if (v >= 0) v = map_[static_cast<size_t>(v)];
      look_through(e, kept);
      const int same = equal_input(e);
      if (same >= 0) {
        map_[static_cast<size_t>(e.out[0])] = same;
        continue;
      }
      for (const int v : e.out) maker_[static_cast<size_t>(v)] = static_cast<int>(kept.size());
      kept.push_back(std::move(e));
    }
    g_.eqns = std::move(kept);
    substitute(g_, map_);
    return std::move(g_);
  }

 private:
  const Spec& spec(int v) const { return g_.vars[static_cast<size_t>(v)]; }
  bool same_spec(int a, int b) const { return spec(a).shape == spec(b).shape && spec(a).dtype == spec(b).dtype; }

  // A const whose elements are all 1.
  bool is_one(int v) const {
    const auto it = consts_.find(v);
    return it != consts_.end() && is_all(*it->second, 1);
  }

  static bool keeps_order(const Dims& axes, int rank) {
    int i = 0;
    while (i < axes.rank() && axes[i] == i) ++i;
    return i == rank;
  }

  // The input that the eqn's only result equals bit for bit; -1: none.
  int equal_input(const Eqn& e) const {
    if (e.out.size() != 1 || e.in.empty() || e.in[0] < 0) return -1;
    const int out = e.out[0], x = e.in[0];
    if (e.is("multiply")) {
      if (is_one(e.in[1]) && same_spec(x, out)) return x;
      if (is_one(x) && same_spec(e.in[1], out)) return e.in[1];
    }
    if (e.is("divide") && is_one(e.in[1]) && same_spec(x, out)) return x;
    if (e.is("transpose")) return keeps_order(e.settings().as<TransposeAttrs>().axes, spec(x).shape.rank()) ? x : -1;
    const bool keeps = e.is("reshape") || e.is("broadcast_to") || e.is("cast") || e.is("stop_gradient");
    return keeps && same_spec(x, out) ? x : -1;
  }

  // A reshape of a reshape reads the first one's input; a gradient's stop is of no use any more.
  void look_through(Eqn& e, const std::vector<Eqn>& kept) {
    if (!e.is("reshape") || e.in[0] < 0) return;
    const int made_by = maker_[static_cast<size_t>(e.in[0])];
    if (made_by >= 0 && kept[static_cast<size_t>(made_by)].is("reshape"))
      e.in[0] = kept[static_cast<size_t>(made_by)].in[0];
  }

  Graph g_;
  std::vector<int> map_;
  std::vector<int> maker_;  // var -> position in the new list
  std::map<int, const Tensor*> consts_;
};

}  // namespace

Graph simplify_algebra(Graph g) { return Algebra(std::move(g)).run(); }

}  // namespace addax
