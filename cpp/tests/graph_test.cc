// Traces, plans and passes as a C++ program uses them; and several threads on one plan, for the thread sanitizer.
#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <mutex>
#include <thread>

#include "addax/autograd.h"
#include "addax/device.h"
#include "addax/ops.h"
#include "graph/passes.h"
#include "graph/plan.h"
#include "graph/run.h"

using namespace addax;

namespace {

std::shared_ptr<Variable> variable(std::vector<float> values) {
  return std::make_shared<Variable>(Tensor::from_data(values.data(), {static_cast<int64_t>(values.size())}));
}

Tensor vector(std::vector<float> values) {
  return Tensor::from_data(values.data(), {static_cast<int64_t>(values.size())});
}

}  // namespace

TEST_CASE("a training step, traced once and run many times") {
  const auto w = variable({1, 2, 3});
  Trace trace;
  const Tensor x = trace.argument({3}, Dtype::Float32);
  trace.start();
  Tape tape(true);
  tape.start();
  const Tensor loss = sum(square(w->read() * x), {}, false);
  tape.stop();
  const Variable* sources[] = {w.get()};
  const Tensors grads = tape.gradient({loss}, Span<const Variable* const>(sources, 1), {}, false);
  w->assign(w->read() - grads[0] * 0.125);
  const Tensor results[] = {loss};
  Graph graph = trace.finish(Span<const Tensor>(results, 1));
  CHECK(w->peek().data<float>()[0] == 1);  // tracing assigns nothing
  CHECK(graph.states == 1);
  verify(graph);

  const Plan plan(optimize(std::move(graph)), trace.states());
  float expected[] = {1, 2, 3};
  for (int step = 0; step < 3; ++step) {
    const Tensor input = vector({1, 0.5f, 2});
    const Tensors out = plan.run(Span<const Tensor>(&input, 1));
    float sum_of_squares = 0;
    for (int i = 0; i < 3; ++i) {
      const float p = expected[i] * input.data<float>()[i];
      sum_of_squares += p * p;
      expected[i] -= 2 * p * input.data<float>()[i] * 0.125f;
    }
    CHECK(out[0].item() == doctest::Approx(sum_of_squares));
    for (int i = 0; i < 3; ++i) CHECK(w->peek().data<float>()[i] == doctest::Approx(expected[i]));
  }
}

TEST_CASE("who read a value before a run keeps it") {
  const auto w = variable({1, 2});
  Trace trace;
  trace.start();
  w->assign(w->read() * 2.0);
  const Plan plan(trace.finish({}), trace.states());
  const Tensor before = w->read();
  plan.run({});
  CHECK(before.data<float>()[1] == 2);
  CHECK(w->peek().data<float>()[1] == 4);
  const void* place = w->peek().raw();
  plan.run({});
  CHECK(w->peek().raw() == place);  // nobody else holds it: in place
  CHECK(w->peek().data<float>()[1] == 8);
}

TEST_CASE("a plan says what it was made for") {
  Trace trace;
  const Tensor x = trace.argument({2}, Dtype::Float32);
  trace.start();
  const Tensor y = exp(x);
  const Plan plan(trace.finish(Span<const Tensor>(&y, 1)), trace.states());
  const Tensor three = vector({1, 2, 3}), whole = cast(vector({1, 2}), Dtype::Int32);
  CHECK_THROWS_AS(plan.run(Span<const Tensor>(&three, 1)), ShapeError);
  CHECK_THROWS_AS(plan.run(Span<const Tensor>(&whole, 1)), DtypeError);
  CHECK_THROWS_AS(plan.run({}), ValueError);
}

TEST_CASE("one trace at a time on a thread, and none of variables without an owner") {
  Trace first, second;
  first.start();
  CHECK_THROWS_AS(second.start(), Error);
  Variable on_the_stack(vector({1}));
  CHECK_THROWS_AS(on_the_stack.read(), Error);
  {
    SuspendTrace suspend;
    CHECK(on_the_stack.read().item() == 1);
  }
  first.stop();
  CHECK(on_the_stack.read().item() == 1);
}

TEST_CASE("several threads run one plan") {
  const auto w = variable(std::vector<float>(2000, 0.5f));
  Trace trace;
  const Tensor x = trace.argument({40, 2000}, Dtype::Float32);
  trace.start();
  const Tensor y = sum(tanh(x * w->read()) + 1.0, {1}, false);
  const Plan plan(optimize(trace.finish(Span<const Tensor>(&y, 1))), trace.states());
  const Tensor input = Tensor::full({40, 2000}, 0.25, Dtype::Float32);
  const Tensor expected = plan.run(Span<const Tensor>(&input, 1))[0];
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        const Tensor out = plan.run(Span<const Tensor>(&input, 1))[0];
        wrong += !std::equal(out.data<float>(), out.data<float>() + 40, expected.data<float>());
      }
    });
  for (std::thread& t : threads) t.join();
  CHECK(wrong == 0);
}

