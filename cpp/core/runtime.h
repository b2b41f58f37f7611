// What a device other than the CPU does for tensors and for apply. A plugin registers one runtime per device type.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "addax/device.h"
#include "addax/dtype.h"
#include "addax/shape.h"
#include "core/parallel.h"

namespace addax {

struct OpDef;
struct KernelArgs;

class ADDAX_API DeviceRuntime {
 public:
  virtual ~DeviceRuntime() = default;
  virtual int count() const = 0;
  virtual DeviceInfo info(int index) = 0;

  /// Throws OutOfMemory, which names `what`.
  virtual void* allocate(int index, int64_t bytes, const char* what) = 0;
  virtual void free(int index, void* data, int64_t bytes) noexcept = 0;
  virtual MemoryStats memory_stats(int index) = 0;
  virtual void reset_peak_memory(int index) = 0;
  virtual void empty_cache(int index) = 0;
  virtual void set_memory_limit(int index, int64_t bytes) = 0;

  /// In order with the kernels of the device. The source may be changed as soon as this returns.
  virtual void from_host(int index, void* dst, const void* src, int64_t bytes) = 0;
  /// Waits for what was asked before. Throws what kernels found wrong.
  virtual void to_host(int index, void* dst, const void* src, int64_t bytes) = 0;
  virtual void between(int to, void* dst, int from, const void* src, int64_t bytes) = 0;
  /// As copy_strided of core/copy.h, within one device.
  virtual void copy_strided(int index, void* dst, const Strides& dst_strides, const void* src,
                            const Strides& src_strides, const Shape& shape, int64_t item) = 0;
  virtual void synchronize(int index) = 0;
  /// Calls the kernel with this device as the thread's current one. Throws errors that name the op.
  virtual void run(int index, void (*kernel)(const KernelArgs&), const KernelArgs& args) = 0;

  /// Calls body(i) for the int32 at `which`, taken as the closest of 0 to count - 1. Waits for that value.
  virtual void branch(int index, const int32_t* which, int count, FunctionRef<void(int)> body);
  /// Calls the body while the bool at `condition` is true, `maximum` times at most; -1: any number of times. Waits for
  /// each of these values.
  virtual void loop(int index, const bool* condition, int64_t maximum, FunctionRef<void()> body);

  /// Calls `steps`. What this thread asks of the device meanwhile, by `run`, `copy_strided`, `branch` and `loop`, is
  /// written down and not done; of branches every body is called, and that of a loop once, and a launch does what the
  /// values then say. What is allocated meanwhile lives as long as what is written down: it must be freed before the
  /// end, and later steps may use it again. Nothing else may be asked.
  /// Null where the device does not take what was written down.
  virtual void* capture(int index, FunctionRef<void()> steps) = 0;
  /// Whether this thread's steps are being written down.
  virtual bool is_capturing() const = 0;
  /// Does all that was written down, in order with the kernels of the device.
  virtual void launch(int index, void* captured) = 0;
  virtual void destroy(int index, void* captured) noexcept = 0;
};

/// The runtime of a device type, whose plugin is opened on first use; null where there is none, and for the CPU.
ADDAX_API DeviceRuntime* find_runtime(DeviceType type);
/// The same. Throws ValueError that says what is missing, and for an index that no device has.
ADDAX_API DeviceRuntime& runtime_of(Device device);
/// Called by plugins while they are opened. Never freed.
ADDAX_API void register_runtime(DeviceType type, DeviceRuntime* runtime);
/// Opens a plugin, which registers its runtime and kernels: the one beside libaddax is opened by itself.
/// Throws Error that says why it cannot be opened.
ADDAX_API void open_plugin(const std::string& path);

/// The folders that packages lie in, as sys.path has them: plugins look there for libraries that the system lacks.
ADDAX_API std::vector<std::string> package_folders();
ADDAX_API void set_package_folders(std::vector<std::string> folders);

}  // namespace addax
