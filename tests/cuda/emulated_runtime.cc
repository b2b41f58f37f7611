// A device whose memory is the CPU's and whose kernels run under emulation.h: the plugin of the tests. Fresh memory
// holds what no kernel should read: NaN, -1 or true.
#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "addax/error.h"
#include "core/block_cache.h"
#include "core/runtime.h"
#include "cuda/captured.h"
#include "cuda/conv.h"
#include "cuda/cublaslt.h"
#include "cuda/cudnn.h"
#include "cuda/disk_cache.h"
#include "cuda/kernels.h"
#include "cuda/library.h"
#include "cuda/nvrtc.h"

namespace addax {
namespace {

struct Memory final : SegmentSource {
  static constexpr int64_t kAll = int64_t{1} << 32;
  void* take(int64_t bytes) override {
    return bytes > kAll ? nullptr : std::aligned_alloc(512, static_cast<size_t>(bytes));
  }
  void give_back(void* data) override { std::free(data); }
  int64_t free_bytes() override { return kAll; }
};

using emulation::Calls;

void perform_all(const Calls& calls) {
  for (const auto& call : calls) call();
}

struct Captured {
  explicit Captured(BlockCache& cache) : memory(cache) {}
  Calls calls;
  bool refused = false;
  cuda::CapturedMemory memory;
};

thread_local int current = 0;
thread_local const char* running = "copy";  // the op that errors name
int capability = 90;
bool conditional = true;      // whether graphs may hold branches and loops
double own_milliseconds = 1;  // what work takes that no library does
thread_local Captured* capturing = nullptr;

void record(Calls& calls, FunctionRef<void()> steps) {
  struct Scope {
    Calls* before;
    ~Scope() { emulation::set_recorder(before); }
  } const scope{emulation::set_recorder(&calls)};
  steps();
}

class EmulatedRuntime final : public DeviceRuntime {
 public:
  static constexpr int kDevices = 2;
  int count() const override { return kDevices; }
  DeviceInfo info(int) override {
    return {cuda::device_name(),
            Memory::kAll,
            Memory::kAll,
            {{"cuBLASLt", cuda::lt_state()}, {"cuDNN", cuda::dnn_state()}, {"NVRTC", cuda::nvrtc_state()}}};
  }

  void* allocate(int index, int64_t bytes, const char* what) override {
    void* data = capturing ? capturing->memory.take(bytes, what) : cache(index).allocate(bytes, what);
    emulation::perform([=] { std::memset(data, 0xff, static_cast<size_t>(bytes)); });
    return data;
  }
  void free(int index, void* data, int64_t) noexcept override {
    if (!capturing || !capturing->memory.give_back(data)) cache(index).free(data);
  }
  MemoryStats memory_stats(int index) override { return cache(index).stats(); }
  void reset_peak_memory(int index) override { cache(index).reset_peak(); }
  void empty_cache(int index) override { cache(index).empty(); }
  void set_memory_limit(int index, int64_t bytes) override { cache(index).set_limit(bytes); }

  void from_host(int, void* dst, const void* src, int64_t bytes) override {
    refuse_capture("a copy from the host");
    copy(dst, src, bytes);
  }
  void to_host(int index, void* dst, const void* src, int64_t bytes) override {
    ++waits;
    copy(dst, src, bytes);
    synchronize(index);
  }
  void between(int, void* dst, int, const void* src, int64_t bytes) override {
    refuse_capture("a copy between devices");
    copy(dst, src, bytes);
  }
  void copy_strided(int index, void* dst, const Strides& dst_strides, const void* src, const Strides& src_strides,
                    const Shape& shape, int64_t item) override {
    current = index;
    cuda::copy_strided(dst, dst_strides, src, src_strides, shape, item);
  }
  void synchronize(int) override {
    refuse_capture("waiting");
    if (!fault.found) return;
    const cuda::Fault f = fault;
    fault = {};
    cuda::fail_index(f);
  }
  void run(int index, void (*kernel)(const KernelArgs&), const KernelArgs& args) override {
    current = index;
    running = args.op.name;
    kernel(args);
  }

