// CPU kernels of the elementwise family. A row of elementwise.def gives one tile function per compute type, over
// contiguous values; `run` does everything else: broadcasting, strides, conversions, threads.
#include "ops/elementwise.h"

#include <cstring>
#include <map>

#include "core/copy.h"
#include "core/fetch.h"
#include "core/stream.h"
#include "cpu/kernels.h"
#include "cpu/simd/half.h"
#include "cpu/tiles.h"
#include "ops/scalar.h"

namespace addax::cpu::ADDAX_ISA {
namespace {

using elementwise::Rule;
using elementwise::TypeRule;

constexpr int kMaxIn = 3;
constexpr int64_t kTile = 1024;     // values gathered or converted at a time
constexpr int64_t kStreamed = 512;  // the same where only the result passes through a buffer
constexpr int64_t kNarrow = 256;    // where an input is read across its memory order: values of a row,
constexpr int64_t kBand = 64;       // and rows that are brought in together,
constexpr int64_t kApart = 64;      // so many bytes behind each other, which spreads them over the cache sets
constexpr int64_t kBandBytes = kBand * (kNarrow * 8 + kApart);
constexpr int64_t kBlock = 32768;  // values per piece of work

// ---- conversion

template <class From, class To>
void convert(const void* const* in, void* out, int64_t n) {
  const From* x = static_cast<const From*>(in[0]);
  To* y = static_cast<To*>(out);
  constexpr bool from_half = !std::is_arithmetic_v<From>, to_half = !std::is_arithmetic_v<To>;
  if constexpr (from_half && std::is_same_v<To, float>) {
    to_float(x, y, n);
  } else if constexpr (to_half && std::is_same_v<From, float>) {
    from_float(x, y, n);
  } else {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) {
      if constexpr (from_half && std::is_same_v<To, bool>)
        y[i] = (x[i].bits & 0x7fff) != 0;
      else if constexpr (std::is_same_v<To, bool>)
        y[i] = x[i] != From(0);
      else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>)
        y[i] = scalar::saturate<To>(x[i]);
      else
        y[i] = static_cast<To>(static_cast<compute_t<From>>(x[i]));
    }
  }
}

// float64 to float32 with the last bit set where inexact ("round to odd"): a second rounding to 16 bits is then
// correct.
void narrow_to_odd(const void* const* in, void* out, int64_t n) {
  const double* x = static_cast<const double*>(in[0]);
  uint32_t* y = static_cast<uint32_t*>(out);
  for (int64_t i = 0; i < n; ++i) {
    const float f = static_cast<float>(x[i]);
    const double back = f;
    uint32_t bits = detail::float_to_bits(f);
    if (back != x[i] && back == back) bits = (bits - (scalar::abs(back) > scalar::abs(x[i]))) | 1u;
    y[i] = bits;
  }
}

// Between integers signedness does not matter to the result's bytes.
template <class From, class To>
using Whole = std::conditional_t<std::is_integral_v<From>, std::make_signed_t<To>, To>;

template <class From>
Tile convert_from(Dtype to) {
  if constexpr (std::is_arithmetic_v<From>) {
    switch (to) {
      case Dtype::Int8:
        return convert<From, int8_t>;
      case Dtype::Int16:
        return convert<From, int16_t>;
      case Dtype::Int32:
        return convert<From, int32_t>;
      case Dtype::Int64:
        return convert<From, int64_t>;
      case Dtype::UInt8:
        return convert<From, Whole<From, uint8_t>>;
      case Dtype::UInt16:
        return convert<From, Whole<From, uint16_t>>;
      case Dtype::UInt32:
        return convert<From, Whole<From, uint32_t>>;
      case Dtype::UInt64:
        return convert<From, Whole<From, uint64_t>>;
      case Dtype::Float16:
        if constexpr (std::is_same_v<From, float>) return convert<From, Float16>;
        return nullptr;
      case Dtype::BFloat16:
        if constexpr (std::is_same_v<From, float>) return convert<From, BFloat16>;
        return nullptr;
      default:
        break;
    }
  }
  return to == Dtype::Bool      ? convert<From, bool>
         : to == Dtype::Float32 ? convert<From, float>
         : to == Dtype::Float64 ? convert<From, double>
                                : nullptr;
}

}  // namespace

