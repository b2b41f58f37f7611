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

/// N values of a cell, from the first one on.
template <class T, int N>
__device__ inline void read_cell(const char* cell, int first, T (&to)[N]) {
  const auto block = reinterpret_cast<const Bytes<N * sizeof(T)>*>(cell)[first / N];
  __builtin_memcpy(to, &block, sizeof block);
}
template <class T, int N>
__device__ inline void write_cell(char* cell, int first, const T (&from)[N]) {
  Bytes<N * sizeof(T)> block;
  __builtin_memcpy(&block, from, sizeof block);
  reinterpret_cast<Bytes<N * sizeof(T)>*>(cell)[first / N] = block;
}

// S: as stored.
template <class S>
__device__ inline void load_values(const ProgramArray& from, const Places& places, char* cell) {
  using C = compute_t<S>;
  const S* x = static_cast<const S*>(from.data);
  S values[kValues];
  C held[kValues] = {};
  if (places.vector && from.in_line) {
    const S* first = x + from.walk.at(places.at[0]);
    const int64_t step = from.walk.rank ? from.walk.step[0][0] : 0;
    if (from.vector) {
      const auto block = *reinterpret_cast<const Bytes<kValues * sizeof(S)>*>(first);
      __builtin_memcpy(values, &block, sizeof block);
    } else {
      for (int j = 0; j < kValues; ++j) values[j] = first[j * step];
    }
    for (int j = 0; j < kValues; ++j) held[j] = convert<C>(values[j]);
  } else {
    for (int j = 0; j < kValues; ++j)
      if (j < places.count) held[j] = convert<C>(x[from.walk.at(places.at[j])]);
  }
  write_cell(cell, 0, held);
}
template <class S>
__device__ inline void store_values(const ProgramArray& to, const Places& places, const char* cell) {
  compute_t<S> held[kValues];
  read_cell(cell, 0, held);
  S* y = static_cast<S*>(to.data);
  if (places.vector && to.vector) {
    S values[kValues];
    for (int j = 0; j < kValues; ++j) values[j] = convert<S>(held[j]);
    Bytes<kValues * sizeof(S)> block;
    __builtin_memcpy(&block, values, sizeof block);
    *reinterpret_cast<Bytes<kValues * sizeof(S)>*>(y + places.at[0]) = block;
  } else {
    for (int j = 0; j < kValues; ++j)
      if (j < places.count) y[places.at[j]] = convert<S>(held[j]);
  }
}

/// As stored in a dtype and read again.
__device__ inline float rounded(float x, Dtype dtype) {
  if (dtype == Dtype::Float16) return static_cast<float>(Float16(x));
  if (dtype == Dtype::BFloat16) return static_cast<float>(BFloat16(x));
  return x;
}

// By way of the widest type of the kind, as `cast`.
template <class Wide>
__device__ inline void cast_values(const char* from, Dtype type, char* to, Dtype target) {
  Wide values[kValues];  // the cells may be one
  for (int j = 0; j < kValues; ++j) values[j] = load<Wide>(from, type, j);
  for (int j = 0; j < kValues; ++j) {
    if (target == Dtype::Float16)
      store<float>(to, Dtype::Float32, j, static_cast<float>(convert<Float16>(values[j])));
    else if (target == Dtype::BFloat16)
      store<float>(to, Dtype::Float32, j, static_cast<float>(convert<BFloat16>(values[j])));
    else
      store<Wide>(to, target, j, values[j]);
  }
}

template <class T>
__device__ inline void choose_values(const char* condition, const char* a, const char* b, char* to) {
  bool truth[kValues];
  T yes[kValues], no[kValues];
  read_cell(condition, 0, truth);
  read_cell(a, 0, yes);
  read_cell(b, 0, no);
  for (int j = 0; j < kValues; ++j) yes[j] = truth[j] ? yes[j] : no[j];
  write_cell(to, 0, yes);
}

// A function of its own per type, or the compiler would have all rows of all types in one. float32 goes by vectors; so
// much code for each type would be too much to compile.
template <class C>
__attribute__((noinline)) __device__ void row_values(cuda::Row row, Dtype to, bool is_test, const char* a,
                                                     const char* b, const char* c, char* out) {
  constexpr int kStep = std::is_same_v<C, float> ? kValues : 1;
#pragma unroll 1
  for (int j = 0; j < kValues; j += kStep) {
    C in[kMaxIn][kStep], result[kStep] = {};
    bool truth[kStep] = {};
    read_cell(a, j, in[0]);
    read_cell(b, j, in[1]);
    read_cell(c, j, in[2]);
    apply_row<C, kStep>(row, in, result, truth);
    if (is_test) {
      write_cell(out, j, truth);
    } else {
      if constexpr (std::is_same_v<C, float>)
        for (int i = 0; i < kStep; ++i) result[i] = rounded(result[i], to);
      write_cell(out, j, result);
    }
  }
}

/// f(a value of the type) for what arrays of a dtype store, and for what cells hold.
template <class F>
__device__ inline void with_stored(Dtype dtype, const F& f) {
  switch (dtype) {
#define ADDAX_CASE(name, type) \
  case Dtype::name:            \
    return f(type());
    ADDAX_DTYPES(ADDAX_CASE)
    default:
      return;
  }
}
template <class F>
__device__ inline void with_held(Dtype dtype, const F& f) {
  switch (dtype) {
    ADDAX_OWN_TYPES(ADDAX_CASE)
#undef ADDAX_CASE
    default:
      return;
  }
}

/// Runs the program over the values of this thread. `shared`: kCellMemory bytes of the block.
__device__ inline void run_program(const Program& p, char* shared, const Places& places) {
  for (int i = 0; i < p.lines; ++i) {
    const ProgramLine line = p.line[i];
    const auto in = [&](int k) { return p.cell(shared, line.in[k]); };
    switch (line.what) {
      case ProgramLine::Load:
        with_stored(line.type, [&](auto tag) {
          load_values<decltype(tag)>(p.source[line.in[0]], places, p.cell(shared, line.out));
        });
        break;
      case ProgramLine::Store:
        with_stored(line.type, [&](auto tag) { store_values<decltype(tag)>(p.result[line.out], places, in(0)); });
        break;
      case ProgramLine::Cast:
        if (line.type == Dtype::Float32 || line.type == Dtype::Float64)
          cast_values<double>(in(0), line.type, p.cell(shared, line.out), line.rounded);
        else if (line.type == Dtype::UInt64)
          cast_values<uint64_t>(in(0), line.type, p.cell(shared, line.out), line.rounded);
        else
          cast_values<int64_t>(in(0), line.type, p.cell(shared, line.out), line.rounded);
        break;
      case ProgramLine::Where:
        with_held(line.type,
                  [&](auto tag) { choose_values<decltype(tag)>(in(0), in(1), in(2), p.cell(shared, line.out)); });
        break;
      case ProgramLine::Row:
        with_held(line.type, [&](auto tag) {
          row_values<decltype(tag)>(line.row, line.rounded, line.truth, in(0), in(1), in(2), p.cell(shared, line.out));
        });
        break;
    }
  }
}

}  // namespace addax::cuda
