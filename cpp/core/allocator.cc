// The CPU's caching allocator.
#include "core/allocator.h"

#include <cstdlib>
#include <mutex>
#include <new>
#include <unordered_map>
#include <vector>

#include "addax/error.h"
#include "core/forked.h"
#include "core/runtime.h"
#include "core/scratch.h"

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace addax {
namespace {

constexpr std::align_val_t kAlignment{64};
constexpr int64_t kSmallest = 64;
constexpr int64_t kHuge = int64_t{8} << 20;
// Blocks above this go straight back to the system, which maps and unmaps them.
constexpr int64_t kLargestCached = int64_t{1} << 30;

struct Cache {
  std::mutex mutex;
  std::unordered_map<int64_t, std::vector<void*>> free;
  MemoryStats stats;
  int64_t limit = 0;
  int64_t fail_after = 0;

  void lock_for_fork() { mutex.lock(); }
  void unlock_after_fork() { mutex.unlock(); }
  void forget_threads() { new (&mutex) std::mutex; }
};

// Never destroyed: tensors held by static objects may be freed after it would be.
Cache& cache() {
  static Cache& c = through_forks(ForkOrder::Memory, new Cache);
  return c;
}

void release_cached(Cache& c) {
  for (auto& [bytes, blocks] : c.free)
    for (void* block : blocks) ::operator delete(block, kAlignment);
  c.free.clear();
  c.stats.cached = 0;
}

// Asks that the block lie on pages of 2 MiB: it then takes a few entries of the page tables' caches, not thousands.
void ask_for_huge_pages([[maybe_unused]] void* data, [[maybe_unused]] int64_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr uintptr_t kPage = uintptr_t{2} << 20;
  const uintptr_t begin = reinterpret_cast<uintptr_t>(data), first = (begin + kPage - 1) / kPage * kPage,
                  last = (begin + static_cast<uintptr_t>(bytes)) / kPage * kPage;
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#endif
}

void* system_allocate(Cache& c, int64_t bytes) {
  if (c.fail_after > 0 && --c.fail_after == 0) return nullptr;
  ++c.stats.allocations;
  void* data = ::operator new(static_cast<size_t>(bytes), kAlignment, std::nothrow);
  if (data && bytes >= kHuge) ask_for_huge_pages(data, bytes);
  return data;
}

}  // namespace

int64_t size_class(int64_t bytes) {
  if (bytes <= kSmallest) return kSmallest;
  const int log2 = 63 - __builtin_clzll(static_cast<unsigned long long>(bytes - 1));
  const int64_t step = std::max<int64_t>(kSmallest, int64_t{1} << (log2 > 3 ? log2 - 3 : 0));
  return (bytes + step - 1) / step * step;
}

void* cpu_allocate(int64_t bytes, const char* what) {
  const int64_t block = bytes > (int64_t{1} << 60) ? bytes : size_class(bytes);
  Cache& c = cache();
  std::lock_guard<std::mutex> lock(c.mutex);
  void* data = nullptr;
  const bool over_limit = c.limit > 0 && c.stats.live + block > c.limit;
  if (!over_limit && block <= (int64_t{1} << 60)) {
    auto it = c.free.find(block);
    if (it != c.free.end() && !it->second.empty()) {
      data = it->second.back();
      it->second.pop_back();
      c.stats.cached -= block;
    } else {
      data = system_allocate(c, block);
      if (!data) {  // give back what is cached and try once more
        release_cached(c);
        data = system_allocate(c, block);
      }
    }
  }
  if (!data)
    fail<OutOfMemory>(what, ": could not allocate ", bytes, " bytes on cpu:0 (live ", c.stats.live, ", cached ",
                      c.stats.cached, over_limit ? ", limit " + std::to_string(c.limit) : std::string(),
                      "); use a smaller batch or free tensors you no longer need");
  c.stats.live += block;
  c.stats.peak = std::max(c.stats.peak, c.stats.live);
  return data;
}

void cpu_free(void* data, int64_t bytes) {
  if (!data) return;
  const int64_t block = size_class(bytes);
  Cache& c = cache();
  std::lock_guard<std::mutex> lock(c.mutex);
  c.stats.live -= block;
  if (block > kLargestCached) {
    ::operator delete(data, kAlignment);
    return;
  }
  c.free[block].push_back(data);
  c.stats.cached += block;
}

MemoryStats memory_stats(Device device) {
  if (device.has_runtime()) return runtime_of(device).memory_stats(device.index);
  Cache& c = cache();
  std::lock_guard<std::mutex> lock(c.mutex);
  return c.stats;
}

void reset_peak_memory(Device device) {
  if (device.has_runtime()) return runtime_of(device).reset_peak_memory(device.index);
  Cache& c = cache();
  std::lock_guard<std::mutex> lock(c.mutex);
  c.stats.peak = c.stats.live;
}

void empty_cache(Device device) {
  if (device.has_runtime()) return runtime_of(device).empty_cache(device.index);
  Cache& c = cache();
  std::lock_guard<std::mutex> lock(c.mutex);
  release_cached(c);
}

void set_memory_limit(int64_t bytes, Device device) {
  if (bytes < 0) fail<ValueError>("set_memory_limit: expected bytes >= 0 (0 lifts the limit), got ", bytes);
  if (device.has_runtime()) return runtime_of(device).set_memory_limit(device.index, bytes);
  Cache& c = cache();
  std::lock_guard<std::mutex> lock(c.mutex);
  c.limit = bytes;
}

void fail_allocation_after(int64_t n) {
  Cache& c = cache();
  std::lock_guard<std::mutex> lock(c.mutex);
  c.fail_after = n;
}

}  // namespace addax
