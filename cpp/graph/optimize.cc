// Which passes run, and in which order.
#include <cmath>
#include <cstdlib>
#include <mutex>
#include <numeric>
#include <set>

#include "graph/passes.h"
#include "ops/engine.h"

namespace addax {
namespace {

struct Pass {
  const char* name;
  Graph (*run)(Graph);
  bool native = false;  // for our own kernels; an engine with a compiler of its own does such things itself
};

constexpr Pass kPasses[] = {
    {"branches", merge_branches},       {"cse", merge_common_subexpressions},  {"loops", merge_loops},
    {"algebra", simplify_algebra},      {"fold", fold_constants, true},        {"dce", eliminate_dead_code},
    {"layout", move_transposes, true},  {"batch_norm", fold_batch_norm, true}, {"fuse", fuse_elementwise, true},
    {"epilogue", join_epilogues, true}, {"reduce", join_reductions, true},     {"rows", scatter_in_updates, true},
    {"join", join_updates, true},       {"early", update_early, true},
};
// What the planner does where it is not switched off.
constexpr const char* kPlanning[] = {"view", "in_place"};

struct Setting {
  std::mutex mutex;
  std::set<std::string> off;

  Setting() {
    if (const char* text = std::getenv("ADDAX_PASSES")) off = parse(text);
  }

  static std::set<std::string> parse(const std::string& text) {
    std::set<std::string> off;
    size_t at = 0;
    while (at < text.size()) {
      const size_t end = std::min(text.find(',', at), text.size());
      const size_t first = std::min(text.find_first_not_of(' ', at), end), last = text.find_last_not_of(' ', end - 1);
      const std::string word = text.substr(first, first < end ? last + 1 - first : 0);
      at = end + 1;
      if (word == "none") {
        for (const std::string& name : switches()) off.insert(name);
        continue;
      }
      bool known = false;
      std::string names;
      for (const std::string& name : switches()) {
        known = known || word == "-" + name;
        names += (names.empty() ? "-" : ", -") + name;
      }
      if (!known) {
        fail<ValueError>("ADDAX_PASSES: expected none or a list of ", names, ", got '", word, "'");
      }
      off.insert(word.substr(1));
    }
    return off;
  }
};

Setting& setting() {
  static Setting s;
  return s;
}

}  // namespace

std::vector<int> identity(const Graph& graph) {
  std::vector<int> map(graph.vars.size());
  std::iota(map.begin(), map.end(), 0);
  return map;
}

bool is_all(const Tensor& t, double value) {
  if (t.numel() == 0) return false;
  for (const int64_t s : t.strides())
    if (s != 0 && t.numel() != 1) return false;
  const double element = t.view({{}, {}, t.layout().offset}).item();
  return element == value && std::signbit(element) == std::signbit(value);
}

void substitute(Graph& graph, const std::vector<int>& map) {
  for (Eqn& e : graph.eqns)
    for (int& v : e.in)
      if (v >= 0) v = map[static_cast<size_t>(v)];
  for (int& v : graph.outputs) v = map[static_cast<size_t>(v)];
}

Graph optimize(Graph graph, std::string_view without) {
  std::set<std::string> off;
  {
    const std::lock_guard<std::mutex> lock(setting().mutex);
    off = setting().off;
  }
  for (const Pass& p : kPasses)
    if (!off.count(p.name) && p.name != without && !(p.native && active_engine)) graph = p.run(std::move(graph));
  return graph;
}

bool is_switched_off(const std::string& name) {
  const std::lock_guard<std::mutex> lock(setting().mutex);
  return setting().off.count(name) > 0;
}

Graph run_pass(std::string_view name, Graph graph) {
  std::string names;
  for (const Pass& p : kPasses) {
    if (p.name == name) return p.run(std::move(graph));
    names += std::string(names.empty() ? "" : ", ") + p.name;
  }
  fail<ValueError>("there is no pass '", name, "'; expected one of ", names);
}

std::vector<std::string> pass_names() {
  std::vector<std::string> names;
  for (const Pass& p : kPasses) names.push_back(p.name);
  return names;
}

std::vector<std::string> switches() {
  std::vector<std::string> names = pass_names();
  names.insert(names.end(), std::begin(kPlanning), std::end(kPlanning));
  return names;
}

void set_passes(const std::string& text) {
  std::set<std::string> off = Setting::parse(text);
  const std::lock_guard<std::mutex> lock(setting().mutex);
  setting().off = std::move(off);
}

}  // namespace addax
