// movement: attributes and view rules, as the shape rules, the gradients and the kernels share them.
#pragma once

#include <string>

#include "ops/op.h"

namespace addax {

struct ReshapeAttrs {
  Dims shape;
  template <class F>
  void fields(F&& f) {
    f("shape", shape);
  }
};

struct TransposeAttrs {
  Dims axes;
  template <class F>
  void fields(F&& f) {
    f("axes", axes);
  }
};

/// The axes of a transpose of so many dims, counted from 0; none given: all in turn.
Dims permutation(const Dims& axes, int rank);
/// The axes that take a transpose back.
Dims inverse(const Dims& axes);
/// The shape of what is transposed.
Shape permuted(const Shape& shape, const Dims& axes);

struct BroadcastToAttrs {
  Dims shape;
  template <class F>
  void fields(F&& f) {
    f("shape", shape);
  }
};

/// slice and slice_update.
struct SliceAttrs {
  Dims starts, stops, steps;
  template <class F>
  void fields(F&& f) {
    f("starts", starts);
    f("stops", stops);
    f("steps", steps);
  }
  int64_t step(int axis) const { return steps.empty() ? 1 : steps[axis]; }
};

struct PadAttrs {
  Dims low, high;
  std::string mode = "constant";
  double value = 0;
  template <class F>
  void fields(F&& f) {
    f("low", low);
    f("high", high);
    f("mode", mode);
    f("value", value);
  }
};

struct ConcatenateAttrs {
  int64_t axis = 0;
  template <class F>
  void fields(F&& f) {
    f("axis", axis);
  }
};

struct FlipAttrs {
  Dims axes;
  template <class F>
  void fields(F&& f) {
    f("axes", axes);
  }
};

struct BarrierAttrs {
  int64_t region = 0;
  template <class F>
  void fields(F&& f) {
    f("region", region);
  }
};

struct ShardAttrs {
  int64_t sharding = 0;
  template <class F>
  void fields(F&& f) {
    f("sharding", sharding);
  }
};

bool reshape_view(const Layout& in, const Shape& out_shape, const Attrs& attrs, Layout& out);
bool transpose_view(const Layout& in, const Shape& out_shape, const Attrs& attrs, Layout& out);
bool broadcast_to_view(const Layout& in, const Shape& out_shape, const Attrs& attrs, Layout& out);
/// Also what slice_update writes to: the view of the output that has the shape of the update.
bool slice_view(const Layout& in, const Shape& out_shape, const Attrs& attrs, Layout& out);
bool flip_view(const Layout& in, const Shape& out_shape, const Attrs& attrs, Layout& out);
bool identity_view(const Layout& in, const Shape& out_shape, const Attrs& attrs, Layout& out);

enum class PadMode { Constant, Reflect, Symmetric, Edge };
/// Throws ValueError for an unknown name.
ADDAX_API PadMode pad_mode(const std::string& name);
/// The position in an axis of size n >= 1 that position i, which may be outside, reads; -1 for the constant.
/// Reflections repeat as often as it takes, as in NumPy.
inline int64_t pad_source(PadMode mode, int64_t i, int64_t n) {
  if (i >= 0 && i < n) return i;
  if (mode == PadMode::Constant) return -1;
  if (mode == PadMode::Edge) return i < 0 ? 0 : n - 1;
  if (n == 1) return 0;
  const int64_t period = mode == PadMode::Reflect ? 2 * n - 2 : 2 * n;
  i = (i % period + period) % period;
  return i < n ? i : (mode == PadMode::Reflect ? period : period - 1) - i;
}

}  // namespace addax