Tile convert_of(Dtype from, Dtype to) {
  if (from == Dtype::Bool) from = Dtype::UInt8;  // the same bytes, and loops over bool would not vectorise
  return with_any(from, [to](auto tag) -> Tile {
    if constexpr (std::is_same_v<decltype(tag), bool>)
      return nullptr;
    else
      return convert_from<decltype(tag)>(to);
  });
}

namespace {

// ---- layout

// Dimensions innermost first, merged where the strides of every input allow.
struct Dimensions {
  int rank = 0;
  int64_t size[kMaxRank + 1];
  int64_t stride[kMaxIn][kMaxRank + 1];
};

Dimensions merged(const KernelArgs& args) {
  const Shape& shape = args.out[0].shape;
  const int inputs = static_cast<int>(args.in.size());
  Dimensions d;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    if (shape[i] == 1) continue;
    bool merges = d.rank > 0;
    for (int k = 0; k < inputs; ++k) {
      const View& in = args.in[k];
      const int axis = i - (shape.rank() - in.rank());
      const int64_t s = axis >= 0 && in.shape[axis] != 1 ? in.strides[axis] : 0;
      d.stride[k][d.rank] = s;
      merges = merges && s == d.stride[k][d.rank - 1] * d.size[d.rank - 1];
    }
    if (merges)
      d.size[d.rank - 1] *= shape[i];
    else
      d.size[d.rank++] = shape[i];
  }
  if (d.rank == 0) {
    d.rank = 1;
    d.size[0] = 1;
    for (int k = 0; k < inputs; ++k) d.stride[k][0] = 1;
  }
  d.size[d.rank] = 1;
  for (int k = 0; k < inputs; ++k) d.stride[k][d.rank] = 0;
  return d;
}

template <class T>
void copy_run(const void* in, void* out, int64_t n, int64_t stride) {
  const T* x = static_cast<const T*>(in);
  T* y = static_cast<T*>(out);
  if (stride == 1) {
    if (n >= 16) {
      std::memcpy(y, x, static_cast<size_t>(n) * sizeof(T));
      return;
    }
    for (int64_t i = 0; i < n; ++i) y[i] = x[i];
  } else if (stride == 0) {
    const T value = *x;
    for (int64_t i = 0; i < n; ++i) y[i] = value;
  } else {
    for (int64_t i = 0; i < n; ++i) y[i] = x[i * stride];
  }
}

// A box of `rank` dimensions, innermost first, into contiguous memory.
template <class T>
void gather(const void* in, void* out, const int64_t* size, const int64_t* stride, int rank) {
  const T* x = static_cast<const T*>(in);
  T* y = static_cast<T*>(out);
  int64_t run = size[0];
  int first = 1;
  while (first < rank && (size[first] == 1 || stride[first] == stride[0] * run)) run *= size[first++];
  int64_t index[kMaxRank + 1] = {};
  while (true) {
    copy_run<T>(x, y, run, stride[0]);
    y += run;
    int d = first;
    for (; d < rank; ++d) {
      x += stride[d];
      if (++index[d] < size[d]) break;
      x -= stride[d] * size[d];
      index[d] = 0;
    }
    if (d == rank) return;
  }
}

void gather(int64_t bytes, const void* in, void* out, const int64_t* size, const int64_t* stride, int rank) {
  switch (bytes) {
    case 1:
      return gather<uint8_t>(in, out, size, stride, rank);
    case 2:
      return gather<uint16_t>(in, out, size, stride, rank);
    case 4:
      return gather<uint32_t>(in, out, size, stride, rank);
    default:
      return gather<uint64_t>(in, out, size, stride, rank);
  }
}

// ---- the driver

bool is_half(Dtype dtype) { return dtype == Dtype::Float16 || dtype == Dtype::BFloat16; }

struct Call {
  Tile tile;
  Dtype want[kMaxIn];           // what the tile function reads
  Dtype result;                 // and writes
  Dtype half = Dtype::Float32;  // the 16-bit float that inputs of other dtypes are rounded to first, if there is one
};

