// Programs of elementwise rows over arrays: the kernel of `fused`, and the epilogues of products.
#pragma once

#include <optional>

#include "core/small_vector.h"
#include "cpu/kernels.h"
#include "ops/fused.h"

namespace addax::cpu::ADDAX_ISA {

/// A program with the arrays it reads and writes. Positions are those of the results, which are contiguous.
class FusedRun {
 public:
  /// `first`: an input before those of `in`, if given.
  FusedRun(const FusedAttrs& attrs, const View* first, Span<const View> in, Span<const View> out);

  /// Runs on this thread over `rows` stretches of `columns` values, each `step` behind the one before.
  /// `first`: where values of the first result go, from its beginning, unless it is another result as well.
  void rows(int64_t begin, int64_t rows, int64_t columns, int64_t step, void* first = nullptr) const;
  /// Runs over `count` values on all threads.
  void all(int64_t begin, int64_t count) const;

 private:
  // An input as the loop over the results sees it.
  struct Input {
    const char* data;
    int64_t bytes;
    bool dense;
    int64_t period = 0;  // the values start again after so many; 0: they do not, or only after more than a tile
    int rank = 0;        // innermost first, merged
    int64_t size[kMaxRank], stride[kMaxRank];

    Input() = default;
    Input(const View& in, const Shape& shape);
    // n values from `begin`: where they lie, or copied to `to`.
    const void* bring(int64_t begin, int64_t n, void* to) const;
    template <class T>
    const void* bring(int64_t begin, int64_t n, void* to) const;
  };

  const FusedAttrs& attrs_;
  const FusedProgram& program_;
  Span<const View> out_;
  bool past_ = false;  // results leave the caches
  SmallVector<Input, 8> inputs_;
  std::optional<Scratch<char>> periods_;  // what repeats, written out so far that a tile may start at any place in it
  int64_t widest_ = 4;
};

/// What a product runs over the parts of its result that are complete. The product is written to product(), where one
/// of the program's results takes its place.
class Epilogue {
 public:
  /// `args` of a row with EpilogueAttrs; they must live as long.
  Epilogue(const KernelArgs& args, const FusedAttrs& attrs)
      : product_(args.out[static_cast<size_t>(result_over_first(attrs))]),
        run_(attrs, &product_, {args.in.data() + 2, args.in.size() - 2}, args.out) {}

  const View& product() const { return product_; }
  /// `first` points into product(); the rest as in FusedRun.
  void rows(const void* first, int64_t rows, int64_t columns, int64_t step) const {
    run_.rows(position(first), rows, columns, step);
  }
  void all(const void* first, int64_t count) const { run_.all(position(first), count); }

 private:
  int64_t position(const void* first) const {
    return (static_cast<const char*>(first) - product_.as<const char>()) / size_of(product_.dtype);
  }

  const View& product_;
  FusedRun run_;
};

}  // namespace addax::cpu::ADDAX_ISA
