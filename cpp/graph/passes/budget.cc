// A budget of memory: values that would wait through the peak for the backward part are computed again where that reads
// them.
//
// Greedy: find the eqn at which most bytes are alive; among the values that only wait there, take the one with the most
// bytes, times the eqns that it waits on, for the work of computing it again; put copies of the eqns that make it
// before its next reader; repeat. Long waits count, or short ones would only be passed on from eqn to eqn. Eqns are
// copied as they are, so every bit stays. The sum of live bytes leads the search, a plan decides.
#include <algorithm>
#include <map>
#include <sstream>

#include "graph/passes.h"
#include "graph/plan.h"

namespace addax {
namespace {

int64_t bytes_of(const Spec& s) { return numel(s.shape) * size_of(s.dtype); }

class Liveness {
 public:
  explicit Liveness(const Graph& g) : g_(g), maker_(g.vars.size(), -1), root_(identity(g)), readers_(g.vars.size()) {
    const int end = static_cast<int>(g.eqns.size());
    for (int i = 0; i < end; ++i) {
      const Eqn& e = eqn(i);
      for (const int v : e.out) maker_[at(v)] = i;
      if (e.op->view && spec(e.in[0]).dtype == spec(e.out[0]).dtype) root_[at(e.out[0])] = root(e.in[0]);
      for (const int v : e.in)
        if (v >= 0 && (readers_[at(root(v))].empty() || readers_[at(root(v))].back() != i))
          readers_[at(root(v))].push_back(i);
    }
    // New values of states lie where the old ones are.
    for (int i = 0; i < g.states; ++i) {
      const int made = g.outputs[at(g.results() + i)];
      if (maker(made) >= 0) root_[at(made)] = g.inputs[at(g.arguments() + i)];
    }
    for (const int v : g.outputs) readers_[at(root(v))].push_back(end);
  }

  int root(int v) const { return root_[at(v)]; }
  int maker(int v) const { return maker_[at(v)]; }
  const Eqn& eqn(int i) const { return g_.eqns[at(i)]; }
  const Spec& spec(int v) const { return g_.vars[at(v)]; }

  // Inputs and consts are always there; other values from their eqn to their last reader.
  bool alive(int v, int i) const {
    const int r = root(v);
    return maker(r) < 0 || (maker(r) <= i && !readers_[at(r)].empty() && readers_[at(r)].back() >= i);
  }

  // The first reader after eqn i, if the value only waits there.
  int waits(int r, int i) const {
    const auto& readers = readers_[at(r)];
    if (maker(r) < 0 || maker(r) >= i || readers.empty() || readers.back() == static_cast<int>(g_.eqns.size()))
      return -1;
    const auto next = std::lower_bound(readers.begin(), readers.end(), i);
    return next == readers.end() || *next == i ? -1 : *next;
  }

  // The eqn at which most bytes are alive.
  int peak() const {
    std::vector<int64_t> change(g_.eqns.size() + 2, 0);
    for (size_t v = 0; v < g_.vars.size(); ++v) {
      const int r = static_cast<int>(v);
      if (root(r) != r || maker(r) < 0) continue;
      change[at(maker(r))] += bytes_of(spec(r));
      change[at(std::max(maker(r), readers_[v].empty() ? 0 : readers_[v].back())) + 1] -= bytes_of(spec(r));
    }
    int64_t bytes = 0, most = -1;
    int found = 0;
    for (size_t i = 0; i < g_.eqns.size(); ++i)
      if ((bytes += change[i]) > most) most = bytes, found = static_cast<int>(i);
    return found;
  }

 private:
  static size_t at(int i) { return static_cast<size_t>(i); }

  const Graph& g_;
  std::vector<int> maker_, root_;          // per var; views have the root that their memory belongs to
  std::vector<std::vector<int>> readers_;  // per root, ascending
};

// The eqns to copy, in order, for `value` and its views to be there again at eqn `to`.
struct Chain {
  const Liveness& life;
  int value, to;
  std::vector<int> eqns;

