// Devices: names, the thread's current one, and the plugins that bring others than the CPU.
#include "addax/device.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "addax/error.h"
#include "core/folder.h"
#include "core/runtime.h"

namespace addax {
namespace {

constexpr const char* kPlugin = "libaddax_cuda.so";
constexpr const char* kDriver = "libcuda.so.1";

std::array<std::atomic<DeviceRuntime*>, kNumDeviceTypes> runtimes{};

thread_local std::optional<Device> current;

std::mutex folders_mutex;
std::vector<std::string>& folders() {
  static auto* f = new std::vector<std::string>;
  return *f;
}

bool exists(const std::string& path) {
  if (void* handle = dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL)) {
    dlclose(handle);
    return true;
  }
  return false;
}

// What keeps CUDA devices away; empty: nothing.
std::string open_cuda() {
  if (!exists(kDriver))
    return "no NVIDIA driver was found (libcuda.so.1); install the driver of the graphics processor";
  try {
    open_plugin(folder_of_libaddax() + "/" + kPlugin);
  } catch (const Error& e) {
    return std::string(e.what()) + "; build it with ADDAX_CUDA=ON pip install .";
  }
  DeviceRuntime* runtime = runtimes[static_cast<size_t>(DeviceType::Cuda)];
  return runtime && runtime->count() > 0 ? "" : "the driver sees no device (CUDA_VISIBLE_DEVICES may hide it)";
}

const std::string& opened_cuda() {
  static const std::string missing = open_cuda();
  return missing;
}

Device first_device() {
  const char* name = std::getenv("ADDAX_DEVICE");
  if (name && *name) return device_from(name);
  return device_problem(DeviceType::Cuda).empty() ? Device{DeviceType::Cuda, 0} : Device{};
}

std::atomic<Device>& starting_device() {
  static std::atomic<Device> device(first_device());
  return device;
}

}  // namespace

std::string folder_of_libaddax() {
  Dl_info info;
  if (!dladdr(reinterpret_cast<void*>(&folder_of_libaddax), &info) || !info.dli_fname) return ".";
  const std::string path = info.dli_fname;
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

std::string name_of(Device device) {
  static const char* const names[] = {"cpu:", "cuda:", "jax:"};
  return names[static_cast<size_t>(device.type)] + std::to_string(device.index);
}
std::ostream& operator<<(std::ostream& out, Device device) { return out << name_of(device); }

Device device_from(std::string_view text) {
  const size_t colon = text.find(':');
  const std::string_view type = text.substr(0, colon);
  const std::string index = colon == std::string_view::npos ? "0" : std::string(text.substr(colon + 1));
  const bool number = !index.empty() && index.size() < 4 && index.find_first_not_of("0123456789") == std::string::npos;
  const bool cuda = type == "cuda" || type == "gpu";
  if (!number || (!cuda && type != "cpu"))
    fail<ValueError>("device: expected \"cpu:0\", \"cuda:0\", \"cuda:1\", ..., got \"", text, "\"");
  const Device device{cuda ? DeviceType::Cuda : DeviceType::Cpu, static_cast<int16_t>(std::stoi(index))};
  if (cuda)
    runtime_of(device);
  else if (device.index != 0)
    fail<ValueError>("device: there is one CPU, cpu:0, got \"", text, "\"");
  return device;
}

Device current_device() { return current ? *current : default_device(); }
std::optional<Device> set_current_device(std::optional<Device> device) { return std::exchange(current, device); }

Device default_device() { return starting_device().load(std::memory_order_relaxed); }
void set_default_device(Device device) { starting_device().store(device, std::memory_order_relaxed); }

void DeviceRuntime::branch(int index, const int32_t* which, int count, FunctionRef<void(int)> body) {
  int32_t chosen = 0;
  to_host(index, &chosen, which, sizeof chosen);
  body(std::clamp(chosen, 0, count - 1));
}

void DeviceRuntime::loop(int index, const bool* condition, int64_t maximum, FunctionRef<void()> body) {
  for (int64_t pass = 0; pass != maximum; ++pass) {
    bool again = false;
    to_host(index, &again, condition, sizeof again);
    if (!again) return;
    body();
  }
}

DeviceRuntime* find_runtime(DeviceType type) {
  std::atomic<DeviceRuntime*>& runtime = runtimes[static_cast<size_t>(type)];
  if (type == DeviceType::Cuda && !runtime.load(std::memory_order_acquire)) opened_cuda();
  return runtime.load(std::memory_order_acquire);
}

DeviceRuntime& runtime_of(Device device) {
  DeviceRuntime* runtime = find_runtime(device.type);
  if (!runtime) fail<ValueError>("device: ", device, " is not available: ", device_problem(device.type));
  if (device.index < 0 || device.index >= runtime->count())
    fail<ValueError>("device: there is no ", device, "; devices of this type: ", runtime->count());
  return *runtime;
}

std::string device_problem(DeviceType type) {
  if (type != DeviceType::Cuda) return {};
  DeviceRuntime* cuda = find_runtime(type);
  return cuda && cuda->count() > 0 ? std::string() : opened_cuda();
}

std::vector<Device> devices() {
  std::vector<Device> all{Device{}};
  if (DeviceRuntime* cuda = find_runtime(DeviceType::Cuda))
    for (int i = 0; i < cuda->count(); ++i) all.push_back({DeviceType::Cuda, static_cast<int16_t>(i)});
  return all;
}

DeviceInfo device_info(Device device) {
  return device.has_runtime() ? runtime_of(device).info(device.index) : DeviceInfo{"CPU", 0, 0};
}

void register_runtime(DeviceType type, DeviceRuntime* runtime) { runtimes[static_cast<size_t>(type)] = runtime; }

void open_plugin(const std::string& path) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) fail<Error>("this build of addax has no plugin for the device: ", dlerror());
  const auto entry = reinterpret_cast<void (*)()>(dlsym(handle, "addax_open"));
  if (!entry) fail<Error>(path, " is no plugin: it has no symbol addax_open");
  entry();
}

std::vector<std::string> package_folders() {
  const std::lock_guard<std::mutex> lock(folders_mutex);
  return folders();
}
void set_package_folders(std::vector<std::string> given) {
  const std::lock_guard<std::mutex> lock(folders_mutex);
  folders() = std::move(given);
}

void synchronize(Device device) {
  if (device.has_runtime()) runtime_of(device).synchronize(device.index);
}

}  // namespace addax
