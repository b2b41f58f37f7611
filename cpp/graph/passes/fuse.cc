// Elementwise fusion: eqns of one shape that feed each other become programs, which run tile by tile in cache.
//
// A group stands where its last member stood. So an eqn may join the groups of its inputs only if nobody outside reads
// their results before it.
#include <algorithm>
#include <map>
#include <sstream>

#include "graph/passes.h"
#include "ops/fused.h"

namespace addax {
namespace {

constexpr size_t kMaxMembers = 48;
constexpr size_t kMaxInputs = 24;

struct Group {
  std::vector<int> members;  // positions of eqns, ascending; empty: merged into another
  Shape shape;
};

class Fuser {
 public:
  explicit Fuser(Graph g)
      : g_(std::move(g)),
        group_(g_.eqns.size(), -1),
        maker_(g_.vars.size(), -1),
        readers_(g_.vars.size()),
        is_output_(g_.vars.size(), 0) {
    for (size_t i = 0; i < g_.eqns.size(); ++i) {
      for (const int v : g_.eqns[i].out) maker_[static_cast<size_t>(v)] = static_cast<int>(i);
      for (const int v : g_.eqns[i].in)
        if (v >= 0) readers_[static_cast<size_t>(v)].push_back(static_cast<int>(i));
    }
    for (const int v : g_.outputs) is_output_[static_cast<size_t>(v)] = 1;
  }

  Graph run() {
    for (size_t i = 0; i < g_.eqns.size(); ++i)
      if (can_fuse(g_, g_.eqns[i])) join(static_cast<int>(i));
    std::vector<Eqn> kept;
    for (size_t i = 0; i < g_.eqns.size(); ++i) {
      const int id = group_[i];
      if (id < 0 || groups_[static_cast<size_t>(id)].members.size() < 2)
        kept.push_back(std::move(g_.eqns[i]));
      else if (groups_[static_cast<size_t>(id)].members.back() == static_cast<int>(i))
        kept.push_back(fused(groups_[static_cast<size_t>(id)]));
    }
    g_.eqns = std::move(kept);
    return std::move(g_);
  }

 private:
  const Spec& spec(int v) const { return g_.vars[static_cast<size_t>(v)]; }

  bool in_group(int eqn, const std::vector<int>& ids) const {
    return std::find(ids.begin(), ids.end(), group_[static_cast<size_t>(eqn)]) != ids.end();
  }

  // Nobody outside of these groups reads their results before position `at`.
  bool may_move(const std::vector<int>& ids, int at) const {
    for (const int id : ids)
      for (const int m : groups_[static_cast<size_t>(id)].members)
        for (const int reader : readers_[static_cast<size_t>(g_.eqns[static_cast<size_t>(m)].out[0])])
          if (reader < at && !in_group(reader, ids)) return false;
    return true;
  }

  // Inputs and results of a set of members as they would be as one eqn.
  void ends(const std::vector<int>& members, std::vector<int>& in, std::vector<int>& out) const {
    const auto inside = [&](int eqn) { return std::binary_search(members.begin(), members.end(), eqn); };
    for (const int m : members) {
      const Eqn& e = g_.eqns[static_cast<size_t>(m)];
      for (const int v : e.in) {
        const int maker = maker_[static_cast<size_t>(v)];
        if ((maker < 0 || !inside(maker)) && std::find(in.begin(), in.end(), v) == in.end()) in.push_back(v);
      }
      const auto& readers = readers_[static_cast<size_t>(e.out[0])];
      if (is_output_[static_cast<size_t>(e.out[0])] ||
          std::any_of(readers.begin(), readers.end(), [&](int r) { return !inside(r); }))
        out.push_back(e.out[0]);
    }
  }

  bool fits(const std::vector<int>& ids, int at) const {
    std::vector<int> members = {at}, in, out;
    for (const int id : ids) {
      const auto& more = groups_[static_cast<size_t>(id)].members;
      members.insert(members.end(), more.begin(), more.end());
    }
    std::sort(members.begin(), members.end());
    ends(members, in, out);
    return members.size() <= kMaxMembers && in.size() <= kMaxInputs && out.size() <= static_cast<size_t>(kFewOutputs);
  }

