// Batch normalisation behind a product, where nothing trains and neither the filters nor the statistics change: the
// factors go into the filters, in each run anew, and an offset is left, which becomes a part of the product's epilogue.
//
// This pass does not keep bits: a product of rounded filters is rounded otherwise than a rounded product. Relative to
// the largest terms of a sum both err by a few units in the last place; tests/graph/test_batch_norm.py bounds it.
#include <map>

#include "graph/passes.h"
#include "ops/matmul.h"
#include "ops/norm.h"

namespace addax {
namespace {

class Folder {
 public:
  explicit Folder(Graph g)
      : g_(std::move(g)), maker_(g_.vars.size(), -1), changes_(g_.vars.size(), 0), uses_(use_counts(g_)) {
    for (size_t i = 0; i < g_.eqns.size(); ++i)
      for (const int v : g_.eqns[i].out) maker_[at(v)] = static_cast<int>(i);
    for (int i = 0; i < g_.states; ++i) {
      const int before = g_.inputs[at(g_.arguments() + i)];
      changes_[at(before)] = before != g_.outputs[at(g_.results() + i)];
    }
  }

  Graph run() {
    for (const Eqn& e : g_.eqns)
      if (e.op->family == std::string_view("optimizer")) return std::move(g_);  // a step of training
    std::map<int, Match> by_product, by_norm;
    std::vector<char> gone(g_.eqns.size(), 0);
    for (size_t i = 0; i < g_.eqns.size(); ++i) {
      Match m;
      if (!match(g_.eqns[i], m)) continue;
      by_product.emplace(m.product, m);
      by_norm.emplace(static_cast<int>(i), m);
      if (m.bias >= 0) gone[at(maker_[at(g_.eqns[i].in[0])])] = 1;
    }
    std::map<int, int> offsets;  // by product
    for (size_t i = 0; i < g_.eqns.size(); ++i) {
      if (gone[i]) continue;
      Eqn e = std::move(g_.eqns[i]);
      if (const auto it = by_product.find(static_cast<int>(i)); it != by_product.end()) {
        const Match& m = it->second;
        const int factor = make("multiply", {make("rsqrt", {make("add", {m.variance, m.epsilon})}), m.gamma});
        const int mean = m.bias < 0 ? m.mean : make("subtract", {m.mean, m.bias});
        offsets[m.product] = make("subtract", {m.beta, make("multiply", {mean, factor})});
        e.in[1] = make("multiply", {e.in[1], factor});
      }
      if (const auto it = by_norm.find(static_cast<int>(i)); it != by_norm.end())
        e = {&find_op("add"), Attrs(), {it->second.result, offsets.at(it->second.product)}, std::move(e.out)};
      kept_.push_back(std::move(e));
    }
    g_.eqns = std::move(kept_);
    return std::move(g_);
  }

 private:
  struct Match {
    int product = -1;            // position of the eqn
    int result = -1, bias = -1;  // vars; no bias: -1
    int mean = -1, variance = -1, gamma = -1, beta = -1, epsilon = -1;
  };

  static size_t at(int i) { return static_cast<size_t>(i); }
  const Spec& spec(int v) const { return g_.vars[at(v)]; }

  // An argument, const or state that stays as it is.
  bool is_fixed(int v) const { return maker_[at(v)] < 0 && !changes_[at(v)]; }

  // The product whose result `v` is, if `v` has no other reader.
  int product_of(int v) const {
    const int made_by = maker_[at(v)];
    if (made_by < 0 || uses_[at(v)] != 1) return -1;
    const Eqn& e = g_.eqns[at(made_by)];
    if (!e.is("conv") && !(e.is("matmul") && !e.settings().as<MatmulAttrs>().transpose_b)) return -1;
    int filters = e.in[1];
    // Scaling them must cost less than is saved, for any number of samples: it must not change the bits of one.
    const Shape& shape = spec(v).shape;
    if (shape.empty() || numel(spec(filters).shape) * shape[0] >= numel(shape)) return -1;
    if (const int r = maker_[at(filters)]; r >= 0 && g_.eqns[at(r)].is("reshape")) filters = g_.eqns[at(r)].in[0];
    return is_fixed(filters) ? made_by : -1;
  }

  bool match(const Eqn& norm, Match& m) {
    if (!norm.is("batch_norm_inference")) return false;
    const auto& attrs = norm.settings().as<BatchNormAttrs>();
    const int x = norm.in[0], rank = spec(x).shape.rank();
    if (attrs.axis != -1 && attrs.axis != rank - 1) return false;
    const Dtype dtype = spec(x).dtype;
    if (size_of(dtype) < 4) return false;  // rounded filters would cost accuracy
    for (size_t k = 1; k < norm.in.size(); ++k)
      if (!is_fixed(norm.in[k]) || spec(norm.in[k]).dtype != dtype) return false;
    m.mean = norm.in[1], m.variance = norm.in[2], m.gamma = norm.in[3], m.beta = norm.in[4];
    m.result = x;
    m.product = product_of(x);
    if (m.product < 0) {
      const int made_by = maker_[at(x)];
      if (made_by < 0 || uses_[at(x)] != 1 || !g_.eqns[at(made_by)].is("add")) return false;
      const std::vector<int>& in = g_.eqns[at(made_by)].in;
      m.product = product_of(in[0]);
      m.result = in[0], m.bias = in[1];
      if (spec(m.result).shape != spec(x).shape) return false;
      if (m.product < 0 || !is_fixed(m.bias) || spec(m.bias).shape != spec(m.mean).shape) return false;
    }
    m.epsilon = g_.add_var({}, dtype);
    g_.consts.emplace_back(m.epsilon, Tensor::scalar(attrs.epsilon, dtype));
    return true;
  }

  // The result of an elementwise eqn, of the first input's shape and dtype.
  int make(const char* op, std::vector<int> in) {
    const Spec like = spec(in[0]);
    const int out = g_.add_var(like.shape, like.dtype);
    kept_.push_back({&find_op(op), Attrs(), std::move(in), {out}});
    return out;
  }

  Graph g_;
  std::vector<int> maker_;     // var -> eqn
  std::vector<char> changes_;  // whether the var is a state that is assigned
  std::vector<int> uses_;
  std::vector<Eqn> kept_;
};

}  // namespace

Graph fold_batch_norm(Graph g) { return Folder(std::move(g)).run(); }

}  // namespace addax
