// Layout: transposes of what convolutions and pools make move behind what works element by element, so that those
// around the layers of a model that keeps channels first meet and cancel, and products are followed by their programs.
//
// Every value is computed from the same values as before and only lies elsewhere, so every bit stays.
#include <utility>

#include "graph/passes.h"
#include "ops/movement.h"
#include "ops/norm.h"

namespace addax {
namespace {

class Mover {
 public:
  explicit Mover(Graph g)
      : g_(std::move(g)), map_(identity(g_)), maker_(g_.vars.size(), -1), image_(g_.vars.size(), 0) {}

  Graph run() {
    for (Eqn& e : std::exchange(g_.eqns, {})) {
      for (int& v : e.in)
        if (v >= 0) v = map_[at(v)];
      if (!cancel(e) && !move(e)) keep(std::move(e));
    }
    substitute(g_, map_);
    return eliminate_dead_code(std::move(g_));
  }

 private:
  static size_t at(int i) { return static_cast<size_t>(i); }
  const Spec& spec(int v) const { return g_.vars[at(v)]; }

  // The transpose that makes a var; null: another eqn does.
  const Eqn* transpose_of(int v) const {
    const int made_by = v < 0 ? -1 : maker_[at(v)];
    return made_by >= 0 && g_.eqns[at(made_by)].is("transpose") ? &g_.eqns[at(made_by)] : nullptr;
  }
  const Eqn* image_transpose_of(int v) const {
    const Eqn* t = transpose_of(v);
    return t && image_[at(t->in[0])] ? t : nullptr;
  }
  Dims axes_of(const Eqn& e) const {
    return permutation(e.settings().as<TransposeAttrs>().axes, spec(e.in[0]).shape.rank());
  }

  // A transpose that takes another back.
  bool cancel(const Eqn& e) {
    const Eqn* before = e.is("transpose") ? transpose_of(e.in[0]) : nullptr;
    if (!before || axes_of(e) != inverse(axes_of(*before))) return false;
    map_[at(e.out[0])] = before->in[0];
    return true;
  }

  // An eqn over transposed values, as one over the values before and a transpose.
  bool move(const Eqn& e) {
    const bool norm = e.is("batch_norm_inference");
    if (!norm && (e.op->family != std::string_view("elementwise") || e.out.size() != 1)) return false;
    const Shape shape = spec(e.out[0]).shape;
    const Eqn* first = nullptr;
    for (size_t i = 0; i < (norm ? 1 : e.in.size()) && !first; ++i)
      if (const Eqn* t = image_transpose_of(e.in[i]); t && spec(e.in[i]).shape == shape) first = t;
    if (!first) return false;
    const Dims axes = axes_of(*first), back = inverse(axes);
    for (size_t i = 0; i < e.in.size() && !norm; ++i)
      if (!movable(e.in[i], shape, axes)) return false;

    Eqn moved = e;
    for (size_t i = 0; i < (norm ? 1 : e.in.size()); ++i) moved.in[i] = before(e.in[i], axes, back);
    if (norm) {
      auto attrs = e.settings().as<BatchNormAttrs>();
      attrs.axis = axes[static_cast<int>(attrs.axis < 0 ? attrs.axis + shape.rank() : attrs.axis)];
      moved.attrs = Attrs::of(attrs);
    }
    moved.out = {add_var(permuted(shape, back), spec(e.out[0]).dtype)};
    const int source = moved.out[0];
    keep(std::move(moved));
    image_[at(source)] = 1;
    keep({&find_op("transpose"), Attrs::of(TransposeAttrs{axes}), {source}, e.out});
    return true;
  }

  // Whether an operand is transposed likewise, or so small that it may be read by strides.
  bool movable(int v, const Shape& shape, const Dims& axes) const {
    constexpr int64_t kShare = 8;  // of the result
    if (v < 0) return false;
    if (const Eqn* t = image_transpose_of(v)) return axes_of(*t) == axes;
    return numel(spec(v).shape) * kShare <= numel(shape);
  }

  int before(int v, const Dims& axes, const Dims& back) {
    if (const Eqn* t = image_transpose_of(v)) return t->in[0];
    const Spec small = spec(v);
    if (small.shape.empty()) return v;
    Shape full;
    for (int i = small.shape.rank(); i < axes.rank(); ++i) full.push_back(1);
    for (const int64_t n : small.shape) full.push_back(n);
    const int reshaped = add_var(full, small.dtype), result = add_var(permuted(full, back), small.dtype);
    keep({&find_op("reshape"), Attrs::of(ReshapeAttrs{Dims(full.begin(), full.end())}), {v}, {reshaped}});
    keep({&find_op("transpose"), Attrs::of(TransposeAttrs{back}), {reshaped}, {result}});
    return result;
  }

  int add_var(const Shape& shape, Dtype dtype) {
    const int v = g_.add_var(shape, dtype);
    map_.push_back(v);
    maker_.push_back(-1);
    image_.push_back(0);
    return v;
  }

  void keep(Eqn e) {
    const std::string_view family = e.op->family;
    for (const int v : e.out) {
      maker_[at(v)] = static_cast<int>(g_.eqns.size());
      image_[at(v)] = family == "conv" || family == "pool";
    }
    g_.eqns.push_back(std::move(e));
  }

  Graph g_;
  std::vector<int> map_;
  std::vector<int> maker_;   // var -> position in the new list
  std::vector<char> image_;  // whether a convolution or pool makes the var, or what was moved
};

}  // namespace

Graph move_transposes(Graph g) { return Mover(std::move(g)).run(); }

}  // namespace addax
