// The interpreter of programs on a device.
#include "cuda/program.h"

namespace addax::cuda {
namespace {

// N values of a cell, from the first one on.
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

}  // namespace

__device__ void run_program(const Program& p, char* shared, const Places& places) {
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