  void join(int at) {
    const Eqn& e = g_.eqns[static_cast<size_t>(at)];
    const Shape& shape = spec(e.out[0]).shape;
    std::vector<int> ids;  // groups to join, the latest first
    for (const int v : e.in) {
      const int maker = maker_[static_cast<size_t>(v)];
      const int id = maker < 0 ? -1 : group_[static_cast<size_t>(maker)];
      if (id >= 0 && groups_[static_cast<size_t>(id)].shape == shape &&
          std::find(ids.begin(), ids.end(), id) == ids.end())
        ids.push_back(id);
    }
    std::sort(ids.begin(), ids.end(), [&](int a, int b) {
      return groups_[static_cast<size_t>(a)].members.back() > groups_[static_cast<size_t>(b)].members.back();
    });
    // All of them if that is allowed, else as many as are.
    std::vector<int> chosen = ids;
    if (!may_move(chosen, at) || !fits(chosen, at)) {
      chosen.clear();
      for (const int id : ids) {
        chosen.push_back(id);
        if (!may_move(chosen, at) || !fits(chosen, at)) chosen.pop_back();
      }
    }
    if (chosen.empty()) {
      group_[static_cast<size_t>(at)] = static_cast<int>(groups_.size());
      groups_.push_back({{at}, shape});
      return;
    }
    Group& target = groups_[static_cast<size_t>(chosen[0])];
    for (size_t i = 1; i < chosen.size(); ++i) {
      Group& other = groups_[static_cast<size_t>(chosen[i])];
      for (const int m : other.members) group_[static_cast<size_t>(m)] = chosen[0];
      target.members.insert(target.members.end(), other.members.begin(), other.members.end());
      other.members.clear();
    }
    target.members.push_back(at);
    std::sort(target.members.begin(), target.members.end());
    group_[static_cast<size_t>(at)] = chosen[0];
  }

  Eqn fused(const Group& group) const {
    std::vector<int> in, out;
    ends(group.members, in, out);
    std::vector<const Eqn*> members;
    for (const int m : group.members) members.push_back(&g_.eqns[static_cast<size_t>(m)]);
    return fused_eqn(g_, members, std::move(in), std::move(out));
  }

  Graph g_;
  std::vector<Group> groups_;
  std::vector<int> group_;                 // eqn -> group
  std::vector<int> maker_;                 // var -> eqn
  std::vector<std::vector<int>> readers_;  // var -> eqns
  std::vector<char> is_output_;
};

}  // namespace

bool can_fuse(const Graph& g, const Eqn& e) {
  if (e.out.size() != 1 || e.in.size() > 3) return false;
  Dtype in[3];
  for (size_t k = 0; k < e.in.size(); ++k) {
    if (e.in[k] < 0) return false;
    in[k] = g.vars[static_cast<size_t>(e.in[k])].dtype;
  }
  return can_fuse(*e.op, in, static_cast<int>(e.in.size()), g.vars[static_cast<size_t>(e.out[0])].dtype);
}

Eqn fused_eqn(const Graph& g, const std::vector<const Eqn*>& members, std::vector<int> in, std::vector<int> out) {
  const auto dtype = [&](int v) { return g.vars[static_cast<size_t>(v)].dtype; };
  std::map<int, int> operand;
  for (const int v : in) operand.emplace(v, static_cast<int>(operand.size()));
  std::ostringstream program;
  const char* between = "";
  for (const Eqn* e : members) {
    program << between << e->op->name;
    between = ";";
    if (e->is("cast")) program << '.' << dtype(e->out[0]);
    for (const int v : e->in) program << ' ' << operand.at(v);
    operand.emplace(e->out[0], static_cast<int>(operand.size()));
  }
  FusedAttrs attrs;
  attrs.program = program.str();
  for (const int v : in) attrs.dtypes += std::string(attrs.dtypes.empty() ? "" : " ") + std::string(name_of(dtype(v)));
  for (const int v : out) attrs.results.push_back(operand.at(v));
  return {&find_op("fused"), Attrs::of(std::move(attrs)), std::move(in), std::move(out)};
}

Eqn as_program(const Graph& g, const Eqn& e) {
  if (e.is("fused")) return e;
  std::vector<int> in;
  for (const int v : e.in)
    if (std::find(in.begin(), in.end(), v) == in.end()) in.push_back(v);
  return fused_eqn(g, {&e}, std::move(in), e.out);
}

Graph fuse_elementwise(Graph g) { return Fuser(std::move(g)).run(); }

}  // namespace addax