  void branch(int index, const int32_t* which, int count, FunctionRef<void(int)> body) override {
    if (!capturing) return DeviceRuntime::branch(index, which, count, body);
    std::vector<Calls> bodies(static_cast<size_t>(count));
    for (int i = 0; i < count; ++i) record(bodies[static_cast<size_t>(i)], [&] { body(i); });
    capturing->refused = !conditional;
    emulation::perform([=, bodies = std::move(bodies)] {
      perform_all(bodies[static_cast<size_t>(std::clamp(*which, 0, count - 1))]);
    });
  }
  void loop(int index, const bool* condition, int64_t maximum, FunctionRef<void()> body) override {
    if (!capturing) return DeviceRuntime::loop(index, condition, maximum, body);
    Calls pass;
    record(pass, body);
    capturing->refused = !conditional;
    emulation::perform([=, pass = std::move(pass)] {
      for (int64_t done = 0; done != maximum && *condition; ++done) perform_all(pass);
    });
  }

  void* capture(int index, FunctionRef<void()> steps) override {
    refuse_capture("a capture");
    auto captured = std::make_unique<Captured>(cache(index));
    struct Scope {
      explicit Scope(Captured* c) { capturing = c; }
      ~Scope() { capturing = nullptr; }
    } const scope(captured.get());
    record(captured->calls, steps);
    return captured->refused ? nullptr : captured.release();
  }
  bool is_capturing() const override { return capturing; }
  void launch(int, void* captured) override {
    refuse_capture("a launch");
    ++launches;
    perform_all(static_cast<Captured*>(captured)->calls);
  }
  void destroy(int, void* captured) noexcept override { delete static_cast<Captured*>(captured); }

  BlockCache& cache(int index) { return *caches_[index]; }
  cuda::Fault fault;
  int64_t launches = 0;  // of captured work
  int64_t waits = 0;     // reads by the host
  int64_t loaded = 0;    // launches of kernels that were compiled at run time

 private:
  // What CUDA does not allow there.
  static void refuse_capture(const char* what) {
    if (capturing) fail<Error>("emulation: ", what, " while steps are captured");
  }
  static void copy(void* dst, const void* src, int64_t bytes) { std::memcpy(dst, src, static_cast<size_t>(bytes)); }
  Memory memory_;
  std::unique_ptr<BlockCache> caches_[kDevices] = {
      std::make_unique<BlockCache>(memory_, Device{DeviceType::Cuda, 0}),
      std::make_unique<BlockCache>(memory_, Device{DeviceType::Cuda, 1}),
  };
};

EmulatedRuntime& runtime() {
  static auto* r = new EmulatedRuntime;
  return *r;
}

}  // namespace

namespace cuda {

void* scratch(int64_t bytes, const char* what) { return runtime().allocate(current, bytes, what); }
void free_scratch(void* data) noexcept { runtime().free(current, data, 0); }
Fault* fault() { return &runtime().fault; }
void copy_bytes(void* dst, const void* src, int64_t bytes) {
  emulation::perform([=] { std::memcpy(dst, src, static_cast<size_t>(bytes)); });
}
void check(cudaError_t status, const char* doing) {
  if (status != cudaSuccess)
    fail<Error>(running, ": ", doing, " failed on cuda:", current, ": error ", static_cast<int>(status));
}
cudaStream_t stream() { return nullptr; }
int device_index() { return current; }
int compute_capability() { return capability; }
std::string device_name() { return "emulated device"; }
bool is_captured() { return capturing != nullptr; }
double milliseconds_of(const std::function<void()>& work) {
  emulation::reported_milliseconds = -1;
  work();
  return emulation::reported_milliseconds < 0 ? own_milliseconds : emulation::reported_milliseconds;
}

// What this library's NVRTC makes: a library too. Each has a path of its own, or it would be taken for the one before.
const void* load_kernel(const std::string& binary, const char* name, std::string& problem) {
  std::string path = "/tmp/addax_kernel_XXXXXX";
  const int file = mkstemp(path.data());
  const bool written = write(file, binary.data(), binary.size()) == static_cast<ssize_t>(binary.size());
  void* library = written ? dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) : nullptr;
  if (!library) problem = written ? dlerror() : "it could not be written";
  close(file);
  unlink(path.c_str());
  return library ? dlsym(library, name) : nullptr;
}
void launch_loaded(const void* kernel, Grid grid, int threads, const void* parameter, size_t bytes) {
  const auto call = reinterpret_cast<void (*)(const void*)>(const_cast<void*>(kernel));
  const char* first = static_cast<const char*>(parameter);
  const std::vector<char> copy(first, first + bytes);  // a captured launch runs later
  emulation::run({static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y), static_cast<unsigned>(grid.z)},
                 static_cast<unsigned>(threads), [=] { call(copy.data()); });
  ++runtime().loaded;
}

}  // namespace cuda
}  // namespace addax

