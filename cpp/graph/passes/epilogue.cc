// Epilogues: what follows a product value by value is done while the product is in cache: bias, activation, and in the
// other direction the activation's slope.
//
// The joined eqn stands where the program stood. The program must be the product's only reader, and one of its results
// must take the product's place, so that no memory is needed for it.
#include <algorithm>

#include "graph/passes.h"
#include "ops/conv.h"
#include "ops/fused.h"
#include "ops/matmul.h"

namespace addax {
namespace {

class Joiner {
 public:
  explicit Joiner(Graph g)
      : g_(std::move(g)), maker_(g_.vars.size(), -1), uses_(use_counts(g_)), is_state_(g_.vars.size(), 0) {
    for (size_t i = 0; i < g_.eqns.size(); ++i)
      for (const int v : g_.eqns[i].out) maker_[at(v)] = static_cast<int>(i);
    for (size_t i = at(g_.results()); i < g_.outputs.size(); ++i) is_state_[at(g_.outputs[i])] = 1;
  }

  Graph run() {
    std::vector<char> joined(g_.eqns.size(), 0);
    for (Eqn& e : g_.eqns) {
      // The new value of a state is written over the old one by a program, but not by a product.
      if (std::any_of(e.out.begin(), e.out.end(), [&](int v) { return is_state_[at(v)]; })) continue;
      for (const int v : e.in) {
        const int product = v < 0 ? -1 : maker_[at(v)];
        if (product < 0 || uses_[at(v)] != 1 || !join(g_.eqns[at(product)], e)) continue;
        joined[at(product)] = 1;
        break;
      }
    }
    std::vector<Eqn> kept;
    for (size_t i = 0; i < g_.eqns.size(); ++i)
      if (!joined[i]) kept.push_back(std::move(g_.eqns[i]));
    g_.eqns = std::move(kept);
    return std::move(g_);
  }

 private:
  static size_t at(int i) { return static_cast<size_t>(i); }

  template <class ProductAttrs>
  static void set(const char* row, const Eqn& product, FusedAttrs attrs, Eqn& program) {
    program.op = &find_op(row);
    program.attrs = Attrs::of(EpilogueAttrs<ProductAttrs>{product.settings().as<ProductAttrs>(), std::move(attrs)});
  }

  // `e`, which reads the product, becomes both.
  bool join(const Eqn& product, Eqn& e) const {
    const bool matmul = product.is("matmul");
    if (!(matmul || product.is("conv")) || !(e.is("fused") || can_fuse(g_, e))) return false;
    const int v = product.out[0];
    if (g_.vars[at(v)].shape != g_.vars[at(e.out[0])].shape) return false;
    Eqn program = as_program(g_, e);
    const auto operand = std::find(program.in.begin(), program.in.end(), v);
    FusedAttrs attrs = with_first(program.attrs.as<FusedAttrs>(), static_cast<int>(operand - program.in.begin()));
    if (result_over_first(attrs) < 0) return false;
    if (matmul)
      set<MatmulAttrs>("matmul_fused", product, std::move(attrs), program);
    else
      set<ConvAttrs>("conv_fused", product, std::move(attrs), program);
    program.in.erase(operand);
    program.in.insert(program.in.begin(), product.in.begin(), product.in.end());
    e = std::move(program);
    return true;
  }

  Graph g_;
  std::vector<int> maker_;  // var -> eqn
  std::vector<int> uses_;
  std::vector<char> is_state_;  // whether the var is the new value of one
};

}  // namespace

Graph join_epilogues(Graph g) { return Joiner(std::move(g)).run(); }

}  // namespace addax
