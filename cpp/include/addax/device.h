// A device: where bytes live and which kernel column runs.
#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "addax/api.h"

namespace addax {

/// Jax stands for whatever devices JAX computes on; the other types have columns of kernels.
enum class DeviceType : uint8_t { Cpu, Cuda, Jax };
inline constexpr int kNumDeviceTypes = 2;  // with kernels

struct Device {
  DeviceType type = DeviceType::Cpu;
  int16_t index = 0;

  /// Whether only its runtime (core/runtime.h) reads its memory.
  bool has_runtime() const { return type == DeviceType::Cuda; }
  friend bool operator==(Device a, Device b) { return a.type == b.type && a.index == b.index; }
  friend bool operator!=(Device a, Device b) { return !(a == b); }
};

/// "cpu:0", "cuda:1".
ADDAX_API std::ostream& operator<<(std::ostream& out, Device device);
ADDAX_API std::string name_of(Device device);
/// The device of that name; the index may be left out, "gpu" is "cuda". Throws ValueError if there is none such, which
/// says what is missing.
ADDAX_API Device device_from(std::string_view text);
/// Every device, the CPU first.
ADDAX_API std::vector<Device> devices();
/// Why there is no device of a type: what is missing and how to get it. Empty if there is one.
ADDAX_API std::string device_problem(DeviceType type);
/// Where this thread's new tensors go: where it was told to, else the default device.
ADDAX_API Device current_device();
/// Tells the thread, or leaves it to the default again; returns what it was told before.
ADDAX_API std::optional<Device> set_current_device(std::optional<Device> device);
/// What ADDAX_DEVICE names, else the first CUDA device, else the CPU. Throws ValueError for a name that is none.
ADDAX_API Device default_device();
ADDAX_API void set_default_device(Device device);
/// Returns once the device has done what it was asked. Throws what kernels found wrong.
ADDAX_API void synchronize(Device device);

struct DeviceInfo {
  std::string name;
  int64_t memory = 0, free = 0;  // in bytes; 0: not known
  /// What it computes with besides its own kernels: a library's name, and its version or what is missing.
  std::vector<std::pair<std::string, std::string>> libraries = {};
};
ADDAX_API DeviceInfo device_info(Device device);

/// Counters of one device's caching allocator, in bytes.
struct MemoryStats {
  int64_t live = 0;         // handed out now
  int64_t peak = 0;         // most ever live since the last reset
  int64_t cached = 0;       // freed, kept for reuse
  int64_t allocations = 0;  // calls that reached the system
};

ADDAX_API MemoryStats memory_stats(Device device = {});
ADDAX_API void reset_peak_memory(Device device = {});
/// Returns cached blocks to the system.
ADDAX_API void empty_cache(Device device = {});
/// Refuses to hold more than this many live bytes; 0 lifts the limit.
ADDAX_API void set_memory_limit(int64_t bytes, Device device = {});

/// Threads that share the work of one kernel, the caller included.
ADDAX_API int num_threads();
/// Throws ValueError unless n >= 1. Results do not depend on n.
ADDAX_API void set_num_threads(int n);
/// The largest M with which float32 convolutions under 3 x 3 filters use Winograd's F(M x M, 3 x 3), where their sizes
/// say that it is faster. At start 4, or what ADDAX_WINOGRAD says.
ADDAX_API int winograd();
/// Throws ValueError unless m is 0 (direct sums), 2 or 4. Errors are up to 1.6 times those of direct sums with 4, less
/// than half of them with 2.
ADDAX_API void set_winograd(int m);
/// Whether CUDA devices may round the factors of float32 products and convolutions to TF32, which has 10 bits of
/// mantissa, for their tensor cores. At start false, or what ADDAX_TF32 says. Kernels read it when they run.
ADDAX_API bool tf32();
ADDAX_API void set_tf32(bool value);
/// The instruction set whose kernels run: "baseline", "avx2", "avx512", "neon".
ADDAX_API const char* cpu_isa();
/// One line on the BLAS in use: name, version, core type.
ADDAX_API const char* blas_info();

}  // namespace addax
