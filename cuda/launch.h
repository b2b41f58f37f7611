// How kernels of this folder are launched, and what they share. Compiled by nvcc, or as C++ with
// tests/cuda/emulation.h.
//
// A family's file holds its device code and its host functions from KernelArgs to launches, and registers the latter
// under the names of the CPU column. Results do not depend on the device: pieces are cut by sizes alone, and partial
// results are combined in a fixed order.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <tuple>

#include "cuda/device.h"
#include "ops/kernel.h"
#include "ops/op.h"

namespace addax::cuda {

/// An index or a label out of range, as the first kernel that found one left it for the host.
struct Fault {
  static constexpr int kIndex = 1, kLabel = 2;
  int found = 0;
  int op = 0;    // its number in the table
  int axis = 0;  // or the example
  int64_t index = 0, size = 0;
};

/// Throws IndexError for what a kernel has found.
[[noreturn]] inline void fail_index(const Fault& f) {
  const char* name = op_table().rows()[static_cast<size_t>(f.op)]->name;
  if (f.found == Fault::kLabel)
    fail<IndexError>(name, ": label ", f.index, " of example ", f.axis, " is none of the ", f.size,
                     " classes of the logits; expected 0 to ", f.size - 1);
  if (f.size == 0) fail<IndexError>(name, ": index ", f.index, " into axis ", f.axis, ", which is empty");
  fail<IndexError>(name, ": index ", f.index, " is out of range for axis ", f.axis, " of size ", f.size, "; expected ",
                   -f.size, " to ", f.size - 1);
}

// What the runtime gives to the thread that runs a kernel's host function.
void* scratch(int64_t bytes, const char* what);
void free_scratch(void* data) noexcept;
/// Where kernels report; device memory or memory that both see.
Fault* fault();
void copy_bytes(void* dst, const void* src, int64_t bytes);
/// Throws what went wrong, if something did, and names the op.
void check(cudaError_t status, const char* doing);
cudaStream_t stream();
int device_index();
/// Of that device: 90 for 9.0.
int compute_capability();
/// With its compute capability.
std::string device_name();
/// Whether work is written down and not done.
bool is_captured();
/// Does the work, and waits for it; how many milliseconds the device took. Not for work that is captured.
double milliseconds_of(const std::function<void()>& work);

/// A kernel of a binary that was compiled at run time, for the life of the process. Null where the device does not take
/// the binary: `problem` says why.
const void* load_kernel(const std::string& binary, const char* name, std::string& problem);

/// Temporary device memory of an op; kernels that are launched later may reuse it, which is in order.
template <class T>
class Temporary {
 public:
  Temporary(int64_t count, const char* what)
      : data_(static_cast<T*>(scratch(count * static_cast<int64_t>(sizeof(T)), what))) {}
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  ~Temporary() { free_scratch(data_); }
  T* get() const { return data_; }

 private:
  T* data_;
};

struct Grid {
  int64_t x, y = 1, z = 1;
};

template <class... P, class... A>
void launch(void (*kernel)(P...), Grid grid, int threads, const A&... args) {
  const dim3 blocks{static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y), static_cast<unsigned>(grid.z)};
#ifdef ADDAX_EMULATED
  // By value: a captured launch runs later, and more than once.
  const std::tuple<P...> values(static_cast<P>(args)...);
  emulation::run(blocks, static_cast<unsigned>(threads), [kernel, values] { std::apply(kernel, values); });
#else
  std::tuple<P...> values(static_cast<P>(args)...);
  std::apply(
      [&](auto&... value) {
        void* pointers[] = {&value...};
        cudaLaunchKernel(kernel, blocks, dim3(static_cast<unsigned>(threads)), pointers, 0, stream());
      },
      values);
  check(cudaGetLastError(), "the launch");
#endif
}

/// Lets a library put its work behind the kernels before: `work` is given the stream.
template <class F>
void enqueue(F work) {
#ifdef ADDAX_EMULATED
  emulation::perform([work] { work(nullptr); });
#else
  work(stream());
#endif
}

/// Launches a kernel out of a binary. It has one parameter, of so many bytes.
void launch_loaded(const void* kernel, Grid grid, int threads, const void* parameter, size_t bytes);

/// Whether the widest access to memory may begin there.
inline bool is_vector(const void* data) { return reinterpret_cast<uintptr_t>(data) % 16 == 0; }

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
/// Blocks for n items of one thread each; threads go on by the grid's size.
inline Grid grid_for(int64_t n, int threads = kThreads) {
  return {std::max<int64_t>(1, std::min<int64_t>(ceil_div(n, threads), 1 << 20))};
}

}  // namespace addax::cuda