extern "C" {

__attribute__((visibility("default"))) void addax_open() {
  addax::cuda::use_lt(nullptr, 1);  // the machine's own has nothing to run on
  addax::cuda::use_dnn(nullptr);    // nor has this one
  addax::cuda::use_nvrtc(nullptr);  // the machine's own makes nothing that runs here
  addax::cuda::register_kernels();
  addax::register_runtime(addax::DeviceType::Cuda, &addax::runtime());
}
/// Whether products are those of fake_cublaslt.cc.
__attribute__((visibility("default"))) void emulation_use_cublaslt(int use, int64_t least_work) {
  Dl_info here;
  dladdr(reinterpret_cast<void*>(&emulation_use_cublaslt), &here);
  addax::cuda::use_lt(use ? dlopen(here.dli_fname, RTLD_NOW) : nullptr, least_work);
}
/// Whether convolutions are products over patches that are written out.
__attribute__((visibility("default"))) void emulation_write_patches(int value) {
  addax::cuda::write_patches(value != 0);
}
/// Whether convolutions may be those of fake_cudnn.cc. Forgets which were chosen.
__attribute__((visibility("default"))) void emulation_use_cudnn(int use) {
  Dl_info here;
  dladdr(reinterpret_cast<void*>(&emulation_use_cudnn), &here);
  addax::cuda::use_dnn(use ? dlopen(here.dli_fname, RTLD_NOW) : nullptr);
}
/// What addax's own kernels are said to take.
__attribute__((visibility("default"))) void emulation_set_own_time(double milliseconds) {
  addax::own_milliseconds = milliseconds;
}
__attribute__((visibility("default"))) void emulation_set_capability(int value) { addax::capability = value; }
/// Whether branches and loops can be captured.
__attribute__((visibility("default"))) void emulation_set_conditional(int value) { addax::conditional = value != 0; }
__attribute__((visibility("default"))) int emulation_finds(const char* library) {
  return addax::cuda::open_library({library}) != nullptr;
}
/// Whether the threads of later blocks run from the last to the first.
__attribute__((visibility("default"))) void emulation_set_reversed(int reversed) {
  emulation::set_reversed(reversed != 0);
}
__attribute__((visibility("default"))) int64_t emulation_launches() { return emulation::launches(); }
/// Times that the host has waited for a value so far.
__attribute__((visibility("default"))) int64_t emulation_waits() { return addax::runtime().waits; }
/// Launches of captured work so far.
__attribute__((visibility("default"))) int64_t emulation_captured_launches() { return addax::runtime().launches; }
/// Launches of kernels that were compiled at run time so far.
__attribute__((visibility("default"))) int64_t emulation_loaded_launches() { return addax::runtime().loaded; }
/// Whether fused rows are compiled, by the functions of fake_nvrtc.cc. Forgets what was compiled before.
__attribute__((visibility("default"))) void emulation_use_nvrtc(int use) {
  Dl_info here;
  dladdr(reinterpret_cast<void*>(&emulation_use_nvrtc), &here);
  // Global, since compiled kernels read emulation::place.
  addax::cuda::use_nvrtc(use ? dlopen(here.dli_fname, RTLD_NOW | RTLD_GLOBAL) : nullptr);
}
/// DiskCache itself.
__attribute__((visibility("default"))) void emulation_cache_keep(const char* folder, int64_t most, const char* key,
                                                                 const char* content) {
  addax::cuda::DiskCache(folder, most).keep(key, content);
}
__attribute__((visibility("default"))) const char* emulation_cache_keep_first(const char* folder, const char* key,
                                                                              const char* content) {
  thread_local std::string kept;
  kept = addax::cuda::DiskCache(folder).keep_first(key, content);
  return kept.c_str();
}
__attribute__((visibility("default"))) const char* emulation_cache_find(const char* folder, const char* key) {
  thread_local std::string found;
  found = addax::cuda::DiskCache(folder).find(key);
  return found.c_str();
}
}
