// parallel_for: every piece once, any number of threads, exceptions, nesting, several callers, fork.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

#include "addax/device.h"
#include "addax/error.h"
#include "core/parallel.h"

using namespace addax;

namespace {

int64_t sum_to(int64_t n, int64_t block, bool long_pieces = false) {
  std::atomic<int64_t> total{0};
  const auto add = [&](int64_t begin, int64_t end) {
    int64_t part = 0;
    for (int64_t i = begin; i < end; ++i) part += i;
    total += part;
  };
  parallel_for(n, block, add, long_pieces);
  return total;
}

struct Threads {
  explicit Threads(int n) : before(num_threads()) { set_num_threads(n); }
  ~Threads() { set_num_threads(before); }
  int before;
};

}  // namespace

TEST_CASE("pieces cover the range once, whatever the number of threads") {
  for (int n : {1, 2, 3, 8}) {
    const Threads threads(n);
    CHECK(sum_to(0, 4) == 0);
    CHECK(sum_to(1, 4) == 0);
    CHECK(sum_to(1000, 7) == 499500);
    std::vector<int> hits(1001);
    parallel_for(1001, 10, [&](int64_t begin, int64_t end) {
      CHECK(begin % 10 == 0);
      for (int64_t i = begin; i < end; ++i) ++hits[static_cast<size_t>(i)];
    });
    CHECK(std::accumulate(hits.begin(), hits.end(), 0) == 1001);
  }
}

TEST_CASE("a thread that works alone does every piece") {
  const Threads threads(4);
  const auto on_this_thread = [] {
    std::atomic<int> elsewhere{0};
    const auto here = std::this_thread::get_id();
    for (int i = 0; i < 20; ++i)
      parallel_for(
          8, 1,
          [&](int64_t, int64_t) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
            elsewhere += std::this_thread::get_id() != here;
          },
          true);
    return elsewhere == 0;
  };
  {
    const AloneScope alone;
    {
      const AloneScope inner(false);
      CHECK(on_this_thread());
    }
    CHECK(on_this_thread());
    CHECK(sum_to(1000, 7) == 499500);
  }
  CHECK_FALSE(on_this_thread());
}

TEST_CASE("many short jobs in a row") {
  const Threads threads(4);
  for (int i = 0; i < 2000; ++i) CHECK(sum_to(64, 8) == 2016);
}

TEST_CASE("jobs for sleeping workers") {
  const Threads threads(4);
  for (const bool long_pieces : {false, true})
    for (const int64_t block : {8, 500, 40000}) {
      sum_to(64, 8);
      usleep(2000);
      CHECK(sum_to(100000, block, long_pieces) == 4999950000);
    }
}

TEST_CASE("an exception reaches the caller and the pool goes on") {
  const Threads threads(4);
  CHECK_THROWS_AS(parallel_for(100, 1,
                               [](int64_t begin, int64_t) {
                                 if (begin == 37) throw std::runtime_error("piece 37");
                               }),
                  std::runtime_error);
  CHECK(sum_to(1000, 7) == 499500);
}

TEST_CASE("nested calls run inline") {
  const Threads threads(4);
  std::atomic<int64_t> total{0};
  parallel_for(8, 1, [&](int64_t, int64_t) { total += sum_to(100, 9); });
  CHECK(total == 8 * 4950);
}

TEST_CASE("several callers at once") {
  const Threads threads(3);
  std::vector<std::thread> callers;
  std::atomic<int> right{0};
  for (int c = 0; c < 4; ++c)
    callers.emplace_back([&] {
      for (int i = 0; i < 200; ++i) right += sum_to(500, 11) == 124750;
    });
  for (auto& c : callers) c.join();
  CHECK(right == 800);
}

TEST_CASE("bad sizes are refused") { CHECK_THROWS_AS(set_num_threads(0), ValueError); }

#if !defined(__SANITIZE_THREAD__)
TEST_CASE("a child of fork computes with workers of its own") {
  const Threads threads(3);
  CHECK(sum_to(1000, 7) == 499500);
  const pid_t child = fork();
  if (child == 0) _exit(sum_to(1000, 7) == 499500 ? 0 : 1);
  int status = 1;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(sum_to(1000, 7) == 499500);
}
#endif

TEST_CASE("idle workers use no processor time") {
  const Threads threads(4);
  sum_to(100000, 10);
  timespec before, after;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
  usleep(200000);
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
  const double used =
      static_cast<double>(after.tv_sec - before.tv_sec) + 1e-9 * static_cast<double>(after.tv_nsec - before.tv_nsec);
  CHECK(used < 0.05);  // a spinning worker would use all of the 0.2 s
}