// The output cut into boxes: `inner` whole dimensions (`unit` values) times up to `rows` steps of the next one, which
// has `cut` of them in `pieces` pieces; all that repeated for each of `outer` positions of the remaining dimensions.
struct Boxes {
  int inner = 0;
  int64_t unit = 1, cut, rows, pieces, outer = 1;
  bool across = false;  // an input is read across its memory order

  Boxes(const Dimensions& d, int inputs) {
    for (int k = 0; k < inputs; ++k) across = across || crosses(d.stride[k]);
    across = across && d.rank > 1 && d.size[0] >= kNarrow / 4;
    if (!across)
      while (inner < d.rank && unit * d.size[inner] <= kTile) unit *= d.size[inner++];
    cut = d.size[inner];
    const int64_t most = across ? kNarrow : kTile / unit;
    pieces = (cut + most - 1) / most;
    rows = (cut + pieces - 1) / pieces;
    pieces = (cut + rows - 1) / rows;
    for (int i = inner + 1; i < d.rank; ++i) outer *= d.size[i];
  }

  static bool crosses(const int64_t* stride) { return scalar::abs(stride[0]) >= 16; }
  int64_t count() const { return pieces * outer; }
  // Across the memory order boxes follow each other along the other dimensions, which is along that order.
  void at(int64_t box, int64_t& row, int64_t& position) const {
    row = (across ? box / outer : box % pieces) * rows;
    position = across ? box % outer : box / pieces;
  }
};

struct Input {
  const char* data;
  int64_t bytes;
  bool dense;           // contiguous within a box
  bool across = false;  // brought in by bands of boxes, which makes it so
  int64_t ahead = 0;    // beside such an input, the bytes from a box's values to those of the next one
  Tile convert = nullptr, narrow = nullptr, widen = nullptr;

  Input() = default;
  Input(const View& in, const Call& call, Dtype want, const Dimensions& d, const int64_t* stride, const Boxes& boxes)
      : data(in.as<const char>()),
        bytes(size_of(in.dtype)),
        dense(true),
        across(boxes.across && Boxes::crosses(stride)) {
    int64_t expected = 1;
    for (int i = 0; i <= boxes.inner && !across; ++i) {
      dense = dense && (d.size[i] == 1 || stride[i] == expected);
      expected *= d.size[i];
    }
    if (boxes.across && !across && dense) ahead = stride[1] * bytes;
    if (in.dtype != want) convert = convert_of(in.dtype, want);
    if (is_half(call.half) && in.dtype != call.half) {
      narrow = convert_of(Dtype::Float32, call.half);
      widen = convert_of(call.half, Dtype::Float32);
    }
  }

  // The raw values of `count` boxes from `position` on, each n of them from `row` on. Returns where those of the next
  // band lie, if it is the next one along the second dimension.
  const char* bring_band(int64_t row, int64_t position, int64_t count, int64_t n, const Dimensions& d,
                         const int64_t* stride, char* to) const {
    const char* next = data;
    for (const int64_t last = position + count; position < last;) {
      const int64_t run = std::min(last - position, d.size[1] - position % d.size[1]);
      int64_t offset = row * stride[0], rest = position;
      for (int i = 1; i < d.rank; ++i) {
        offset += rest % d.size[i] * stride[i];
        rest /= d.size[i];
      }
      copy_strided(to, {n + kApart / bytes, 1}, data + offset * bytes, {stride[1], stride[0]}, {run, n}, bytes);
      to += run * (n * bytes + kApart);
      position += run;
      next = data + (offset + run * stride[1]) * bytes;
    }
    return next;
  }

  // The values of one box at `source` into `values`, by way of `raw`.
  void bring(const void* source, char* values, char* raw, const int64_t* size, const int64_t* stride, int rank,
             int64_t n) const {
    if (!dense) {
      char* to = convert ? raw : values;
      gather(bytes, source, to, size, stride, rank);
      source = to;
    }
    if (convert) convert(&source, values, n);
    if (narrow) {
      const void* from = values;
      narrow(&from, raw, n);
      from = raw;
      widen(&from, values, n);
    }
  }
};

void fetch(const char* data, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(data + i);
}

