// Algebra that keeps every bit. Not here: x + 0, which turns -0 into 0, and anything that reorders sums.
#include <map>
#include <string>
#include <utility>

#include "graph/passes.h"
#include "ops/movement.h"

namespace addax {
namespace {

class Algebra {
 public:
  explicit Algebra(Graph g) : g_(std::move(g)), map_(identity(g_)), maker_(g_.vars.size(), -1), uses_(use_counts(g_)) {
    for (const auto& [v, value] : g_.consts) consts_.emplace(v, &value);
  }

  Graph run() {
    std::vector<Eqn> kept;
    for (Eqn& e : g_.eqns) {
      for (int& v : e.in)
        if (v >= 0) v = map_[static_cast<size_t>(v)];
      look_through(e, kept);
      mask_pooled(e, kept);
      const int same = equal_input(e);
      if (same >= 0) {
        map_[static_cast<size_t>(e.out[0])] = same;
        continue;
      }
      if (e.is("max_pool")) pools_.emplace(Pool{e.in[0], e.settings().text()}, e.out[0]);
      keep(std::move(e), kept);
    }
    g_.eqns = std::move(kept);
    substitute(g_, map_);
    return std::move(g_);
  }

 private:
  using Pool = std::pair<int, std::string>;  // what is pooled, and how

  void keep(Eqn e, std::vector<Eqn>& kept) {
    for (const int v : e.out) maker_[static_cast<size_t>(v)] = static_cast<int>(kept.size());
    kept.push_back(std::move(e));
  }

  const Spec& spec(int v) const { return g_.vars[static_cast<size_t>(v)]; }
  bool same_spec(int a, int b) const { return spec(a).shape == spec(b).shape && spec(a).dtype == spec(b).dtype; }

  bool is_zero(int v) const {
    const auto it = consts_.find(v);
    return it != consts_.end() && it->second->rank() == 0 && is_all(*it->second, 0);
  }

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

  // relu before a pool: max_pool_grad gives to none but maxima, which are the results of max_pool. So of a gradient
  // that is wanted where x > 0 that part of g is wanted where max_pool(x) > 0, and there is less of it.
  void mask_pooled(Eqn& e, std::vector<Eqn>& kept) {
    if (!e.is("where") || !is_zero(e.in[2])) return;
    const int by_mask = maker_[static_cast<size_t>(e.in[0])], by_grad = maker_[static_cast<size_t>(e.in[1])];
    if (by_mask < 0 || by_grad < 0 || uses_[static_cast<size_t>(e.in[1])] != 1) return;
    const Eqn mask = kept[static_cast<size_t>(by_mask)], grad = kept[static_cast<size_t>(by_grad)];
    if (!mask.is("greater") || !is_zero(mask.in[1]) || !grad.is("max_pool_grad") || mask.in[0] != grad.in[0]) return;
    const auto pooled = pools_.find({grad.in[0], grad.settings().text()});
    if (pooled == pools_.end()) return;
    const Spec g = spec(grad.in[1]);
    const int positive = add_var(g.shape, Dtype::Bool), masked = add_var(g.shape, g.dtype);
    keep({mask.op, mask.attrs, {pooled->second, mask.in[1]}, {positive}}, kept);
    keep({e.op, e.attrs, {positive, grad.in[1], e.in[2]}, {masked}}, kept);
    e = {grad.op, grad.attrs, {grad.in[0], masked}, e.out};
  }

  int add_var(const Shape& shape, Dtype dtype) {
    const int v = g_.add_var(shape, dtype);
    map_.push_back(v);
    maker_.push_back(-1);
    return v;
  }

  Graph g_;
  std::vector<int> map_;
  std::vector<int> maker_;  // var -> position in the new list
  std::vector<int> uses_;   // of the vars before
  std::map<Pool, int> pools_;
  std::map<int, const Tensor*> consts_;
};

}  // namespace

Graph simplify_algebra(Graph g) { return Algebra(std::move(g)).run(); }

}  // namespace addax
