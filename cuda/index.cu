// CUDA kernels of the index family. Indices are first checked and widened to positions in int64; the first one found
// out of range is left for the host, and what it addresses is skipped. Updates to one place are applied in the order of
// the indices: they are sorted by place, and each place adds its own.
#include "cuda/convert.h"
#include "cuda/kernels.h"
#include "cuda/places.h"
#include "cuda/walk.h"
#include "ops/index.h"

namespace addax::cuda {
namespace {

// ---- positions

// Rows of k indices, which address axes `first_axis`, ... of sizes `size`.
struct Points {
  const void* indices;
  Dtype dtype;
  int op, k, first_axis;
  int64_t count;
  int64_t size[kMaxRank];
};

__device__ inline int64_t index_at(const void* indices, Dtype dtype, int64_t i) {
  if (dtype != Dtype::UInt64) return load<int64_t>(indices, dtype, i);
  const uint64_t index = static_cast<const uint64_t*>(indices)[i], most = uint64_t{1} << 62;
  return static_cast<int64_t>(index < most ? index : most);
}

__global__ void positions_kernel(Points p, int64_t* to, Fault* fault) {
  for (int64_t i = thread_index(); i < p.count; i += thread_count()) {
    int64_t position = 0;
    for (int d = 0; d < p.k; ++d) {
      const int64_t index = index_at(p.indices, p.dtype, i * p.k + d), place = index < 0 ? index + p.size[d] : index;
      if (place < 0 || place >= p.size[d]) {
        if (atomicCAS(&fault->found, 0, Fault::kIndex) == 0) {
          fault->op = p.op;
          fault->axis = p.first_axis + d;
          fault->index = index;
          fault->size = p.size[d];
        }
        position = -1;
        break;
      }
      position = position * p.size[d] + place;
    }
    to[i] = position;
  }
}

// ---- reading

// out[o, j, c] = x[o, positions[j], c]; the axis of x has `axis` items.
template <class T>
__global__ void gather_kernel(const T* x, const int64_t* positions, int64_t outer, int64_t axis, int64_t m,
                              int64_t inner, T* out) {
  for (int64_t i = thread_index(); i < outer * m * inner; i += thread_count()) {
    const int64_t c = i % inner, j = i / inner % m, o = i / (inner * m), p = positions[j];
    out[i] = p < 0 ? T(0) : x[(o * axis + p) * inner + c];
  }
}

void gather(const View& x, const View& out, const Positions& positions, int64_t outer, int64_t axis, int64_t inner) {
  with_bytes(x.dtype, [&](auto tag) {
    using T = decltype(tag);
    launch(gather_kernel<T>, grid_for(out.numel()), kThreads, x.as<T>(), positions.get(), outer, axis, positions.size(),
           inner, out.as<T>());
  });
}

void take(const KernelArgs& args) {
  const View& x = args.in[0];
  const int axis = normalize_axis(args.attrs.as<AlongAxisAttrs>().axis, x.rank(), "take");
  const Positions positions(args, args.in[1], axis, 1);
  gather(x, args.out[0], positions, product(x.shape, 0, axis), x.shape[axis], product(x.shape, axis + 1, x.rank()));
}

void gather_nd(const KernelArgs& args) {
  const View& x = args.in[0];
  const int k = static_cast<int>(args.in[1].shape.back());
  gather(x, args.out[0], Positions(args, args.in[1], 0, k), 1, 0, product(x.shape, k, x.rank()));
}

// out[o, j, c] = x[o, positions[o, j, c], c]
template <class T>
__global__ void take_along_axis_kernel(const T* x, const int64_t* positions, int64_t total, int64_t n, int64_t m,
                                       int64_t inner, T* out) {
  for (int64_t i = thread_index(); i < total; i += thread_count()) {
    const int64_t p = positions[i];
    out[i] = p < 0 ? T(0) : x[(i / (m * inner) * n + p) * inner + i % inner];
  }
}

void take_along_axis(const KernelArgs& args) {
  const View &x = args.in[0], &out = args.out[0];
  const int axis = normalize_axis(args.attrs.as<AlongAxisAttrs>().axis, x.rank(), "take_along_axis");
  const Positions positions(args, args.in[1], axis, 1);
  with_bytes(x.dtype, [&](auto tag) {
    using T = decltype(tag);
    launch(take_along_axis_kernel<T>, grid_for(out.numel()), kThreads, x.as<T>(), positions.get(), out.numel(),
           x.shape[axis], out.shape[axis], product(x.shape, axis + 1, x.rank()), out.as<T>());
  });
}

// ---- writing

template <class Key>
__global__ void place_keys_kernel(const int64_t* places, int64_t updates, int64_t count, Key* keys) {
  for (int64_t i = thread_index(); i < updates; i += thread_count())
    keys[i] = static_cast<Key>(places[i] < 0 ? count : places[i]);
}
// starts[p]: the first of the sorted keys that is p or more, for p <= count.
template <class Key>
__global__ void starts_kernel(const Key* keys, int64_t updates, int64_t count, int64_t* starts) {
  for (int64_t p = thread_index(); p <= count; p += thread_count()) {
    int64_t low = 0, high = updates;
    while (low < high) {
      const int64_t middle = (low + high) / 2;
      if (keys[middle] < static_cast<Key>(p))
        low = middle + 1;
      else
        high = middle;
    }
    starts[p] = low;
  }
}

// out += updates; sums in A.
template <class A>
__global__ void scatter_add_kernel(Updates u, void* out, const void* updates, Dtype dtype) {
  for (int64_t i = thread_index(); i < u.total; i += thread_count()) {
    if (u.starts[i / u.columns] == u.starts[i / u.columns + 1]) continue;
    store<A>(out, dtype, i, u.sum(load<A>(out, dtype, i), updates, dtype, i));
  }
}
// The last update of a place stays.
template <class T>
__global__ void scatter_kernel(Updates u, T* out, const T* updates) {
  for (int64_t i = thread_index(); i < u.total; i += thread_count()) {
    const int64_t place = i / u.columns, last = u.starts[place + 1];
    if (u.starts[place] < last) out[i] = updates[int64_t(u.order[last - 1]) * u.columns + i % u.columns];
  }
}

void add(const Updates& u, const View& out, const void* updates) {
  if (out.dtype == Dtype::Float64)
    launch(scatter_add_kernel<double>, grid_for(u.total), kThreads, u, out.data, updates, out.dtype);
  else if (is_float(out.dtype))
    launch(scatter_add_kernel<float>, grid_for(u.total), kThreads, u, out.data, updates, out.dtype);
  else
    launch(scatter_add_kernel<int64_t>, grid_for(u.total), kThreads, u, out.data, updates, out.dtype);
}

// Copies x to the result and hands the updates, by the place of their slices, to write(updates, out, values).
template <class Write>
void scatter_with(const KernelArgs& args, const Write& write) {
  const View &x = args.in[0], &indices = args.in[1], &out = args.out[0];
  const int k = static_cast<int>(indices.shape.back());
  const Positions positions(args, indices, 0, k);
  if (x.data != out.data) copy_strided(out, x);
  const int64_t columns = product(out.shape, k, out.rank());
  const ByPlace places(positions.get(), positions.size(), out.numel() / columns, args.op.name);
  const Packed values(args.in[2], args.op.name);
  write(Updates{places.order(), places.starts(), columns, out.numel()}, out, values.get());
}

void scatter_add(const KernelArgs& args) { scatter_with(args, add); }

void scatter(const KernelArgs& args) {
  scatter_with(args, [](const Updates& u, const View& out, const void* values) {
    with_bytes(out.dtype, [&](auto tag) {
      using T = decltype(tag);
      launch(scatter_kernel<T>, grid_for(u.total), kThreads, u, out.as<T>(), static_cast<const T*>(values));
    });
  });
}

// The place in out (outer, n, inner) of each element of the updates (outer, m, inner).
__global__ void places_kernel(const int64_t* positions, int64_t total, int64_t n, int64_t m, int64_t inner,
                              int64_t* to) {
  for (int64_t i = thread_index(); i < total; i += thread_count())
    to[i] = positions[i] < 0 ? -1 : (i / (m * inner) * n + positions[i]) * inner + i % inner;
}

void scatter_add_along_axis(const KernelArgs& args) {
  const View &x = args.in[0], &indices = args.in[1], &out = args.out[0];
  const int axis = normalize_axis(args.attrs.as<AlongAxisAttrs>().axis, out.rank(), "scatter_add_along_axis");
  const Positions positions(args, indices, axis, 1);
  if (x.data != out.data) copy_strided(out, x);
  const int64_t count = positions.size();
  const Temporary<int64_t> to(count, args.op.name);
  if (count > 0)
    launch(places_kernel, grid_for(count), kThreads, positions.get(), count, out.shape[axis], indices.shape[axis],
           product(out.shape, axis + 1, out.rank()), to.get());
  const ByPlace places(to.get(), count, out.numel(), args.op.name);
  const Packed updates(args.in[2], args.op.name);
  add({places.order(), places.starts(), 1, out.numel()}, out, updates.get());
}

__global__ void one_hot_kernel(const void* indices, Dtype dtype, int64_t total, int64_t depth, void* out,
                               Dtype out_dtype) {
  for (int64_t i = thread_index(); i < total; i += thread_count())
    store<bool>(out, out_dtype, i, index_at(indices, dtype, i / depth) == i % depth);
}

void one_hot(const KernelArgs& args) {
  const View &indices = args.in[0], &out = args.out[0];
  launch(one_hot_kernel, grid_for(out.numel()), kThreads, indices.data, indices.dtype, out.numel(), out.shape.back(),
         out.data, out.dtype);
}

}  // namespace

Positions::Positions(const KernelArgs& args, const View& indices, int first_axis, int k)
    : indices_(indices, args.op.name), count_(indices.numel() / k), data_(count_, args.op.name) {
  Points p{indices_.get(), indices.dtype, args.op.index, k, first_axis, count_, {}};
  for (int d = 0; d < k; ++d) p.size[d] = args.in[0].shape[first_axis + d];
  if (count_ > 0) launch(positions_kernel, grid_for(count_), kThreads, p, data_.get(), fault());
}

ByPlace::ByPlace(const int64_t* places, int64_t updates, int64_t count, const char* what)
    : order_(updates, what), starts_(count + 1, what) {
  const int bits = bits_for(count + 1);
  with_key(bits, [&](auto tag) {
    using Key = decltype(tag);
    DoubleBuffer<Key> keys(updates, what);
    launch(place_keys_kernel<Key>, grid_for(updates), kThreads, places, updates, count, keys.get());
    order_.sort_by(keys, bits);
    launch(starts_kernel<Key>, grid_for(count + 1), kThreads, keys.get(), updates, count, starts_.get());
  });
}

void register_index(OpTable& table) {
  set(table, "take", take);
  set(table, "take_along_axis", take_along_axis);
  set(table, "gather_nd", gather_nd);
  set(table, "scatter_add", scatter_add);
  set(table, "scatter", scatter);
  set(table, "scatter_add_along_axis", scatter_add_along_axis);
  set(table, "one_hot", one_hot);
}

}  // namespace addax::cuda