// Brings the inputs of each box into contiguous values of the wanted dtype and calls the tile function.
__attribute__((noinline)) void run_tiled(const KernelArgs& args, const Call& call, const Dimensions& d) {
  const int inputs = static_cast<int>(args.in.size());
  const Boxes boxes(d, inputs);
  Input input[kMaxIn];
  for (int k = 0; k < inputs; ++k) input[k] = Input(args.in[k], call, call.want[k], d, d.stride[k], boxes);
  const View& out = args.out[0];
  const Tile convert_out = out.dtype == call.result ? nullptr : convert_of(call.result, out.dtype);
  const int64_t out_bytes = size_of(out.dtype);
  const bool past = streams(out.numel() * out_bytes);

  const int64_t block = std::max<int64_t>(1, kBlock / (boxes.unit * boxes.rows));
  parallel_for(boxes.count(), block, [&](int64_t begin, int64_t end) {
    alignas(64) char values[kMaxIn][kTile * 8], raw[kTile * 8], result[kTile * 8];
    const void* pointer[kMaxIn];
    const char* held[kMaxIn] = {};  // the source of what lies in values[k]; a broadcast input is brought in only once
    int64_t held_count[kMaxIn] = {};
    const Scratch<char> bands(boxes.across ? inputs * kBandBytes : 0, "elementwise");
    int64_t band = begin, band_end = begin;  // the boxes that lie there
    const char* next_band[kMaxIn];           // where the values of those behind them come from
    int64_t size[kMaxRank + 1];
    std::copy_n(d.size, boxes.inner, size);
    for (int64_t box = begin; box < end; ++box) {
      int64_t row, position, offset[kMaxIn];
      boxes.at(box, row, position);
      size[boxes.inner] = std::min(boxes.rows, boxes.cut - row);
      const int64_t n = size[boxes.inner] * boxes.unit;
      char* target = out.as<char>() + (position * boxes.cut + row) * boxes.unit * out_bytes;
      const auto band_of = [&](int k) { return bands.get() + k * kBandBytes; };
      if (boxes.across && box == band_end) {
        band = box;
        band_end = box + std::min({kBand, boxes.outer - position, end - box});
        for (int k = 0; k < inputs; ++k)
          if (input[k].across) {
            next_band[k] = input[k].bring_band(row, position, band_end - box, n, d, d.stride[k], band_of(k));
            held[k] = nullptr;
          }
      }
      // Each box fetches a row of what the next band is copied from first.
      for (int k = 0; k < inputs && past; ++k)
        if (input[k].across && box - band < n)
          fetch_far(next_band[k] + (box - band) * d.stride[k][0] * input[k].bytes, kBand * input[k].bytes);
      for (int k = 0; k < inputs; ++k) offset[k] = row * d.stride[k][boxes.inner];
      for (int i = boxes.inner + 1; i < d.rank; ++i) {
        const int64_t index = position % d.size[i];
        position /= d.size[i];
        for (int k = 0; k < inputs; ++k) offset[k] += index * d.stride[k][i];
      }
      for (int k = 0; k < inputs; ++k) {
        const Input& in = input[k];
        const char* source =
            in.across ? band_of(k) + (box - band) * (n * in.bytes + kApart) : in.data + offset[k] * in.bytes;
        const bool direct = in.dense && !in.convert;
        pointer[k] = direct ? source : values[k];
        if (in.ahead) fetch(source + in.ahead, n * in.bytes);
        if (direct || (held[k] == source && held_count[k] >= n)) continue;
        in.bring(source, values[k], raw, size, d.stride[k], boxes.inner + 1, n);
        held[k] = source;
        held_count[k] = n;
      }
      char* place = past ? raw : target;
      call.tile(pointer, convert_out ? result : place, n);
      if (convert_out) {
        const void* from = result;
        convert_out(&from, place, n);
      }
      if (past) stream(target, place, n * out_bytes);
    }
  });
}

