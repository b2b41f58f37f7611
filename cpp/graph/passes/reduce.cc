// Reductions of programs: what is reduced is not read from memory, and not written if nobody else reads it.
//
// The joined eqn stands where the program stood. Where it would gain nothing both stay: small arrays are in cache when
// they are reduced, and a program has more pieces to share out; a sum over rows that are wider than a program's tile
// goes strip by strip, which a program's inputs take worse than its result.
#include "ops/reduce.h"

#include "graph/passes.h"
#include "ops/fused.h"

namespace addax {
namespace {

constexpr int64_t kWorthJoining = 1 << 19;  // values
constexpr int64_t kTile = 512;

// How many results lie side by side because the last axes are kept.
int64_t width(const Shape& shape, Dims axes) {
  axes = normalize_axes(axes, shape.rank(), "reduce");
  int64_t n = 1;
  for (int d = shape.rank() - 1, next = axes.rank() - 1; d >= 0; --d) {
    if (next >= 0 && axes[next] == d) {
      --next;
      if (shape[d] != 1) break;
    } else {
      n *= shape[d];
    }
  }
  return n;
}

}  // namespace

Graph join_reductions(Graph g) {
  const auto at = [](int i) { return static_cast<size_t>(i); };
  const std::vector<int> uses = use_counts(g);
  std::vector<int> maker(g.vars.size(), -1);
  std::vector<char> joined(g.eqns.size(), 0);
  for (size_t i = 0; i < g.eqns.size(); ++i) {
    const Eqn& e = g.eqns[i];
    for (const int v : e.out) maker[at(v)] = static_cast<int>(i);
    if (!is_reduction(*e.op)) continue;
    const int v = e.in[0];
    const Shape& shape = g.vars[at(v)].shape;
    const ReduceAttrs& reduction = e.settings().as<ReduceAttrs>();
    if (maker[at(v)] < 0 || numel(shape) < kWorthJoining || width(shape, reduction.axes) > kTile) continue;
    if (numel(g.vars[at(e.out[0])].shape) == numel(shape)) continue;
    Eqn& made = g.eqns[at(maker[at(v)])];
    if (!(made.is("fused") || can_fuse(g, made))) continue;

    Eqn program = as_program(g, made);
    const FusedAttrs& whole = program.attrs.as<FusedAttrs>();
    ReduceFusedAttrs attrs{e.op->name, reduction, whole};
    Dims others;
    program.out = e.out;
    for (size_t r = 0; r < made.out.size(); ++r) {
      const int64_t result = whole.results[static_cast<int>(r)];
      if (made.out[r] == v) attrs.program.results = {result};
      if (made.out[r] == v && uses[at(v)] == 1) continue;
      others.push_back(result);
      program.out.push_back(made.out[r]);
    }
    for (const int64_t result : others) attrs.program.results.push_back(result);
    program.op = &find_op("reduce_fused");
    program.attrs = Attrs::of(std::move(attrs));
    made = std::move(program);
    joined[i] = 1;
  }
  std::vector<Eqn> kept;
  for (size_t i = 0; i < g.eqns.size(); ++i)
    if (!joined[i]) kept.push_back(std::move(g.eqns[i]));
  g.eqns = std::move(kept);
  return g;
}

}  // namespace addax