// A plan whose inner values take `columns` * 160 bytes and more.
std::unique_ptr<Plan> plan_of_sums(int64_t columns) {
  Trace trace;
  const Tensor x = trace.argument({40, columns}, Dtype::Float32);
  trace.start();
  const Tensor sums = cumsum(x, 0);
  const Tensor y = sum(sums * cumsum(sums, 1), {1}, false);
  return std::make_unique<Plan>(optimize(trace.finish(Span<const Tensor>(&y, 1))), trace.states());
}

TEST_CASE("idle plans lend their memory to others, in any thread") {
  std::vector<std::unique_ptr<Plan>> plans;
  std::vector<Tensor> inputs, expected;
  int64_t all = 0, largest = 0;
  const auto run = [&](size_t i) { return plans[i]->run(Span<const Tensor>(&inputs[i], 1))[0]; };
  const int64_t before = memory_stats().live;
  for (size_t i = 0; i < 6; ++i) {
    plans.push_back(plan_of_sums(10000 + 4000 * static_cast<int64_t>(i)));
    const int64_t arena = plans[i]->stats().arena_bytes;
    CHECK(arena > int64_t{1} << 20);
    all += arena;
    largest = std::max(largest, arena);
    inputs.push_back(Tensor::full({40, 10000 + 4000 * static_cast<int64_t>(i)}, 1e-3, Dtype::Float32));
    expected.push_back(run(i));
  }
  int64_t given = 0;
  for (const Tensor& t : inputs) given += t.nbytes();
  CHECK(memory_stats().live - before < given + largest + largest / 2);  // blocks are somewhat larger than asked for
  CHECK(all > 3 * largest);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (size_t t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < 12; ++i) {
        const size_t which = (t * 5 + i * (t + 1)) % plans.size();
        const Tensor out = run(which);
        wrong += !std::equal(out.data<float>(), out.data<float>() + 40, expected[which].data<float>());
      }
    });
  for (std::thread& t : threads) t.join();
  CHECK(wrong == 0);
  plans.clear();
  CHECK(memory_stats().live - before < given + largest / 2);
}

TEST_CASE("a thread reads variables while groups of steps assign them") {
  const auto w = variable(std::vector<float>(4000, 0));
  Trace training;
  const Tensor rows = training.argument({2, 4000}, Dtype::Float32);
  training.start();
  w->assign(w->read() + sum(rows, {0}, false));
  const Plan step(optimize(training.finish({})), training.states());
  Trace reading;
  reading.start();
  const Tensor seen = w->read() * 1.0;
  const Plan read(reading.finish(Span<const Tensor>(&seen, 1)), reading.states());

  std::mutex mutex;
  std::atomic<bool> done{false};
  int torn = 0;
  std::thread reader([&] {
    while (!done) {
      std::unique_lock<std::mutex> lock(mutex);
      StartedRun run(read, {});
      lock.unlock();
      run.run();
      lock.lock();
      const Tensor value = run.finish()[0];
      for (int i = 1; i < 4000; ++i) torn += value.data<float>()[i] != value.data<float>()[0];
    }
  });
  const Tensor data = Tensor::full({40, 4000}, 1, Dtype::Float32);
  for (int group = 0; group < 20; ++group) {
    const std::lock_guard<std::mutex> lock(mutex);
    step.run_rows(Span<const Tensor>(&data, 1), nullptr, 0, 40, [&](FunctionRef<void()> work) {
      mutex.unlock();
      work();
      mutex.lock();
    });
  }
  done = true;
  reader.join();
  CHECK(torn == 0);
  CHECK(w->peek().data<float>()[3999] == 800);
}

TEST_CASE("text that is no graph is refused, whatever it is") {
  const std::string text =
      "graph(%0: float32(2, 3)) {\n  const %1: float32() = [1]\n  %2: float32(2, 3) = add(%0, %1)\n  return %2\n}\n";
  CHECK(to_text(parse_graph(text)) == text);
  for (size_t cut = 0; cut + 2 < text.size(); ++cut) CHECK_THROWS_AS(parse_graph(text.substr(0, cut)), Error);
  for (size_t at = 0; at < text.size(); ++at) {
    std::string other = text;
    other[at] = '#';
    try {
      parse_graph(other);
    } catch (const Error&) {
    }
  }
}
