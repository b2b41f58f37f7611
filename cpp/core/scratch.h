// Temporary memory inside a kernel, from the caching allocator.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace addax {

/// 64-byte aligned bytes of the CPU allocator; `what` names the op in OutOfMemory.
void* cpu_allocate(int64_t bytes, const char* what);
void cpu_free(void* data, int64_t bytes);

template <class T>
class Scratch {
 public:
  Scratch(int64_t count, const char* what)
      : bytes_(count * static_cast<int64_t>(sizeof(T))), data_(static_cast<T*>(cpu_allocate(bytes_, what))) {}
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { cpu_free(data_, bytes_); }
  T* get() const { return data_; }
  /// The memory is the caller's now, who frees it by cpu_free.
  T* release() { return std::exchange(data_, nullptr); }
  T& operator[](int64_t i) const { return data_[i]; }

 private:
  int64_t bytes_;
  T* data_;
};

/// For small lists inside of a kernel: runs that repeat find their memory in the cache.
template <class T>
struct CacheAllocator {
  using value_type = T;
  CacheAllocator() = default;
  template <class U>
  CacheAllocator(const CacheAllocator<U>&) {}
  T* allocate(size_t n) {
    return static_cast<T*>(cpu_allocate(static_cast<int64_t>(n * sizeof(T)), "a kernel's list"));
  }
  void deallocate(T* data, size_t n) { cpu_free(data, static_cast<int64_t>(n * sizeof(T))); }
  friend bool operator==(CacheAllocator, CacheAllocator) { return true; }
  friend bool operator!=(CacheAllocator, CacheAllocator) { return false; }
};
template <class T>
using List = std::vector<T, CacheAllocator<T>>;

}  // namespace addax
