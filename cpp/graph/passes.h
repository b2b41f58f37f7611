// The passes: free functions Graph -> Graph, one file each in passes/.
//
// To add one: write it in passes/<name>.cc, declare it here and add it to the list in optimize.cc. Unless it says
// otherwise there, a pass keeps every bit of every result.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace addax {

struct State;

/// Drops eqns whose results nobody reads, and consts likewise.
Graph eliminate_dead_code(Graph graph);
/// Computes what stands there twice only once; equal small consts become one.
Graph merge_common_subexpressions(Graph graph);
/// Puts the body in the place of a cond whose bodies are equal.
Graph merge_branches(Graph graph);
/// Makes one scan of two over the same inputs.
Graph merge_loops(Graph graph);
/// Steps that change nothing: casts to the same dtype, products with one, reshapes of reshapes, ... And relu's slope
/// behind a pool is taken in front of it, where there is less.
Graph simplify_algebra(Graph graph);
/// Computes small eqns whose inputs are all consts.
Graph fold_constants(Graph graph);
/// A batch normalisation of inference goes into the filters of the product before it. Does not keep bits.
Graph fold_batch_norm(Graph graph);
/// Transposes move behind elementwise eqns, and cancel where they meet.
Graph move_transposes(Graph graph);
/// Elementwise eqns of one shape that feed each other become one `fused` eqn.
Graph fuse_elementwise(Graph graph);
/// A `matmul` or `conv` and the elementwise eqn that alone reads it become one eqn.
Graph join_epilogues(Graph graph);
/// A reduction and the elementwise eqn that it reads become one eqn.
Graph join_reductions(Graph graph);
/// An optimizer update that alone reads scatter_add(zeros, ...) takes that in.
Graph scatter_in_updates(Graph graph);
/// Optimizer updates that differ in nothing but their variables become one eqn over all of them.
Graph join_updates(Graph graph);
/// Large states get their new values as soon as what these are made of is there and the old ones have been read.
Graph update_early(Graph graph);

/// Runs the passes, then computes values again for the backward part of the graph that would be held through its peak
/// of memory, until a plan of it takes at most `budget` bytes for arena and results. Throws ValueError with the least
/// that was found. Bits stay. Nothing may merge eqns after it.
ADDAX_API Graph fit_memory(Graph graph, int64_t budget, const std::vector<State>& states, Device device);

/// Runs all passes but those that are switched off and one more, if named.
ADDAX_API Graph optimize(Graph graph, std::string_view without = {});
/// One pass by name, one of pass_names(). Throws ValueError for an unknown name.
ADDAX_API Graph run_pass(std::string_view name, Graph graph);
/// Their names, in order.
ADDAX_API std::vector<std::string> pass_names();
/// What can be switched off: the passes, and of planning `view` (reshapes, slices, ... as layouts of what they read)
/// and `in_place` (results where an input lies that nobody reads any more).
ADDAX_API std::vector<std::string> switches();
/// Switches off what is listed ("-fuse,-cse"; "none" for all), and all else on. The environment variable ADDAX_PASSES
/// does so at start. Throws ValueError for an unknown name.
ADDAX_API void set_passes(const std::string& setting);
bool is_switched_off(const std::string& name);

/// Takes the arguments away that none of the graphs reads; returns the positions of the others.
std::vector<size_t> drop_unread_inputs(std::vector<Graph>& graphs);
/// Replaces vars throughout: everyone who reads `var` reads map[var]. map[var] == var elsewhere.
void substitute(Graph& graph, const std::vector<int>& map);
/// Whether the eqn can be part of a `fused` one.
bool can_fuse(const Graph& graph, const Eqn& eqn);
/// Eqns of one shape, in order, as one `fused` eqn that reads `in` and gives `out`.
Eqn fused_eqn(const Graph& graph, const std::vector<const Eqn*>& members, std::vector<int> in, std::vector<int> out);
/// The eqn, if it is `fused`, or one that can be as a program of itself.
Eqn as_program(const Graph& graph, const Eqn& eqn);
/// Whether the tensor repeats one element, and that is `value`. Zeros differ by sign.
bool is_all(const Tensor& tensor, double value);
/// The identity map.
std::vector<int> identity(const Graph& graph);

}  // namespace addax
