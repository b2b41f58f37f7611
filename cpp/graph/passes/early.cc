// Updates of large states, such as an optimizer's, move up to where their gradients are made and the old values have
// been read for the last time. A gradient then waits for no other, and they share memory.
//
// Numbers that such an update needs, such as the step, move up with it. In a graph where the old values are read again
// further down, as under a memory budget, an update moves down behind that.
#include <algorithm>
#include <numeric>

#include "graph/passes.h"

namespace addax {
namespace {

// Gradients of smaller ones take no memory worth the one part in a hundred of a step that they take longer, because
// updates drive out of the caches what the next eqns read.
constexpr int64_t kLeastElements = 1 << 20;

class Mover {
 public:
  explicit Mover(Graph g)
      : g_(std::move(g)),
        maker_(g_.vars.size(), -1),
        before_(g_.vars.size(), -1),
        last_reader_(g_.vars.size(), -1),
        uses_(use_counts(g_)),
        place_(g_.eqns.size()),
        light_place_(g_.eqns.size()),
        is_light_(g_.eqns.size(), 0) {
    for (int i = 0; i < count(); ++i)
      for (const int v : eqn(i).out) maker_[at(v)] = i;
    std::vector<int> root = identity(g_), updater(g_.vars.size(), -1);
    for (int i = 0; i < g_.states; ++i) {
      const int old = g_.inputs[at(g_.arguments() + i)], made = g_.outputs[at(g_.results() + i)];
      if (old == made) continue;
      before_[at(made)] = old;
      updater[at(old)] = maker_[at(made)];
    }
    for (int i = 0; i < count(); ++i) {
      const Eqn& e = eqn(i);
      if (e.op->view) root[at(e.out[0])] = root[at(e.in[0])];
      for (const int v : e.in)
        if (v >= 0 && updater[at(root[at(v)])] != i) last_reader_[at(root[at(v)])] = i;
    }
  }

  Graph run() {
    for (int i = 0; i < count(); ++i) {
      place_[at(i)] = 2 * i;
      note_light(i);
      if (is_update(i)) move(i);
    }
    std::vector<int> order(g_.eqns.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return place_[at(a)] < place_[at(b)]; });
    std::vector<Eqn> eqns;
    for (const int i : order) eqns.push_back(std::move(g_.eqns[at(i)]));
    g_.eqns = std::move(eqns);
    return std::move(g_);
  }

 private:
  static size_t at(int i) { return static_cast<size_t>(i); }
  int count() const { return static_cast<int>(g_.eqns.size()); }
  const Eqn& eqn(int i) const { return g_.eqns[at(i)]; }
  int64_t size(int v) const { return numel(g_.vars[at(v)].shape); }

  // Eqns stand at even places; who moves behind one takes the odd place there, among others in the order of before.
  static int behind(int place) { return place | 1; }

  // Where a value is there at the earliest, if the numbers that it depends on move up.
  int ready(int v) const {
    const int maker = v < 0 ? -1 : maker_[at(v)];
    if (maker < 0) return -1;
    return is_light_[at(maker)] ? light_place_[at(maker)] : behind(place_[at(maker)]);
  }
  int all_ready(const Eqn& e) const {
    int place = -1;
    for (const int v : e.in) place = std::max(place, ready(v));
    return place;
  }

  // A number made of numbers.
  void note_light(int i) {
    const Eqn& e = eqn(i);
    const auto is_number = [&](int v) { return v < 0 || size(v) == 1; };
    is_light_[at(i)] = e.op->family != std::string_view("control") &&
                       std::all_of(e.in.begin(), e.in.end(), is_number) &&
                       std::all_of(e.out.begin(), e.out.end(), is_number);
    light_place_[at(i)] = all_ready(e);
  }

  bool is_update(int i) const {
    const Eqn& e = eqn(i);
    return size(e.out[0]) >= kLeastElements &&
           std::all_of(e.out.begin(), e.out.end(), [&](int v) { return before_[at(v)] >= 0; });
  }

  void move(int i) {
    const Eqn& e = eqn(i);
    int place = all_ready(e);
    for (const int v : e.out) {
      const int reader = last_reader_[at(before_[at(v)])];
      if (reader >= 0) place = std::max(place, behind(reader < i ? place_[at(reader)] : 2 * reader));
    }
    const bool is_read = std::any_of(e.out.begin(), e.out.end(), [&](int v) { return uses_[at(v)] > 1; });
    if (place > 2 * i && is_read) return;
    place_[at(i)] = place;
    for (const int v : e.in) lift(v, place);
  }

  void lift(int v, int place) {
    const int maker = v < 0 ? -1 : maker_[at(v)];
    if (maker < 0 || !is_light_[at(maker)] || place_[at(maker)] < place) return;
    place_[at(maker)] = light_place_[at(maker)];
    for (const int u : eqn(maker).in) lift(u, place_[at(maker)]);
  }

  Graph g_;
  std::vector<int> maker_;        // var -> eqn
  std::vector<int> before_;       // the new value of a state -> the old one; -1: none
  std::vector<int> last_reader_;  // of an old value and its views, but for who makes the new one -> eqn
  std::vector<int> uses_;
  std::vector<int> place_, light_place_;  // of an eqn; where it could be at the earliest, if it is light
  std::vector<char> is_light_;
};

}  // namespace

Graph update_early(Graph g) { return Mover(std::move(g)).run(); }

}  // namespace addax
