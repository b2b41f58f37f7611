// Epilogues: what follows a product value by value is done while the product is in cache: bias, activation, and in the
// other direction the activation's slope.
//
// The joined eqn stands where the program stood. The program must be the product's only reader, and one of its results
// must take the product's place, so that no memory is needed for it.
#include <algorithm>
#include <cstring>

#include "graph/passes.h"
#include "ops/conv.h"
#include "ops/fused.h"
#include "ops/matmul.h"

namespace addax {
namespace {

class Joiner {
 public:
  explicit Joiner(Graph g) : g_(std::move(g)), maker_(g_.vars.size(), -1), uses_(use_counts(g_)) {
    for (size_t i = 0; i < g_.eqns.size(); ++i)
      for (const int v : g_.eqns[i].out) maker_[static_cast<size_t>(v)] = static_cast<int>(i);
  }

  Graph run() {
    std::vector<char> joined(g_.eqns.size(), 0);
    for (Eqn& e : g_.eqns) {
      Eqn program;
      if (!as_program(e, program)) continue;
      for (size_t k = 0; k < program.in.size(); ++k) {
        const int product = maker_[static_cast<size_t>(program.in[k])];
        if (product < 0 || uses_[static_cast<size_t>(program.in[k])] != 1) continue;
        if (!join(g_.eqns[static_cast<size_t>(product)], program, static_cast<int>(k))) continue;
        joined[static_cast<size_t>(product)] = 1;
        e = std::move(program);
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
  static bool is(const Eqn& e, const char* name) { return std::strcmp(e.op->name, name) == 0; }

  bool as_program(const Eqn& e, Eqn& program) const {
    // The new value of a state is written over the old one by a program, but not by a product.
    for (const int v : e.out)
      if (std::find(g_.outputs.begin() + g_.results(), g_.outputs.end(), v) != g_.outputs.end()) return false;
    if (is(e, "fused")) {
      program = e;
      return true;
    }
    if (!can_fuse(g_, e)) return false;
    std::vector<int> in;
    for (const int v : e.in)
      if (std::find(in.begin(), in.end(), v) == in.end()) in.push_back(v);
    program = fused_eqn(g_, {&e}, std::move(in), e.out);
    return true;
  }

  template <class ProductAttrs>
  static void set(const char* row, const Eqn& product, FusedAttrs attrs, Eqn& program) {
    program.op = &find_op(row);
    program.attrs = Attrs::of(EpilogueAttrs<ProductAttrs>{product.settings().as<ProductAttrs>(), std::move(attrs)});
  }

  bool join(const Eqn& product, Eqn& program, int input) const {
    const bool matmul = is(product, "matmul");
    if (!matmul && !is(product, "conv")) return false;
    const int v = product.out[0];
    if (g_.vars[static_cast<size_t>(v)].shape != g_.vars[static_cast<size_t>(program.out[0])].shape) return false;
    FusedAttrs attrs = with_first(program.attrs.as<FusedAttrs>(), input);
    if (result_over_first(attrs) < 0) return false;
    if (matmul)
      set<MatmulAttrs>("matmul_fused", product, std::move(attrs), program);
    else
      set<ConvAttrs>("conv_fused", product, std::move(attrs), program);
    program.in.erase(program.in.begin() + input);
    program.in.insert(program.in.begin(), product.in.begin(), product.in.end());
    return true;
  }

  Graph g_;
  std::vector<int> maker_;  // var -> eqn
  std::vector<int> uses_;
};

}  // namespace

Graph join_epilogues(Graph g) { return Joiner(std::move(g)).run(); }

}  // namespace addax
