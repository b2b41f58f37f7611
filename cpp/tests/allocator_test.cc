// The caching allocator: alignment, reuse, limits, failure.
#include "core/allocator.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "addax/ops.h"
#include "core/parallel.h"
#include "core/scratch.h"

using namespace addax;

TEST_CASE("size classes waste at most an eighth") {
  for (int64_t bytes = 1; bytes < 100000; bytes += 7) {
    const int64_t block = size_class(bytes);
    CHECK(block >= bytes);
    CHECK(block % 64 == 0);
    if (bytes >= 512) CHECK(block - bytes <= bytes / 8 + 64);
    CHECK(size_class(block) == block);
  }
}

TEST_CASE("blocks are aligned, reused and counted") {
  empty_cache();
  const MemoryStats before = memory_stats();
  void* a = cpu_allocate(1000, "test");
  CHECK(reinterpret_cast<uintptr_t>(a) % 64 == 0);
  CHECK(memory_stats().live == before.live + size_class(1000));
  cpu_free(a, 1000);
  CHECK(memory_stats().live == before.live);
  CHECK(memory_stats().cached == size_class(1000));
  const int64_t calls = memory_stats().allocations;
  void* b = cpu_allocate(1000, "test");
  CHECK(b == a);
  CHECK(memory_stats().allocations == calls);
  cpu_free(b, 1000);
  empty_cache();
  CHECK(memory_stats().cached == 0);
}

TEST_CASE("a failed allocation names the op and the bytes, and the engine goes on") {
  empty_cache();
  fail_allocation_after(1);
  void* after_retry = cpu_allocate(int64_t{1} << 20, "matmul");  // the cache is emptied and the system asked again
  cpu_free(after_retry, int64_t{1} << 20);
  CHECK_THROWS_WITH_AS(cpu_allocate(int64_t{1} << 62, "matmul"), doctest::Contains("matmul: could not allocate"),
                       OutOfMemory);
  set_memory_limit(memory_stats().live + 4096);
  CHECK_THROWS_AS(Tensor::empty({1 << 20}, Dtype::Float32), OutOfMemory);
  set_memory_limit(0);
  const Tensor t = Tensor::full({4}, 2, Dtype::Float32);
  CHECK(sum(t + t).item() == 16);
}

TEST_CASE("every allocation of an op may fail without harm") {
  const Tensor x = Tensor::full({64, 64}, 1, Dtype::Float32);
  for (int n = 1; n < 6; ++n) {
    empty_cache();
    set_memory_limit(memory_stats().live + n * 4096);
    try {
      softmax(matmul(x, x), -1);
    } catch (const OutOfMemory&) {
    }
    set_memory_limit(0);
    CHECK(sum(x).item() == 4096);
  }
}

TEST_CASE("threads may allocate and free together") {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([t] {
      for (int i = 0; i < 1000; ++i) {
        const int64_t bytes = 64 * (1 + (i * 7 + t) % 50);
        auto* p = static_cast<char*>(cpu_allocate(bytes, "test"));
        p[0] = p[bytes - 1] = 1;
        cpu_free(p, bytes);
      }
    });
  for (auto& t : threads) t.join();
  CHECK(memory_stats().live >= 0);
}

#if !defined(__SANITIZE_ADDRESS__)
TEST_CASE("inside of a body scratch memory is the thread's own, and the same from body to body") {
  const auto within = [](auto&& body) {
    parallel_for(2, 1, [&](int64_t begin, int64_t) {
      if (begin == 0) body();
    });
  };
  const AloneScope alone;
  const int64_t live = memory_stats().live;
  float* place = nullptr;
  for (const int64_t count : {1000, 10, 1000, 50000}) {
    const Scratch<float> outside(count, "test");
    CHECK(memory_stats().live == live + size_class(count * 4));
    within([&] {
      const Scratch<float> a(count, "test"), b(1, "test");
      if (!place) place = a.get();
      CHECK(a.get() == place);
      CHECK(reinterpret_cast<uintptr_t>(b.get()) % 64 == 0);
      CHECK(b.get() >= a.get() + count);
      CHECK(memory_stats().live == live + size_class(count * 4));
    });
    std::thread([&] {
      const AloneScope alone;
      within([&] { CHECK(Scratch<float>(count, "test").get() != place); });
    }).join();
  }
  within([&] {  // what does not fit, and what is not freed in reverse order
    const Scratch<char> most((int64_t{2} << 20) - 64, "test"), last(64, "test"), more(64, "test");
    CHECK(memory_stats().live == live + 64);
    CHECK_THROWS_AS(Scratch<char>(int64_t{1} << 62, "test"), OutOfMemory);
  });
  within([&] {
    void* const a = scratch_allocate(100, "test");
    void* const b = scratch_allocate(100, "test");
    scratch_free(a, 100);
    void* const c = scratch_allocate(100, "test");
    CHECK(c > b);
    scratch_free(c, 100);
    scratch_free(b, 100);
    CHECK(Scratch<float>(1, "test").get() == place);
  });
  CHECK(memory_stats().live == live);
}
#endif

#if !defined(__SANITIZE_THREAD__)
TEST_CASE("a child of fork allocates, whatever other threads did in the parent") {
  std::atomic<bool> stop{false};
  std::thread other([&] {
    while (!stop) cpu_free(cpu_allocate(1000, "test"), 1000);
  });
  bool well = true;
  for (int i = 0; well && i < 200; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);  // ends a child that waits for a lock
      cpu_free(cpu_allocate(1000, "test"), 1000);
      _exit(0);
    }
    int status = 1;
    well = waitpid(child, &status, 0) == child && WIFEXITED(status);
  }
  stop = true;
  other.join();
  CHECK(well);
}
#endif
