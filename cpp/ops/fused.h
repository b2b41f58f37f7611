// The attributes of `fused`: a straight program of elementwise rows, run tile by tile while its values are in cache.
//
// Operands are numbered: first the op's inputs, then the result of each instruction. "multiply 0 1;add 3 2" computes
// a * b + c of three inputs. `cast` names its dtype: "cast.float32 0".
#pragma once

#include <array>
#include <atomic>
#include <string>
#include <string_view>
#include <vector>

#include "addax/tensor.h"
#include "ops/attrs.h"

namespace addax {

struct InferContext;
struct OpDef;

inline constexpr int kMostFusedInputs = 64, kMostFusedSteps = 64;

struct FusedStep {
  const OpDef* op = nullptr;
  int operands = 0;
  std::array<int, 3> in{};
  Dtype compute = Dtype::Float32;  // what the row computes in; a 16-bit float is computed in float32 and rounded
  Dtype out = Dtype::Float32;
};

struct FusedProgram {
  std::vector<Dtype> inputs;
  std::vector<FusedStep> steps;
  // What the kernel column made of it; set once, kept for the life of the process.
  mutable std::atomic<const void*> code{nullptr};

  int operands() const { return static_cast<int>(inputs.size() + steps.size()); }
};

struct FusedAttrs {
  std::string program;
  std::string dtypes;  // of the inputs: "float32 bool"
  Dims results;        // the operands that are returned

  template <class F>
  void fields(F&& f) {
    f("program", program);
    f("dtypes", dtypes);
    f("results", results);
  }

  // Programs are few and live as long as the process, so that their address can stand for them.
  ADDAX_API const FusedProgram& parsed() const;

 private:
  struct Address {
    std::atomic<const FusedProgram*> at{nullptr};
    Address() = default;
    Address(const Address& o) : at(o.at.load()) {}
    Address& operator=(const Address& o) {
      at = o.at.load();
      return *this;
    }
  };
  mutable Address address_;
};

/// The attributes of a row that runs a program on its product while the product is in cache: operand 0 is the product,
/// the others are the inputs behind the product's two.
template <class ProductAttrs>
struct EpilogueAttrs {
  ProductAttrs product;
  FusedAttrs epilogue;

  template <class F>
  void fields(F&& f) {
    product.fields(f);
    epilogue.fields(f);
  }
};

/// The arithmetic of a program over results of this size.
int64_t program_flops(const Spec& result, const FusedAttrs& attrs);

/// What a program gives for these inputs: c.outputs.
void infer_program(InferContext& c, Span<const Tensor> in, const FusedAttrs& attrs);
/// Whether a result may be written over an input, value by value: nothing reads the input behind it.
bool may_overwrite(const FusedAttrs& attrs, int output, int input);

/// infer of such a row, after that of its product.
void infer_epilogue(InferContext& c, const FusedAttrs& epilogue);
/// compose of such a row, given its product.
Tensors compose_epilogue(const Tensor& product, Span<const Tensor> in, const FusedAttrs& epilogue);

/// The result that may be written over operand 0, value by value: of its dtype, and nothing reads the operand behind
/// it. -1: there is none.
ADDAX_API int result_over_first(const FusedAttrs& attrs);
/// The same program with one of its inputs moved to the front.
FusedAttrs with_first(const FusedAttrs& attrs, int input);

/// Whether a row can be a step of a program over inputs of these dtypes.
bool can_fuse(const OpDef& op, const Dtype* in, int count, Dtype out);

}  // namespace addax