void run(const KernelArgs& args, const Call& call) {
  const int inputs = static_cast<int>(args.in.size());
  const Dimensions d = merged(args);
  const View& out = args.out[0];
  bool direct = d.rank == 1 && out.dtype == call.result;
  for (int k = 0; k < inputs; ++k) direct = direct && d.stride[k][0] == 1 && args.in[k].dtype == call.want[k];
  if (!direct) return run_tiled(args, call, d);
  const int64_t out_bytes = size_of(out.dtype);
  const bool past = streams(d.size[0] * out_bytes);
  parallel_for(d.size[0], kBlock, [&](int64_t begin, int64_t end) {
    alignas(64) char result[kStreamed * 8];
    const int64_t most = past ? kStreamed : kBlock;
    for (int64_t at = begin; at < end; at += most) {
      const int64_t n = std::min(most, end - at);
      const void* pointer[kMaxIn];
      for (int k = 0; k < inputs; ++k) pointer[k] = args.in[k].as<char>() + at * size_of(args.in[k].dtype);
      char* target = out.as<char>() + at * out_bytes;
      call.tile(pointer, past ? result : target, n);
      if (past) stream(target, result, n * out_bytes);
    }
  });
}

// ---- rows

void run_row(const KernelArgs& args, const Tiles& tiles, TypeRule rule) {
  Dtype type = args.in[0].dtype;
  for (size_t k = 1; k < args.in.size(); ++k) type = promote(type, args.in[k].dtype);
  const Dtype half = rule.compute(type), compute = is_half(half) ? Dtype::Float32 : half;
  const Dtype result = rule.gives_bool() ? Dtype::Bool : compute;
  run(args, {tiles[static_cast<size_t>(compute)], {compute, compute, compute}, result, half});
}

// Rows that are quicker over values all of which are near, with the same bits.
template <class Row>
constexpr bool is_periodic = false;

bool all_near(const float* x, int64_t n) {
  int far = 0;
  for (int64_t i = 0; i < n; ++i) far |= !scalar::is_near(x[i]);
  return far == 0;
}

template <class Row, class T>
void tile(const void* const* in, void* out, int64_t n) {
  using Result = std::conditional_t<Row::rule.gives_bool(), bool, T>;
  Result* y = static_cast<Result*>(out);
  const T* a = static_cast<const T*>(in[0]);
  if constexpr (Row::inputs == 1) {
    if constexpr (is_periodic<Row> && std::is_same_v<T, float>) {
      if (all_near(a, n)) {
#pragma GCC ivdep
        for (int64_t i = 0; i < n; ++i) y[i] = Row::value(scalar::Near{a[i]});
        return;
      }
    }
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) y[i] = Row::template value<T>(a[i]);
  } else if constexpr (Row::inputs == 2) {
    const T* b = static_cast<const T*>(in[1]);
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) y[i] = Row::template value<T>(a[i], b[i]);
  } else {
    const T *b = static_cast<const T*>(in[1]), *c = static_cast<const T*>(in[2]);
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) y[i] = Row::template value<T>(a[i], b[i], c[i]);
  }
}

template <class Row, uint8_t kind, class T>
constexpr Tile tile_if() {
  if constexpr ((Row::rule.kinds & kind) != 0 && (kind == elementwise::kBool || Row::rule.rule != Rule::Logical))
    return tile<Row, T>;
  else
    return nullptr;
}

template <class Row>
constexpr Tiles tiles_of_row() {
  using namespace elementwise;
  return {{tile_if<Row, kBool, bool>(), tile_if<Row, kInt, int8_t>(), tile_if<Row, kInt, int16_t>(),
           tile_if<Row, kInt, int32_t>(), tile_if<Row, kInt, int64_t>(), tile_if<Row, kInt, uint8_t>(),
           tile_if<Row, kInt, uint16_t>(), tile_if<Row, kInt, uint32_t>(), tile_if<Row, kInt, uint64_t>(), nullptr,
           nullptr, tile_if<Row, kFloat, float>(), tile_if<Row, kFloat, double>(), nullptr}};
}

template <class Row>
void kernel(const KernelArgs& args) {
  static constexpr Tiles tiles = tiles_of_row<Row>();
  run_row(args, tiles, Row::rule);
}

#define ADDAX_ROW(kinds, dtype_rule, count)                             \
  static constexpr TypeRule rule{Rule::dtype_rule, elementwise::kinds}; \
  static constexpr int inputs = count;

#define ADDAX_UNARY(name, kinds, rule, keeps, expression, gradient) \
  struct name##_row {                                               \
    ADDAX_ROW(kinds, rule, 1)                                       \
    template <class T>                                              \
    ADDAX_HD auto value(T x) {                                      \
      using namespace scalar;                                       \
      return expression;                                            \
    }                                                               \
  };
