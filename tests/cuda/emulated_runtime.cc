// A device whose memory is the CPU's and whose kernels run under emulation.h: the plugin of the tests. Fresh memory
// holds what no kernel should read: NaN, -1 or true.
#include <cstdlib>
#include <cstring>
#include <memory>

#include "addax/error.h"
#include "core/block_cache.h"
#include "core/runtime.h"
#include "cuda/kernels.h"

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

thread_local int current = 0;

class EmulatedRuntime final : public DeviceRuntime {
 public:
  static constexpr int kDevices = 2;
  int count() const override { return kDevices; }
  DeviceInfo info(int) override { return {"emulated device", Memory::kAll, Memory::kAll}; }

  void* allocate(int index, int64_t bytes, const char* what) override {
    void* data = cache(index).allocate(bytes, what);
    std::memset(data, 0xff, static_cast<size_t>(bytes));
    return data;
  }
  void free(int index, void* data, int64_t) noexcept override { cache(index).free(data); }
  MemoryStats memory_stats(int index) override { return cache(index).stats(); }
  void reset_peak_memory(int index) override { cache(index).reset_peak(); }
  void empty_cache(int index) override { cache(index).empty(); }
  void set_memory_limit(int index, int64_t bytes) override { cache(index).set_limit(bytes); }

  void from_host(int, void* dst, const void* src, int64_t bytes) override { copy(dst, src, bytes); }
  void to_host(int, void* dst, const void* src, int64_t bytes) override { copy(dst, src, bytes); }
  void between(int, void* dst, int, const void* src, int64_t bytes) override { copy(dst, src, bytes); }
  void copy_strided(int index, void* dst, const Strides& dst_strides, const void* src, const Strides& src_strides,
                    const Shape& shape, int64_t item) override {
    current = index;
    cuda::copy_strided(dst, dst_strides, src, src_strides, shape, item);
  }
  void synchronize(int) override {}
  void run(int index, void (*kernel)(const KernelArgs&), const KernelArgs& args) override {
    current = index;
    kernel(args);
    if (fault.found) {
      const cuda::Fault f = fault;
      fault = {};
      cuda::fail_index(f);
    }
  }

  BlockCache& cache(int index) { return *caches_[index]; }
  cuda::Fault fault;

 private:
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
void copy_bytes(void* dst, const void* src, int64_t bytes) { std::memcpy(dst, src, static_cast<size_t>(bytes)); }
void upload(void* dst, const void* src, int64_t bytes) { std::memcpy(dst, src, static_cast<size_t>(bytes)); }

}  // namespace cuda
}  // namespace addax

extern "C" {

__attribute__((visibility("default"))) void addax_open() {
  addax::cuda::register_kernels();
  addax::register_runtime(addax::DeviceType::Cuda, &addax::runtime());
}
/// Whether the threads of later blocks run from the last to the first.
__attribute__((visibility("default"))) void emulation_set_reversed(int reversed) {
  emulation::set_reversed(reversed != 0);
}
__attribute__((visibility("default"))) int64_t emulation_launches() { return emulation::launches(); }
}
