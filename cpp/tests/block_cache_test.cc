// The allocator of devices over a driver that is none.
#include "core/block_cache.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <vector>

#include "addax/error.h"

using namespace addax;

namespace {

struct FakeDriver final : SegmentSource {
  int64_t left;
  std::map<void*, int64_t> given;
  explicit FakeDriver(int64_t bytes) : left(bytes) {}
  void* take(int64_t bytes) override {
    if (bytes > left) return nullptr;
    void* data = std::malloc(static_cast<size_t>(bytes));
    given[data] = bytes;
    left -= bytes;
    return data;
  }
  void give_back(void* data) override {
    left += given.at(data);
    given.erase(data);
    std::free(data);
  }
  int64_t free_bytes() override { return left; }
};

constexpr int64_t kMiB = int64_t{1} << 20;
constexpr Device kDevice{DeviceType::Cuda, 0};

}  // namespace

TEST_CASE("small blocks share a segment and are merged again") {
  FakeDriver driver(1024 * kMiB);
  BlockCache cache(driver, kDevice);
  char* a = static_cast<char*>(cache.allocate(1000, "test"));
  char* b = static_cast<char*>(cache.allocate(1, "test"));
  char* c = static_cast<char*>(cache.allocate(512, "test"));
  CHECK(b == a + 1024);
  CHECK(c == b + 512);
  CHECK(driver.given.size() == 1);
  CHECK(cache.stats().live == 2048);
  CHECK(cache.stats().cached == 2 * kMiB - 2048);
  cache.free(a);
  cache.free(c);
  CHECK(cache.allocate(1024, "test") == a);  // the least block that fits
  cache.free(a);
  cache.free(b);
  CHECK(cache.stats().live == 0);
  CHECK(cache.allocate(1 << 20, "test") == a);  // one block again
  cache.free(a);
  cache.empty();
  CHECK(driver.given.empty());
  CHECK(cache.stats().cached == 0);
  CHECK(cache.stats().peak == 1 << 20);
}

TEST_CASE("large blocks are cut from segments of their own, by need where there is little") {
  FakeDriver driver(40 * kMiB);
  BlockCache cache(driver, kDevice);
  void* a = cache.allocate(3 * kMiB, "test");
  CHECK(driver.given.begin()->second == BlockCache::kLargeSegment);
  void* b = cache.allocate(29 * kMiB, "test");
  CHECK(driver.given.size() == 1);
  void* c = cache.allocate(7 * kMiB, "test");  // 32 MiB are no longer there
  CHECK(driver.left == 0);
  CHECK_THROWS_WITH_AS(
      cache.allocate(kMiB, "matmul"),
      "matmul: could not allocate 1048576 bytes on cuda:0 (live 40894464, cached 1048576, free 0); use a "
      "smaller batch or free tensors you no longer need",
      OutOfMemory);
  cache.free(b);
  void* d = cache.allocate(20 * kMiB, "test");  // the cache stays usable
  CHECK(d == b);
  cache.free(a);
  cache.free(c);
  cache.free(d);
}

TEST_CASE("what is cached is given back before it runs out") {
  FakeDriver driver(64 * kMiB);
  BlockCache cache(driver, kDevice);
  cache.free(cache.allocate(32 * kMiB, "test"));
  void* a = cache.allocate(60 * kMiB, "test");
  CHECK(driver.given.size() == 1);
  CHECK(cache.stats().allocations > 2);
  cache.free(a);
}

TEST_CASE("the limit") {
  FakeDriver driver(64 * kMiB);
  BlockCache cache(driver, kDevice);
  cache.set_limit(kMiB);
  void* a = cache.allocate(kMiB / 2, "test");
  CHECK_THROWS_WITH_AS(cache.allocate(kMiB, "conv"), doctest::Contains("limit 1048576"), OutOfMemory);
  CHECK_THROWS_AS(cache.allocate(int64_t{1} << 62, "conv"), OutOfMemory);
  cache.set_limit(0);
  void* b = cache.allocate(kMiB, "test");
  cache.free(a);
  cache.free(b);
}

TEST_CASE("blocks in use never overlap") {
  FakeDriver driver(256 * kMiB);
  BlockCache cache(driver, kDevice);
  std::mt19937 random(7);
  std::map<char*, int64_t> used;
  for (int step = 0; step < 4000; ++step) {
    if (used.size() < 40 || random() % 2) {
      const int64_t bytes = 1 + random() % (random() % 4 ? 4096 : 3 * kMiB);
      char* data = static_cast<char*>(cache.allocate(bytes, "test"));
      const auto after = used.lower_bound(data);
      CHECK((after == used.end() || data + bytes <= after->first));
      if (after != used.begin()) CHECK(std::prev(after)->first + std::prev(after)->second <= data);
      used[data] = bytes;
    } else {
      auto it = used.begin();
      std::advance(it, random() % used.size());
      cache.free(it->first);
      used.erase(it);
    }
  }
  for (const auto& [data, bytes] : used) cache.free(data);
  CHECK(cache.stats().live == 0);
  cache.empty();
  CHECK(driver.given.empty());
}
