// Programs of elementwise rows on a device: a table of instructions that each thread walks for a few values at a time.
// Values stand in numbered cells of shared memory, in scratch memory if there are many, and are rounded to their own
// dtype, so the bits are those of the rows run one by one.
#pragma once

#include <optional>

#include "cuda/rows.h"
#include "cuda/walk.h"
#include "ops/fused.h"

namespace addax::cuda {

inline constexpr int kValues = 4;              // of a thread at a time
inline constexpr int kCellMemory = 24 * 1024;  // shared memory of a block for cells
inline constexpr int64_t kMaxBlocks = 4096;    // of a kernel that may want scratch memory for cells
inline constexpr int kMaxSources = 32, kMaxResults = 8, kMaxLines = 320;

/// An array that a program reads or writes.
struct ProgramArray {
  void* data;
  Dtype dtype;
  bool in_line;  // the values of a vector's places are one step apart
  bool vector;   // and lie as one vector
  Walk<1> walk;

  ProgramArray() = default;
  ProgramArray(const View& view, const Shape& shape);
};

struct ProgramLine {
  enum What : uint8_t { Load, Store, Cast, Where, Row };
  What what;
  cuda::Row row;
  bool truth;               // the row is a test
  Dtype type;               // of the operands
  Dtype rounded;            // what the result is rounded to
  uint8_t in[kMaxIn], out;  // cells; of a load the array, of a store the result
};

struct Program {
  int lines, cells, shared_cells, cell_bytes, first_cell;
  Dtype first_type;  // what the cell of the first result holds
  char* scratch;     // of cells beyond the shared ones
  ProgramLine line[kMaxLines];
  ProgramArray source[kMaxSources], result[kMaxResults];

  /// A cell of this thread. `shared`: the block's memory for cells.
  __device__ char* cell(char* shared, int number) const {
    if (number < shared_cells) return shared + (number * kThreads + threadIdx.x) * cell_bytes;
    const int64_t block = static_cast<int64_t>(blockIdx.y) * gridDim.x + blockIdx.x;
    return scratch + ((block * (cells - shared_cells) + number - shared_cells) * kThreads + threadIdx.x) * cell_bytes;
  }
};

/// A program made for a kernel. `first`: an array before those of `in`, if given. Where `out` has no data nothing is
/// stored; the first result's cell is kept.
class ProgramRun {
 public:
  ProgramRun(const FusedAttrs& attrs, const View* first, Span<const View> in, Span<const View> out, const char* what);
  /// For a kernel of so many blocks of kThreads.
  Program with(Grid blocks) const;
  /// Whether no scratch memory is wanted.
  bool fits() const { return program_.cells == program_.shared_cells; }
  /// Runs it over all values.
  void all() const;

 private:
  Program program_;
  int sources_, results_;
  int64_t count_;
  const char* what_;
  mutable std::optional<Temporary<char>> scratch_;
};

/// The program of a row with EpilogueAttrs. The product is written where one of the program's results takes its place.
struct ProductEpilogue {
  const View& product;
  ProgramRun run;

  ProductEpilogue(const KernelArgs& args, const FusedAttrs& attrs)
      : product(args.out[static_cast<size_t>(result_over_first(attrs))]),
        run(attrs, &product, {args.in.data() + 2, args.in.size() - 2}, args.out, args.op.name) {}
};

/// Places of values in the results.
struct Places {
  int64_t at[kValues];
  int count;    // of those that are there
  bool vector;  // all are, in order, the first a multiple of kValues

  Places() = default;
  /// `n` from `first` on.
  __device__ Places(int64_t first, int64_t n)
      : count(static_cast<int>(n)), vector(n == kValues && first % kValues == 0) {
    for (int j = 0; j < kValues; ++j) at[j] = first + j;
  }
};

/// As a cell keeps values of a dtype: 16-bit floats are floats.
inline Dtype held(Dtype dtype) { return size_of(dtype) == 2 && is_float(dtype) ? Dtype::Float32 : dtype; }

/// Runs the program over the values of this thread. `shared`: kCellMemory bytes of the block. Compiled once for all
/// kernels, which are linked to it: it holds every row of every type.
__device__ void run_program(const Program& p, char* shared, const Places& places);

}  // namespace addax::cuda
