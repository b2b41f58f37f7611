// Attributes of the reduce family.
#pragma once

#include "ops/attrs.h"
#include "ops/fused.h"

namespace addax {

/// Empty axes mean all.
struct ReduceAttrs {
  Dims axes;
  bool keepdims = false;
  template <class F>
  void fields(F&& f) {
    f("axes", axes);
    f("keepdims", keepdims);
  }
};

/// A reduction of a program's first result, which is in memory only if it is returned as well.
struct ReduceFusedAttrs {
  std::string reduction;  // a row with ReduceAttrs
  ReduceAttrs attrs;
  FusedAttrs program;
  template <class F>
  void fields(F&& f) {
    f("reduction", reduction);
    attrs.fields(f);
    program.fields(f);
  }
};

struct ArgReduceAttrs {
  int64_t axis = -1;
  bool keepdims = false;
  template <class F>
  void fields(F&& f) {
    f("axis", axis);
    f("keepdims", keepdims);
  }
};

struct ScanAttrs {
  int64_t axis = -1;
  bool reverse = false;
  template <class F>
  void fields(F&& f) {
    f("axis", axis);
    f("reverse", reverse);
  }
};

/// Whether a row has ReduceAttrs.
bool is_reduction(const OpDef& op);

}  // namespace addax
