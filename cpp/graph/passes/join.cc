// Optimizer steps joined over all variables: updates by one row, with equal attributes, scalars and dtype, become one
// eqn, so that a step over many small variables costs one call. Large ones gain nothing, and their gradients need not
// wait for the others.
//
// The joined eqn stands where its last member stood. So a group takes no further members once somebody has read a new
// value of one that it has.
#include <map>

#include "graph/passes.h"

namespace addax {
namespace {

constexpr int64_t kMostElements = 16 * 1024;

struct Group {
  std::vector<size_t> members;  // positions of eqns, ascending
  bool closed = false;
};

// A row that updates any number of variables, applied to one.
bool can_join(const Graph& g, const Eqn& e) {
  return e.op->family == std::string_view("optimizer") && e.op->max_inputs < 0 &&
         static_cast<int>(e.in.size()) == e.op->min_inputs &&
         numel(g.vars[static_cast<size_t>(e.in[0])].shape) <= kMostElements;
}

// One variable: its states, a gradient, the scalars.
Eqn joined(const Graph& g, const Group& group) {
  const Eqn& first = g.eqns[group.members[0]];
  const auto states = static_cast<ptrdiff_t>(first.out.size());
  Eqn all{first.op, first.attrs, {}, {}};
  for (const size_t i : group.members) {
    const Eqn& e = g.eqns[i];
    all.in.insert(all.in.end(), e.in.begin(), e.in.begin() + states);
    all.out.insert(all.out.end(), e.out.begin(), e.out.end());
  }
  for (const size_t i : group.members) all.in.push_back(g.eqns[i].in[first.out.size()]);
  all.in.insert(all.in.end(), first.in.begin() + states + 1, first.in.end());
  return all;
}

}  // namespace

Graph join_updates(Graph g) {
  std::vector<Group> groups;
  std::vector<int> group_of(g.eqns.size(), -1), made_by(g.vars.size(), -1);
  std::map<std::pair<std::string, std::vector<int>>, int> open;
  for (size_t i = 0; i < g.eqns.size(); ++i) {
    const Eqn& e = g.eqns[i];
    for (const int v : e.in)
      if (v >= 0 && made_by[static_cast<size_t>(v)] >= 0)
        groups[static_cast<size_t>(made_by[static_cast<size_t>(v)])].closed = true;
    if (!can_join(g, e)) continue;
    std::vector<int> numbers(e.in.begin() + static_cast<ptrdiff_t>(e.out.size()) + 1, e.in.end());
    numbers.push_back(static_cast<int>(g.vars[static_cast<size_t>(e.in[0])].dtype));
    int& id = open.emplace(std::pair(e.op->name + e.settings().text(), std::move(numbers)), -1).first->second;
    if (id < 0 || groups[static_cast<size_t>(id)].closed) {
      id = static_cast<int>(groups.size());
      groups.emplace_back();
    }
    groups[static_cast<size_t>(id)].members.push_back(i);
    group_of[i] = id;
    for (const int v : e.out) made_by[static_cast<size_t>(v)] = id;
  }
  std::vector<Eqn> kept;
  for (size_t i = 0; i < g.eqns.size(); ++i) {
    const Group* group = group_of[i] < 0 ? nullptr : &groups[static_cast<size_t>(group_of[i])];
    if (!group || group->members.size() == 1)
      kept.push_back(g.eqns[i]);
    else if (group->members.back() == i)
      kept.push_back(joined(g, *group));
  }
  g.eqns = std::move(kept);
  return g;
}

}  // namespace addax
