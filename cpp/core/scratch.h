// Temporary memory inside a kernel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace addax {

/// 64-byte aligned bytes of the CPU allocator; `what` names the op in OutOfMemory.
void* cpu_allocate(int64_t bytes, const char* what);
void cpu_free(void* data, int64_t bytes);

/// The same, but from what the thread has of its own where it may be: see scratch.cc. The thread that took it frees it.
void* scratch_allocate(int64_t bytes, const char* what);
void scratch_free(void* data, int64_t bytes);

template <class T>
class Scratch {
 public:
  Scratch(int64_t count, const char* what)
      : bytes_(count * static_cast<int64_t>(sizeof(T))), data_(static_cast<T*>(scratch_allocate(bytes_, what))) {}
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { scratch_free(data_, bytes_); }
  T* get() const { return data_; }
  T& operator[](int64_t i) const { return data_[i]; }

 private:
  const int64_t bytes_;
  T* const data_;
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
