// The helper: a job beside the caller, one at a time, and fork.
#include "core/helper.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace addax;

TEST_CASE("a job runs beside the caller; a second one is refused meanwhile") {
  for (int i = 0; i < 100; ++i) {
    std::atomic<bool> go{false};
    Awaited done, refused;
    REQUIRE(start_on_helper(
        [&] {
          while (!go) usleep(10);
        },
        done));
    CHECK(!start_on_helper([] {}, refused));
    CHECK(!done.ended());
    go = true;
    done.wait();
    CHECK(done.ended());
    CHECK(!refused.ended());
  }
}

#if !defined(__SANITIZE_THREAD__)
TEST_CASE("a fork waits for the job, and its child has a helper of its own") {
  Awaited done;
  REQUIRE(start_on_helper([] { usleep(20000); }, done));
  const pid_t child = fork();
  if (child == 0) {
    Awaited own;
    if (!done.ended() || !start_on_helper([] {}, own)) _exit(1);
    own.wait();
    _exit(0);
  }
  CHECK(done.ended());
  int status = 1;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}
#endif
