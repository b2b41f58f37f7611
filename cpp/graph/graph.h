// Graph: what was traced. Plain vectors and integer ids; a pass is a function Graph -> Graph (passes.h).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "addax/tensor.h"
#include "graph/lexer.h"
#include "ops/op.h"

namespace addax {

/// One application of an op. Ids are positions in Graph::vars; -1 stands for an input that is not given.
struct Eqn {
  const OpDef* op = nullptr;
  Attrs attrs;  // empty: the op's defaults
  std::vector<int> in, out;

  const Attrs& settings() const { return attrs ? attrs : op->default_attrs; }
  bool is(std::string_view name) const { return name == op->name; }
};

/// Every var is defined once: as an input, as a const, or by one eqn that stands before its readers.
struct Graph {
  std::vector<Spec> vars;
  std::vector<Eqn> eqns;
  std::vector<int> inputs;   // arguments, then the values of the states before
  std::vector<int> outputs;  // results, then the values of the states after, in the same order
  std::vector<std::pair<int, Tensor>> consts;
  int states = 0;

  int add_var(const Shape& shape, Dtype dtype) {
    vars.push_back({shape, dtype});
    return static_cast<int>(vars.size()) - 1;
  }
  int arguments() const { return static_cast<int>(inputs.size()) - states; }
  int results() const { return static_cast<int>(outputs.size()) - states; }
};

/// Readable text: one line a var or eqn, ids numbered in order of appearance. Equal graphs give equal text. Of consts
/// with more than 16 values it says how many they are, unless all are asked for; only then it can be read back.
ADDAX_API std::string to_text(const Graph& graph, bool all_values = false);
/// The graph of a text, with `sizes` for the names in it. Throws ValueError naming the line.
ADDAX_API Graph parse_graph(std::string_view text, const Sizes& sizes = {});
/// The same from where the lexer is, to the graph's end; consts may be any of `tensors`.
Graph parse_graph(Lexer& lexer, Span<const Tensor> tensors);
/// Whether a const has text that is short.
bool has_text(const Tensor& value);
/// Equality and hash up to the numbering of vars.
ADDAX_API bool operator==(const Graph& a, const Graph& b);
ADDAX_API size_t hash_of(const Graph& graph);

/// The specs of the eqn's outputs, by its `infer`. Throws Error if its inputs are not so many, or none of the graph's.
std::vector<Spec> outputs_of(const Graph& graph, const Eqn& eqn);
/// Checks that vars are defined before use, once, and that every eqn's `infer` gives the specs that stand in the graph.
/// Throws Error naming the eqn.
ADDAX_API void verify(const Graph& graph);

/// States that have a value here become consts with it, and the results after them are gone. Throws ValueError if the
/// graph assigns one of them.
ADDAX_API Graph fix_states(Graph graph, const Tensors& values);

/// Adds the eqns of `body` with these vars as its inputs; returns the vars that are its outputs.
std::vector<int> append(Graph& graph, const Graph& body, const std::vector<int>& inputs);

/// Number of eqns that read each var; being an output counts as one more.
std::vector<int> use_counts(const Graph& graph);

}  // namespace addax
