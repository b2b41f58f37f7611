// CUDA kernels of the sort family. The rows of an array are sorted together, by row and then by value, with as few bits
// as these have: in one sort where both are in a key, else by value first and then by row. top_k sorts its rows wholly:
// CUB's own selection, where its version has one, returns them in any order and takes any of equal values.
#include "cuda/convert.h"
#include "cuda/kernels.h"
#include "cuda/order.h"
#include "cuda/walk.h"
#include "ops/sort.h"
#include "ops/sort_key.h"

namespace addax::cuda {
namespace {

__device__ inline uint64_t key_at(const void* x, Dtype dtype, int64_t i) {
  switch (dtype) {
#define ADDAX_CASE(name, type) \
  case Dtype::name:            \
    return sort_key(static_cast<const type*>(x)[i]);
    ADDAX_DTYPES(ADDAX_CASE)
#undef ADDAX_CASE
    default:
      return 0;
  }
}

// keys[row * n + i] of a strided array whose sorted axis, of size n, is the innermost of the walk's shape. `inverted`:
// the bits of a value that are; `step`: between the keys of equal values in two rows, 0 if rows do not count.
template <class Key>
__global__ void keys_kernel(Walk<1> walk, const void* x, Dtype dtype, uint32_t n, Key inverted, Key step, Key* keys) {
  for (int64_t i = thread_index(); i < walk.n; i += thread_count()) {
    const Key row = static_cast<uint32_t>(i) / n;
    keys[i] = row * step + (static_cast<Key>(key_at(x, dtype, walk.at(i))) ^ inverted);
  }
}
__global__ void rows_kernel(const uint32_t* order, int64_t total, uint32_t n, uint32_t* rows) {
  for (int64_t i = thread_index(); i < total; i += thread_count()) rows[i] = order[i] / n;
}

// The first `count` of each row of n: positions within the row, and values.
template <class T>
__global__ void take_kernel(Walk<1> in, Walk<1> to, int64_t n, int64_t count, const uint32_t* order, const T* x,
                            T* values, int32_t* positions) {
  for (int64_t i = thread_index(); i < to.n; i += thread_count()) {
    const uint32_t from = order[i / count * n + i % count];
    const int64_t at = to.at(i);
    if (values) values[at] = x[in.at(from)];
    if (positions) positions[at] = static_cast<int32_t>(from % n);
  }
}

View axis_last(View view, int axis) {
  const int64_t size = view.shape[axis], step = view.strides[axis];
  view.shape.erase(axis);
  view.strides.erase(axis);
  view.shape.push_back(size);
  view.strides.push_back(step);
  return view;
}

Walk<1> walk_of(const View& view) { return {view.shape, {view.strides}}; }

// `values` and `positions`: where results go, or null.
void sort_rows(const KernelArgs& args, int axis, bool descending, const View* values, const View* positions) {
  const View x = axis_last(args.in[0], axis);
  const int64_t total = x.numel(), n = x.shape.back(), rows = total / n;
  const View result = axis_last(values ? *values : *positions, axis);
  const int value_bits = 8 * static_cast<int>(size_of(x.dtype)), row_bits = bits_for(rows);
  const bool together = value_bits + row_bits <= 64;
  const int bits = together ? value_bits + row_bits : value_bits;
  const uint64_t largest = ~uint64_t{0} >> (64 - value_bits);
  Order order(total, args.op.name);
  with_key(bits, [&](auto tag) {
    using Key = decltype(tag);
    DoubleBuffer<Key> keys(total, args.op.name);
    launch(keys_kernel<Key>, grid_for(total), kThreads, walk_of(x), x.data, x.dtype, n, descending ? largest : 0,
           largest + 1, keys.get());
    order.sort_by(keys, bits);
  });
  if (!together) {
    DoubleBuffer<uint32_t> keys(total, args.op.name);
    launch(rows_kernel, grid_for(total), kThreads, order.get(), total, n, keys.get());
    order.sort_by(keys, row_bits);
  }
  with_bytes(x.dtype, [&](auto tag) {
    using T = decltype(tag);
    launch(take_kernel<T>, grid_for(result.numel()), kThreads, walk_of(x), walk_of(result), n, result.shape.back(),
           order.get(), x.as<T>(), values ? values->as<T>() : nullptr, positions ? positions->as<int32_t>() : nullptr);
  });
}

void sort(const KernelArgs& args) {
  const SortAttrs& a = args.attrs.as<SortAttrs>();
  sort_rows(args, normalize_axis(a.axis, args.in[0].rank(), "sort"), a.descending, &args.out[0], nullptr);
}

void argsort(const KernelArgs& args) {
  const SortAttrs& a = args.attrs.as<SortAttrs>();
  sort_rows(args, normalize_axis(a.axis, args.in[0].rank(), "argsort"), a.descending, nullptr, &args.out[0]);
}

void top_k(const KernelArgs& args) { sort_rows(args, args.in[0].rank() - 1, true, &args.out[0], &args.out[1]); }

}  // namespace

void register_sort(OpTable& table) {
  set(table, "sort", sort);
  set(table, "argsort", argsort);
  set(table, "top_k", top_k);
}

}  // namespace addax::cuda