  void need(int v) {
    if (life.root(v) != value && life.alive(v, to)) return;
    const int maker = life.maker(v);
    if (std::find(eqns.begin(), eqns.end(), maker) != eqns.end()) return;
    for (const int u : life.eqn(maker).in)
      if (u >= 0) need(u);
    eqns.push_back(maker);
  }
};

// Arithmetic and memory traffic of an eqn.
int64_t work_of(const Graph& g, const Eqn& e) {
  std::vector<Spec> in, out;
  int64_t work = 0;
  for (const int v : e.in) in.push_back(v < 0 ? Spec() : g.vars[static_cast<size_t>(v)]);
  for (const int v : e.out) out.push_back(g.vars[static_cast<size_t>(v)]);
  for (const Spec& s : in) work += bytes_of(s);
  for (const Spec& s : out) work += bytes_of(s);
  return e.op->view ? 1 : work + e.op->flops_of(in, out, e.settings());
}

// Computes `value` again at eqn `to`, for all who read it from there on.
Graph recompute(const Graph& g, const Liveness& life, int value, int to) {
  Chain chain{life, value, to, {}};
  for (size_t i = static_cast<size_t>(to); i < g.eqns.size(); ++i)
    for (const int v : g.eqns[i].in)
      if (v >= 0 && life.root(v) == value && life.maker(v) < to) chain.need(v);
  Graph made = g;
  std::vector<int> map = identity(g);
  std::vector<Eqn> copies;
  for (const int i : chain.eqns) {
    Eqn e = life.eqn(i);
    for (int& v : e.in)
      if (v >= 0) v = map[static_cast<size_t>(v)];
    for (int& v : e.out) {
      const Spec spec = life.spec(v);
      v = map[static_cast<size_t>(v)] = made.add_var(spec.shape, spec.dtype);
    }
    copies.push_back(std::move(e));
  }
  for (size_t i = static_cast<size_t>(to); i < made.eqns.size(); ++i)
    for (int& v : made.eqns[i].in)
      if (v >= 0) v = map[static_cast<size_t>(v)];
  made.eqns.insert(made.eqns.begin() + to, std::make_move_iterator(copies.begin()),
                   std::make_move_iterator(copies.end()));
  return made;
}

// The graph with one value less through its peak; false: all that is alive there is needed there.
bool lower_peak(Graph& g) {
  const Liveness life(g);
  const int peak = life.peak();
  int best = -1, to = -1;
  double best_gain = 0;
  for (int v = 0; v < static_cast<int>(g.vars.size()); ++v) {
    const int next = life.root(v) == v ? life.waits(v, peak) : -1;
    if (next < 0) continue;
    Chain chain{life, v, next, {}};
    chain.need(v);
    double work = 1;
    for (const int i : chain.eqns) work += static_cast<double>(work_of(g, life.eqn(i)));
    const double gain = static_cast<double>(bytes_of(life.spec(v))) * (next - peak) / work;
    if (gain > best_gain) best_gain = gain, best = v, to = next;
  }
  if (best < 0) return false;
  g = recompute(g, life, best, to);
  if (!is_switched_off("early")) g = update_early(std::move(g));  // behind those who read old values again
  return true;
}

int64_t planned_bytes(const Graph& g, const std::vector<State>& states, Device device) {
  const PlanStats stats = Plan(g, states, device).stats();
  return stats.arena_bytes + stats.body_bytes + stats.result_bytes;
}

// The largest values at the peak, for a message.
std::string largest(const Graph& g) {
  const Liveness life(g);
  const int peak = life.peak();
  std::vector<int> alive;
  for (int v = 0; v < static_cast<int>(g.vars.size()); ++v)
    if (life.root(v) == v && life.maker(v) >= 0 && life.alive(v, peak)) alive.push_back(v);
  std::stable_sort(alive.begin(), alive.end(),
                   [&](int a, int b) { return bytes_of(life.spec(a)) > bytes_of(life.spec(b)); });
  std::ostringstream text;
  for (size_t i = 0; i < std::min<size_t>(alive.size(), 3); ++i) {
    const Spec& s = life.spec(alive[i]);
    text << (i ? ", " : "") << s.dtype << s.shape << " of " << life.eqn(life.maker(alive[i])).op->name << " ("
         << bytes_of(s) << " bytes)";
  }
  return text.str();
}

}  // namespace

Graph fit_memory(Graph graph, int64_t budget, const std::vector<State>& states, Device device) {
  Graph best = optimize(graph);
  const int64_t without = planned_bytes(best, states, device);
  if (without <= budget) return best;
  // Joined updates hold all gradients: computing them again would gain nothing.
  graph = optimize(std::move(graph), "join");
  best = graph;
  int64_t least = planned_bytes(best, states, device);
  constexpr int kPatience = 48;  // steps without a better plan after which the search ends
  for (int since = 0; since < kPatience && least > budget && lower_peak(graph); ++since) {
    const int64_t bytes = planned_bytes(graph, states, device);
    if (bytes >= least) continue;
    least = bytes;
    best = graph;
    since = 0;
  }
  if (least > budget)
    fail<ValueError>("memory_budget: ", budget, " bytes cannot be kept; the least found is ", least, " bytes, and ",
                     without, " without a budget. The largest values at the peak: ", largest(best),
                     ". Raise the budget, or make batches smaller");
  return best;
}

}  // namespace addax
