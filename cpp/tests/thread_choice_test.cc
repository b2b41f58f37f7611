// The choice between the pool and one thread: what is quicker wins, trials are few, and changes are noticed.
#include "graph/thread_choice.h"

#include <doctest/doctest.h>

using addax::ThreadChoice;

namespace {

// Runs that take so long with the pool and alone; returns how many were alone.
int run(ThreadChoice& choice, int runs, double pool, double alone) {
  int count = 0;
  for (int i = 0; i < runs; ++i) {
    const bool is_alone = choice.alone();
    count += is_alone;
    choice.took(is_alone ? alone : pool);
  }
  return count;
}

}  // namespace

TEST_CASE("runs that gain from the pool keep it, and try the other way ever less") {
  ThreadChoice choice;
  CHECK(run(choice, 32, 1e-3, 1.2e-3) == 0);
  CHECK(run(choice, 1000, 1e-3, 1.2e-3) <= 15);
  CHECK(run(choice, 1000, 1e-3, 1.2e-3) <= 6);
}

TEST_CASE("a trial that is far slower ends with its first run") {
  ThreadChoice choice;
  CHECK(run(choice, 1000, 1e-3, 2e-3) <= 5);
}

TEST_CASE("runs that the pool slows down do without, until that changes") {
  ThreadChoice choice;
  run(choice, 40, 2e-3, 1e-3);
  CHECK(choice.alone());
  CHECK(run(choice, 1000, 2e-3, 1e-3) >= 985);
  run(choice, 3000, 0.6e-3, 1e-3);
  CHECK_FALSE(choice.alone());
}

TEST_CASE("runs that become slower are tried alone at once") {
  ThreadChoice choice;
  run(choice, 3000, 1e-3, 1.5e-3);
  run(choice, 60, 2e-3, 1.5e-3);
  CHECK(choice.alone());
}

TEST_CASE("one slow run changes nothing") {
  ThreadChoice choice;
  run(choice, 700, 1e-3, 1.5e-3);
  choice.took(1.0);
  CHECK(run(choice, 30, 1e-3, 1.5e-3) == 0);
}

TEST_CASE("long runs keep the pool") {
  ThreadChoice choice;
  CHECK(run(choice, 1000, 10e-3, 1e-3) == 0);
}
