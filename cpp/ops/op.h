// OpDef, a row of the op table: shape rule, gradient, kernels. The table itself and its look-up.
//
// To add an op (not elementwise; those are one row of elementwise.def): in cpp/ops/<family>.cc write its attrs, infer
// and vjp and add the row in register_<family>; in cpp/cpu/<family>.cc write its kernel; then the JAX row, the public
// Python function and the sample row. tests/test_complete.py names whatever is missing.
#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>
#include <vector>

#include "addax/tensor.h"
#include "core/small_vector.h"
#include "ops/attrs.h"

namespace addax {

struct OpDef;
struct KernelArgs;

inline constexpr int kFewOutputs = 6;  // as many need no heap

/// What a process can address, in bytes. Attributes that are sizes are no larger, nor is any value of a file.
inline constexpr int64_t kAddressable = int64_t{1} << 47;
/// Placeholders may be larger, but so that the sum of a few dims is a number, and so are all strides.
inline constexpr int64_t kLargest = int64_t{1} << 61;
/// Throws ShapeError for a negative dim, and where the elements take more than `most` bytes.
ADDAX_API void check_size(const char* what, const Shape& shape, Dtype dtype, int64_t most = kLargest);

/// What `infer` sees and fills. Inputs may be placeholders: only shape() and dtype() may be asked.
struct InferContext {
  const OpDef& op;
  const Attrs& attrs;
  Span<const Tensor> in;
  SmallVector<Spec, kFewOutputs> outputs;

  /// Throws ShapeError for a shape that no memory could hold.
  void out(const Shape& shape, Dtype dtype);
};

/// What the row gives: `c.outputs`. Every caller comes through here, so all rules may count on what it checks: as many
/// inputs as the row takes, and each of them given.
ADDAX_API void infer_outputs(InferContext& c);

/// What `vjp` sees. Inputs and outputs that the row does not save are ghosts (shape and dtype only).
/// grads[i] is undefined where output i received no gradient; at least one is defined.
struct VjpContext {
  const OpDef& op;
  const Attrs& attrs;
  Span<const Tensor> in;
  Span<const Tensor> out;
  Span<const Tensor> grads;
  uint32_t needs;  // bit i: input i wants a gradient; bit 31: one from there on does

  bool need(int i) const { return (needs >> std::min(i, 31)) & 1u; }
};

using Infer = void (*)(InferContext&);
/// One tensor per input, undefined where none is needed. Written with ops, so it records and traces like anything else.
using Vjp = Tensors (*)(const VjpContext&);
using Kernel = void (*)(const KernelArgs&);
/// The same result written with simpler ops: the oracle of the kernel in tests and the source of higher gradients.
using Compose = Tensors (*)(Span<const Tensor> in, const Attrs& attrs);
/// Fills `out` and returns true if the result is a view of the input; false asks for the kernel. Asked only where the
/// dtype stays.
using ViewRule = bool (*)(const Layout& in, const Shape& out_shape, const Attrs& attrs, Layout& out);

/// Multiplications and additions, each counted once.
using Flops = int64_t (*)(Span<const Spec> in, Span<const Spec> out, const Attrs& attrs);

/// For `OpDef::donates`.
inline constexpr int kAllOutputs = std::numeric_limits<int>::max();

enum class Fusion : uint8_t { Pointwise, View, Reduce, Opaque };

/// Which values the gradient reads: the tape keeps only these alive.
inline constexpr uint32_t kSaveNone = 0;
inline constexpr uint32_t kSaveAll = ~0u;

struct OpDef {
  const char* name = "";
  const char* family = "";
  int min_inputs = 1;
  int max_inputs = 1;  // -1: any number
  Infer infer = nullptr;
  Vjp vjp = nullptr;
  bool differentiable = true;         // false: NONDIFF, no gradient by definition; vjp stays null
  uint32_t save_inputs = kSaveAll;    // bit i: vjp reads the value of input i
  uint32_t save_outputs = kSaveNone;  // bit i: vjp reads the value of output i
  Compose compose = nullptr;
  ViewRule view = nullptr;
  Flops flops = nullptr;  // null: one for each element of the first output
  bool strided = false;   // kernel takes any strides; otherwise apply passes contiguous inputs
  int donates = 0;  // so many outputs may reuse the storage of the input in their place, when nothing else holds it
  Fusion fusion = Fusion::Opaque;
  // Whether an output may be written over an input of its shape and size; null: if the row is Pointwise.
  bool (*in_place)(const Attrs& attrs, int output, int input) = nullptr;
  /// The arithmetic of one call.
  int64_t flops_of(Span<const Spec> in, Span<const Spec> out, const Attrs& attrs) const {
    return flops ? flops(in, out, attrs) : numel(out[0].shape);
  }

  int rule = 0;         // elementwise: the dtype rule (see elementwise.h)
  int index = 0;        // position in the table
  Attrs default_attrs;  // empty: the op has no attributes
  std::array<Kernel, kNumDeviceTypes> kernels{};

  template <class T>
  OpDef& attrs() {
    default_attrs = Attrs::of(T());
    return *this;
  }
};

inline void InferContext::out(const Shape& shape, Dtype dtype) {
  check_size(op.name, shape, dtype);
  outputs.push_back({shape, dtype});
}

class ADDAX_API OpTable {
 public:
  /// Adds a row. The reference stays valid. Throws Error if the name is taken.
  OpDef& add(const char* family, const char* name);
  const OpDef* find(std::string_view name) const;
  /// Sets a kernel of one device column. Throws Error for an unknown op.
  void set_kernel(std::string_view name, DeviceType device, Kernel kernel);
  const std::vector<OpDef*>& rows() const { return rows_; }

 private:
  std::vector<OpDef*> rows_;  // rows live as long as the process
};

/// The table with all families and the CPU column, built on first use.
ADDAX_API OpTable& op_table();
/// The row of that name. Throws ValueError with the closest names.
ADDAX_API const OpDef& find_op(std::string_view name);

/// The only door to computation: infer; placeholders in give placeholders out; otherwise view or kernel; then record on
/// the tapes that watch an input.
/// Empty attributes stand for the op's defaults. `may_donate`: the caller gives up its inputs, so rows that donate may
/// reuse storage that nothing else holds.
ADDAX_API Tensors apply(const OpDef& op, Span<const Tensor> inputs, const Attrs& attrs = {}, bool may_donate = false);
/// The same for ops with one output, without the vector.
ADDAX_API Tensor apply1(const OpDef& op, Span<const Tensor> inputs, const Attrs& attrs = {});

}  // namespace addax

/// `ADDAX_OP(add)` inside a function: a look-up that happens once.
#define ADDAX_OP(name)                                         \
  ([]() -> const ::addax::OpDef& {                             \
    static const ::addax::OpDef& op = ::addax::find_op(#name); \
    return op;                                                 \
  }())
