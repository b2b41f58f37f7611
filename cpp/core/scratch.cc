// Scratch memory of bodies of parallel_for: each thread has its own, and takes and frees it as a stack. So a core finds
// it in its own cache from piece to piece and from kernel to kernel; blocks of the common allocator would pass from
// one core to another, and each line with them. Outside of a body memory is common, since all threads may write to it.
#include "core/scratch.h"

#include <new>

#include "core/parallel.h"

namespace addax {
namespace {

constexpr int64_t kBytes = int64_t{2} << 20;  // of which a thread uses as much as its kernels have asked for
constexpr std::align_val_t kAlignment{4096};
#if defined(__SANITIZE_ADDRESS__)
constexpr int64_t kLargest = -1;  // blocks of the allocator's have guards between them
#else
constexpr int64_t kLargest = kBytes;
#endif

struct Stack {
  char* base = nullptr;
  int64_t used = 0, blocks = 0;

  bool holds(const void* data) const { return base && data >= base && data < base + kBytes; }
};

thread_local Stack stack;  // lives on without its memory: static objects may run kernels when they are destroyed

struct EndOfThread {
  ~EndOfThread() {
    ::operator delete(stack.base, kAlignment);
    stack = {nullptr, kBytes, 0};
  }
};

int64_t rounded(int64_t bytes) { return bytes > 64 ? (bytes + 63) / 64 * 64 : 64; }

}  // namespace

void* scratch_allocate(int64_t bytes, const char* what) {
  if (bytes > kLargest || !inside_parallel_for()) return cpu_allocate(bytes, what);
  Stack& s = stack;
  if (!s.base && s.used == 0) {
    thread_local EndOfThread end;
    s.base = static_cast<char*>(::operator new(kBytes, kAlignment, std::nothrow));
  }
  const int64_t size = rounded(bytes);
  if (!s.base || size > kBytes - s.used) return cpu_allocate(bytes, what);
  char* const data = s.base + s.used;
  s.used += size;
  ++s.blocks;
  return data;
}

void scratch_free(void* data, int64_t bytes) {
  Stack& s = stack;
  if (!s.holds(data)) return cpu_free(data, bytes);
  // Blocks under others stay until the last is freed.
  const int64_t size = rounded(bytes);
  const char* const end = static_cast<char*>(data) + size;
  if (--s.blocks == 0)
    s.used = 0;
  else if (end == s.base + s.used)
    s.used -= size;
}

}  // namespace addax
