// Epilogues: what follows a product value by value is done while the product is in cache: bias, activation, and in the
// other direction the activation's slope.
//
// The joined eqn stands where the program stood. The program must be the product's only reader, and one of its results
// must take the product's place, so that no memory is needed for it. A matmul may be reshaped in between, as
// projections to heads are, where the program's other operands lie along the product's columns or are as large as it:
// the program then runs over the product's own shape, and its results are reshaped.
#include <algorithm>
#include <iterator>
#include <optional>

#include "graph/passes.h"
#include "ops/conv.h"
#include "ops/fused.h"
#include "ops/matmul.h"
#include "ops/movement.h"

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
    std::vector<Eqn> kept;
    std::vector<char> joined(g_.eqns.size(), 0);
    std::vector<std::vector<Eqn>> instead(g_.eqns.size());  // what stands in the place of an eqn
    for (size_t i = 0; i < g_.eqns.size(); ++i) {
      const Eqn& e = g_.eqns[i];
      // The new value of a state is written over the old one by a program, but not by a product.
      if (std::any_of(e.out.begin(), e.out.end(), [&](int v) { return is_state_[at(v)]; })) continue;
      for (const int v : e.in) {
        const int maker = only_read(v);
        if (maker < 0) continue;
        const int source = g_.eqns[at(maker)].is("reshape") ? only_read(g_.eqns[at(maker)].in[0]) : -1;
        instead[i] = source < 0 ? joined_eqns(g_.eqns[at(maker)], e) : reshaped(g_.eqns[at(source)], e, v);
        if (instead[i].empty()) continue;
        joined[at(maker)] = 1;
        if (source >= 0) joined[at(source)] = 1;
        break;
      }
    }
    for (size_t i = 0; i < g_.eqns.size(); ++i)
      if (!instead[i].empty())
        std::move(instead[i].begin(), instead[i].end(), std::back_inserter(kept));
      else if (!joined[i])
        kept.push_back(std::move(g_.eqns[i]));
    g_.eqns = std::move(kept);
    return std::move(g_);
  }

 private:
  static size_t at(int i) { return static_cast<size_t>(i); }

  // The eqn that makes a var for one reader alone; -1: none.
  int only_read(int v) const { return v >= 0 && uses_[at(v)] == 1 ? maker_[at(v)] : -1; }

  static Eqn reshape(int from, const Shape& shape, int to) {
    return {&find_op("reshape"), Attrs::of(ReshapeAttrs{shape}), {from}, {to}};
  }

  std::vector<Eqn> joined_eqns(const Eqn& product, Eqn e) const {
    if (!join(product, e)) return {};
    return {std::move(e)};
  }

  // The shape in which an operand of a program over `program` meets a product of shape `product` with the same
  // elements.
  static std::optional<Shape> seen_by_product(const Shape& operand, const Shape& program, const Shape& product) {
    int64_t own = 1;  // elements over the last dims, as far as they are the program's own
    for (int d = 1; d <= std::min(operand.rank(), program.rank()); ++d) {
      if (operand[operand.rank() - d] != program[program.rank() - d]) break;
      own *= operand[operand.rank() - d];
    }
    const int64_t count = numel(operand);
    if (count != own) return std::nullopt;
    if (count == numel(product)) return product;
    if (count == product.back() || count == 1) return Shape{count};
    return std::nullopt;
  }

  // As join, where `e` reads the product by way of a reshape.
  std::vector<Eqn> reshaped(const Eqn& product, Eqn e, int read) {
    if (!product.is("matmul")) return {};
    const Shape shape = g_.vars[at(product.out[0])].shape, program = g_.vars[at(read)].shape;
    if (g_.vars[at(e.out[0])].shape != program || !(e.is("fused") || can_fuse(g_, e))) return {};
    std::vector<Eqn> before, after;
    const size_t vars = g_.vars.size();
    bool fits = true;
    for (int& v : e.in) {
      if (v == read) {
        v = product.out[0];
        continue;
      }
      const auto seen = v < 0 ? std::nullopt : seen_by_product(g_.vars[at(v)].shape, program, shape);
      fits = seen.has_value();
      if (!fits) break;
      if (*seen == g_.vars[at(v)].shape) continue;
      const int flat = g_.add_var(*seen, g_.vars[at(v)].dtype);
      before.push_back(reshape(v, *seen, flat));
      v = flat;
    }
    for (int& v : e.out) {
      const int flat = g_.add_var(shape, g_.vars[at(v)].dtype);
      after.push_back(reshape(flat, program, v));
      v = flat;
    }
    if (!fits || !join(product, e)) {
      g_.vars.resize(vars);
      return {};
    }
    before.push_back(std::move(e));
    std::move(after.begin(), after.end(), std::back_inserter(before));
    return before;
  }

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
