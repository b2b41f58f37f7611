// The fibers behind emulation.h.
#include "emulation.h"

#include <setjmp.h>
#include <ucontext.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace emulation {

Place place;
double reported_milliseconds = -1;

namespace {

constexpr size_t kStack = 128 * 1024;

enum class State { Ready, AtBlockBarrier, AtWarpBarrier, Done };

struct Fiber {
  jmp_buf context;
  ucontext_t start;
  std::unique_ptr<char[]> stack{new char[kStack]};
  State state = State::Done;
  bool started = false;
  char value[16];
};

std::mutex mutex;
std::vector<std::unique_ptr<Fiber>> fibers;
jmp_buf home;
ucontext_t home_context;
Fiber* running = nullptr;
unsigned running_index = 0, thread_count = 0;
const std::function<void()>* work = nullptr;
bool reversed = false;
int64_t launch_count = 0;
thread_local Calls* recorder = nullptr;

[[noreturn]] void stop(const char* what) {
  std::fprintf(stderr, "emulation: %s (block %u, %u, thread %u)\n", what, place.block.x, place.block.y, running_index);
  std::abort();
}

void leave(State state) {
  running->state = state;
  if (!_setjmp(running->context)) _longjmp(home, 1);
}

void fiber_main() {
  for (;;) {
    (*work)();
    leave(State::Done);
  }
}

void enter(unsigned index) {
  running_index = index;
  running = fibers[index].get();
  place.thread = {index, 0, 0};
  if (_setjmp(home)) return;
  if (running->started) _longjmp(running->context, 1);
  running->started = true;
  getcontext(&running->start);
  running->start.uc_stack.ss_sp = running->stack.get();
  running->start.uc_stack.ss_size = kStack;
  running->start.uc_link = nullptr;
  makecontext(&running->start, fiber_main, 0);
  swapcontext(&home_context, &running->start);
}

bool all_at(unsigned first, unsigned last, State state) {
  for (unsigned i = first; i < last; ++i)
    if (fibers[i]->state != state) return false;
  return true;
}

void release(unsigned first, unsigned last) {
  for (unsigned i = first; i < last; ++i) fibers[i]->state = State::Ready;
}

void run_block() {
  release(0, thread_count);
  for (;;) {
    bool any = false;
    for (unsigned i = 0; i < thread_count; ++i) {
      const unsigned index = reversed ? thread_count - 1 - i : i;
      if (fibers[index]->state != State::Ready) continue;
      any = true;
      enter(index);
    }
    if (all_at(0, thread_count, State::Done)) return;
    if (all_at(0, thread_count, State::AtBlockBarrier)) {
      release(0, thread_count);
      continue;
    }
    for (unsigned w = 0; w < thread_count; w += 32) {
      const unsigned end = w + 32 < thread_count ? w + 32 : thread_count;
      if (!all_at(w, end, State::AtWarpBarrier)) continue;
      any = true;
      release(w, end);
    }
    if (!any) stop("threads wait for others that do not come");
  }
}

}  // namespace

void run(dim3 grid, unsigned threads, const std::function<void()>& body) {
  if (recorder) return recorder->push_back([=] { run(grid, threads, body); });
  const std::lock_guard<std::mutex> lock(mutex);
  if (threads % 32 != 0 || threads == 0 || threads > 1024) stop("a block must have whole warps, 1024 threads at most");
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.y > 65535 || grid.z > 65535)
    stop("a grid of no blocks, or of too many");
  while (fibers.size() < threads) fibers.push_back(std::make_unique<Fiber>());
  work = &body;
  thread_count = threads;
  ++launch_count;
  place.block_size = {threads, 1, 1};
  place.grid = grid;
  for (unsigned z = 0; z < grid.z; ++z)
    for (unsigned y = 0; y < grid.y; ++y)
      for (unsigned x = 0; x < grid.x; ++x) {
        place.block = {x, y, z};
        run_block();
      }
}

Calls* set_recorder(Calls* calls) { return std::exchange(recorder, calls); }
void perform(std::function<void()> call) {
  if (recorder)
    recorder->push_back(std::move(call));
  else
    call();
}
void set_reversed(bool value) { reversed = value; }
int64_t launches() { return launch_count; }

void block_barrier() { leave(State::AtBlockBarrier); }

void exchange(void* value, size_t bytes, unsigned from) {
  Fiber* self = running;
  const unsigned warp = running_index / 32 * 32;
  std::memcpy(self->value, value, bytes);
  leave(State::AtWarpBarrier);
  std::memcpy(value, fibers[warp + from]->value, bytes);
  leave(State::AtWarpBarrier);
}

unsigned vote(bool yes) {
  const unsigned warp = running_index / 32 * 32;
  running->value[0] = yes;
  leave(State::AtWarpBarrier);
  unsigned votes = 0;
  for (unsigned lane = 0; lane < 32; ++lane) votes |= static_cast<unsigned>(fibers[warp + lane]->value[0]) << lane;
  leave(State::AtWarpBarrier);
  return votes;
}

}  // namespace emulation
