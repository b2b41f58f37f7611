// The strided copy. The array is reduced to the fewest axes, then cut into planes of two axes (row, column), the
// innermost of the destination being the column; each plane is copied as runs of bytes, as a transposition in tiles or
// item by item.
#include "core/copy.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "core/fetch.h"
#include "core/parallel.h"
#include "core/runtime.h"
#include "core/stream.h"

namespace addax {
namespace {

constexpr int64_t kGrain = 128 * 1024;  // bytes that one piece of work should copy

// Steps are in bytes.
struct Axis {
  int64_t n, dst, src;
};

// past: writes past the caches.
using Plane = void (*)(char* dst, const char* src, const Axis& row, const Axis& column, bool past);

// n items with one value: the first of them once, then copies of those, which the C library writes fastest.
template <int N>
void fill_items(char* dst, const char* src, int64_t n) {
  constexpr int64_t kFirst = 4096 / N;
  char value[N];
  std::memcpy(value, src, N);
  const int64_t first = std::min(n, kFirst);
  for (int64_t i = 0; i < first; ++i) std::memcpy(dst + i * N, value, N);
  for (int64_t i = first; i < n; i += kFirst)
    std::memcpy(dst + i * N, dst, static_cast<size_t>(std::min(n - i, kFirst)) * N);
}

template <int N>
void copy_items(char* dst, int64_t dst_step, const char* src, int64_t src_step, int64_t n) {
  if (dst_step == N && src_step == 0)
    fill_items<N>(dst, src, n);
  else if (dst_step == N && src_step == -N)
    for (int64_t i = 0; i < n; ++i) std::memcpy(dst + i * N, src - i * N, N);  // constant steps: uses vectors
  else
    for (int64_t i = 0; i < n; ++i) std::memcpy(dst + i * dst_step, src + i * src_step, N);
}

// The column is a run of bytes: n counts bytes, both steps are 1.
void copy_runs(char* dst, const char* src, const Axis& row, const Axis& column, bool past) {
  if (past && column.n >= 256) return stream_rows(dst, row.dst, src, row.src, row.n, column.n);
  for (int64_t i = 0; i < row.n; ++i) std::memcpy(dst + i * row.dst, src + i * row.src, static_cast<size_t>(column.n));
}

template <int N>
void copy_plane(char* dst, const char* src, const Axis& row, const Axis& column, bool) {
  const bool swap = column.n < 16 && column.n < row.n;
  const Axis &outer = swap ? column : row, &inner = swap ? row : column;
  for (int64_t i = 0; i < outer.n; ++i)
    copy_items<N>(dst + i * outer.dst, inner.dst, src + i * outer.src, inner.src, inner.n);
}

template <int N>
struct Lanes;
template <>
struct Lanes<1> {
  typedef uint8_t type __attribute__((vector_size(16)));
};
template <>
struct Lanes<2> {
  typedef uint16_t type __attribute__((vector_size(16)));
};
template <>
struct Lanes<4> {
  typedef uint32_t type __attribute__((vector_size(16)));
};
template <>
struct Lanes<8> {
  typedef uint64_t type __attribute__((vector_size(16)));
};

template <class V, size_t... I>
void interleave(const V& a, const V& b, V& low, V& high, std::index_sequence<I...>) {
  constexpr size_t n = sizeof...(I);
  low = __builtin_shufflevector(a, b, (I / 2 + (I % 2) * n)...);
  high = __builtin_shufflevector(a, b, (n / 2 + I / 2 + (I % 2) * n)...);
}

// log2(L) rounds of interleaving register i with register i + L/2 transpose L registers of L lanes.
template <int L, class V>
void transpose_registers(V (&v)[L]) {
  V w[L];
  for (int round = 1; round < L; round *= 2) {
    for (int i = 0; i < L / 2; ++i)
      interleave(v[i], v[i + L / 2], w[2 * i], w[2 * i + 1], std::make_index_sequence<L>());
    for (int i = 0; i < L; ++i) v[i] = w[i];
  }
}

// A tile of up to kWide items along the source (the row axis) and kHigh along the destination (the column): two lines
// of as many source rows as the second cache holds at any distance, of the next tile too, which lies at `then` and is
// fetched meanwhile. Where the lines of the destination share few cache sets, or go past the caches, the tile is put
// together elsewhere first.
template <int N>
inline constexpr int kWide = 128 / N;
template <int N>
inline constexpr int kHigh = N > 4 ? 256 / N : 64;

template <int N>
void transpose_tile(char* dst, int64_t dst_step, const char* src, int64_t src_step, const char* then, int wide,
                    int high, bool past) {
  constexpr int L = 16 / N, kLine = kHigh<N> * N;
  alignas(64) char tile[kWide<N> * kLine];
  const bool direct = !past && dst_step % 512 != 0;
  char* rows = direct ? dst : tile;
  const int64_t step = direct ? dst_step : kLine;
  for (int c = 0; c < high; c += L) {
    for (int i = 0; i < L; ++i) fetch_far(then + (c + i) * src_step, wide * N);
    for (int r = 0; r < wide; r += L) {
      const char* from = src + c * src_step + r * N;
      char* to = rows + r * step + c * N;
      if constexpr (L == 1) {
        std::memcpy(to, from, N);
      } else {
        typename Lanes<N>::type v[L];
        for (int i = 0; i < L; ++i) std::memcpy(&v[i], from + i * src_step, 16);
        transpose_registers<L>(v);
        for (int i = 0; i < L; ++i) std::memcpy(to + i * step, &v[i], 16);
      }
    }
  }
  if (past) return stream_rows(dst, dst_step, tile, kLine, wide, high * N);
  if (direct) return;
  for (int r = 0; r < wide; ++r) std::memcpy(dst + r * dst_step, tile + r * kLine, static_cast<size_t>(high * N));
}

template <int N>
void transpose_plane(char* dst, const char* src, const Axis& row, const Axis& column, bool past) {
  constexpr int64_t L = 16 / N;
  const int64_t rows = row.n / L * L, columns = column.n / L * L;
  past = past && row.dst % 64 == 0;  // whole lines
  for (int64_t c = 0; c < columns; c += kHigh<N>)
    for (int64_t r = 0; r < rows; r += kWide<N>) {
      const char *from = src + r * N + c * column.src, *then = from;
      if (r + kWide<N> < rows)
        then += kWide<N> * N;
      else if (c + kHigh<N> < columns)
        then = src + (c + kHigh<N>)*column.src;
      transpose_tile<N>(dst + r * row.dst + c * N, row.dst, from, column.src, then,
                        static_cast<int>(std::min<int64_t>(kWide<N>, rows - r)),
                        static_cast<int>(std::min<int64_t>(kHigh<N>, columns - c)), past);
    }
  if (columns < column.n)
    copy_plane<N>(dst + columns * N, src + columns * column.src, {rows, row.dst, N},
                  {column.n - columns, N, column.src}, false);
  if (rows < row.n) copy_plane<N>(dst + rows * row.dst, src + rows * N, {row.n - rows, row.dst, N}, column, false);
}

template <int N>
Plane choose(const Axis& row, const Axis& column) {
  if constexpr (N == 1 || N == 2 || N == 4 || N == 8 || N == 16)
    if (column.dst == N && row.src == N && row.n >= 32 / N && column.n >= 32 / N) return transpose_plane<N>;
  return copy_plane<N>;
}

// Null for an item of a size that no plane is made for.
Plane choose(int64_t item, const Axis& row, const Axis& column) {
  switch (item) {
#define ADDAX_ITEM(n) \
  case n:             \
    return choose<n>(row, column);
    ADDAX_ITEM(1)
    ADDAX_ITEM(2)
    ADDAX_ITEM(3)
    ADDAX_ITEM(4)
    ADDAX_ITEM(6)
    ADDAX_ITEM(8)
    ADDAX_ITEM(12)
    ADDAX_ITEM(16)
    ADDAX_ITEM(24)
    ADDAX_ITEM(32)
#undef ADDAX_ITEM
    default:
      return nullptr;
  }
}

}  // namespace

void copy_strided(void* dst_data, const Strides& dst_strides, const void* src_data, const Strides& src_strides,
                  const Shape& shape, int64_t item) {
  char* dst = static_cast<char*>(dst_data);
  const char* src = static_cast<const char*>(src_data);

  // Positive steps in the destination, the largest first.
  std::array<Axis, kMaxRank + 1> axes;
  int rank = 0;
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] == 0) return;
    if (shape[i] == 1) continue;
    Axis axis{shape[i], dst_strides[i] * item, src_strides[i] * item};
    if (axis.dst < 0) {
      dst += (axis.n - 1) * axis.dst;
      src += (axis.n - 1) * axis.src;
      axis.dst = -axis.dst;
      axis.src = -axis.src;
    }
    int at = rank++;
    for (; at > 0 && axes[at - 1].dst < axis.dst; --at) axes[at] = axes[at - 1];
    axes[at] = axis;
  }
  // Axes that continue each other become one.
  int merged = 0;
  for (int i = 1; i < rank; ++i) {
    Axis& last = axes[merged];
    if (last.dst == axes[i].dst * axes[i].n && last.src == axes[i].src * axes[i].n)
      last = {last.n * axes[i].n, axes[i].dst, axes[i].src};
    else
      axes[++merged] = axes[i];
  }
  rank = rank ? merged + 1 : 0;
  // Contiguous items at the end become one wider item, or a run of bytes (item 1).
  bool runs = false;
  if (rank && axes[rank - 1].dst == item && axes[rank - 1].src == item) {
    const int64_t bytes = axes[rank - 1].n * item;
    runs = rank == 1 || !choose(bytes, {}, {});
    item = runs ? 1 : bytes;
    if (runs)
      axes[rank - 1] = {bytes, 1, 1};
    else
      --rank;
  }
  if (rank == 0) axes[rank++] = {1, item, item};

  // The plane: the innermost axis, and either the one along which the source is contiguous or the next one out.
  const Axis column = axes[--rank];
  Axis row{1, 0, 0};
  if (rank > 0) {
    int at = rank - 1;
    if (!runs)
      for (int i = 0; i < rank; ++i)
        if (axes[i].src == item) at = i;
    row = axes[at];
    for (--rank; at < rank; ++at) axes[at] = axes[at + 1];
  }
  const Plane plane = runs ? copy_runs : choose(item, row, column);

  // Blocks of a plane of about kGrain bytes: along the column, but along the row where the source runs so. Then they
  // follow each other along the column, so that the pages of the destination, which are many, stay known.
  const int64_t wide = kGrain / item;
  const bool across_rows = !runs && std::abs(column.src) > std::abs(row.src);
  const int64_t block_columns = std::min(column.n, across_rows ? std::max<int64_t>(64, wide / row.n / 64 * 64) : wide);
  const int64_t block_rows = std::min(row.n, std::max<int64_t>(1, wide / block_columns));
  const int64_t beside = (column.n + block_columns - 1) / block_columns;
  const int64_t down = (row.n + block_rows - 1) / block_rows;
  int64_t blocks = beside * down;
  for (int i = 0; i < rank; ++i) blocks *= axes[i].n;
  const bool past = streams(blocks * block_rows * block_columns * item);

  const int64_t piece = std::max<int64_t>(1, kGrain / (block_rows * block_columns * item));
  parallel_for(blocks, piece, [&](int64_t begin, int64_t end) {
    int64_t rest = begin / (beside * down), at = begin % (beside * down);
    std::array<int64_t, kMaxRank> index;
    char* d = dst;
    const char* s = src;
    for (int i = rank - 1; i >= 0; --i) {
      index[i] = rest % axes[i].n;
      rest /= axes[i].n;
      d += index[i] * axes[i].dst;
      s += index[i] * axes[i].src;
    }
    for (int64_t block = begin; block < end; ++block) {
      const int64_t r = at / beside * block_rows, c = at % beside * block_columns;
      plane(d + r * row.dst + c * column.dst, s + r * row.src + c * column.src,
            {std::min(block_rows, row.n - r), row.dst, row.src},
            {std::min(block_columns, column.n - c), column.dst, column.src}, past);
      if (++at < beside * down) continue;
      at = 0;
      for (int i = rank - 1; i >= 0; --i) {
        d += axes[i].dst;
        s += axes[i].src;
        if (++index[i] < axes[i].n) break;
        d -= axes[i].n * axes[i].dst;
        s -= axes[i].n * axes[i].src;
        index[i] = 0;
      }
    }
  });
}

void copy_strided(Device device, void* dst, const Strides& dst_strides, const void* src, const Strides& src_strides,
                  const Shape& shape, int64_t item) {
  if (!device.has_runtime()) return copy_strided(dst, dst_strides, src, src_strides, shape, item);
  if (numel(shape) > 0) runtime_of(device).copy_strided(device.index, dst, dst_strides, src, src_strides, shape, item);
}

}  // namespace addax