#define ADDAX_BINARY(name, kinds, rule, keeps, expression, gradient_a, gradient_b) \
  struct name##_row {                                                              \
    ADDAX_ROW(kinds, rule, 2)                                                      \
    template <class T>                                                             \
    ADDAX_HD auto value(T a, T b) {                                                \
      using namespace scalar;                                                      \
      return expression;                                                           \
    }                                                                              \
  };
#include "addax/ops/elementwise.def"
#undef ADDAX_UNARY
#undef ADDAX_BINARY

template <>
constexpr bool is_periodic<sin_row> = true;
template <>
constexpr bool is_periodic<cos_row> = true;
template <>
constexpr bool is_periodic<tan_row> = true;

struct clip_row {
  ADDAX_ROW(Real, Number, 3)
  template <class T>
  ADDAX_HD auto value(T x, T low, T high) {
    return scalar::clip(x, low, high);
  }
};

// ---- the rest: ops that choose or move values of any dtype

template <class T>
void where_tile(const void* const* in, void* out, int64_t n) {
  const uint8_t* condition = static_cast<const uint8_t*>(in[0]);  // choices by bool would not vectorise
  const T *a = static_cast<const T*>(in[1]), *b = static_cast<const T*>(in[2]);
  T* y = static_cast<T*>(out);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const T yes = a[i], no = b[i];
    y[i] = condition[i] != 0 ? yes : no;
  }
}

void where(const KernelArgs& args) {
  Dtype type = args.out[0].dtype;
  const bool mixed = args.in[1].dtype != type || args.in[2].dtype != type;
  if (is_half(type) && mixed) type = Dtype::Float32;
  const Tile tile = with_bytes(type, [](auto tag) { return Tile(where_tile<decltype(tag)>); });
  run(args, {tile, {Dtype::Bool, type, type}, type});
}

template <class T>
void copy_tile(const void* const* in, void* out, int64_t n) {
  std::memmove(out, in[0], static_cast<size_t>(n) * sizeof(T));
}

void copy(const KernelArgs& args) {
  const Dtype type = args.out[0].dtype;
  const Tile tile = with_bytes(type, [](auto tag) { return Tile(copy_tile<decltype(tag)>); });
  run(args, {tile, {type}, type});
}

void cast(const KernelArgs& args) {
  const Dtype from = args.in[0].dtype, to = args.out[0].dtype;
  if (from == to) return copy(args);
  if (from == Dtype::Float64 && is_half(to)) return run(args, {narrow_to_odd, {from}, Dtype::Float32});
  // 16-bit floats convert from and to float32 only.
  const bool hop = to != Dtype::Float32 && (is_half(from) || is_half(to));
  const Dtype via = hop ? Dtype::Float32 : from;
  run(args, {convert_of(via, to), {via}, to});
}

}  // namespace

Tile tile_of(std::string_view name, Dtype compute) {
  static const auto* rows = new std::map<std::string_view, Tiles>{
#define ADDAX_UNARY(name, ...) {#name, tiles_of_row<name##_row>()},
#define ADDAX_BINARY(name, ...) {#name, tiles_of_row<name##_row>()},
#include "addax/ops/elementwise.def"
#undef ADDAX_UNARY
#undef ADDAX_BINARY
      {"clip", tiles_of_row<clip_row>()},
  };
  if (name == "where") return with_bytes(compute, [](auto tag) { return Tile(where_tile<decltype(tag)>); });
  const auto it = rows->find(name);
  return it == rows->end() ? nullptr : it->second[static_cast<size_t>(compute)];
}

void register_elementwise(KernelSink& sink) {
#define ADDAX_UNARY(name, ...) sink.set(#name, kernel<name##_row>);
#define ADDAX_BINARY(name, ...) sink.set(#name, kernel<name##_row>);
#include "addax/ops/elementwise.def"
#undef ADDAX_UNARY
#undef ADDAX_BINARY
  sink.set("where", where);
  sink.set("clip", kernel<clip_row>);
  sink.set("cast", cast);
  sink.set("stop_gradient", copy);
}

}  // namespace addax::cpu::ADDAX_ISA
