// The tape from C++: what is recorded, kept and freed.
#include <doctest/doctest.h>

#include "addax/autograd.h"
#include "addax/ops.h"
#include "addax/variable.h"
#include "ops/attrs.h"
#include "ops/op.h"

using namespace addax;

TEST_CASE("gradients of gradients") {
  const Tensor x = Tensor::scalar(3, Dtype::Float64);
  Tape outer, inner;
  outer.watch(x);
  inner.watch(x);
  outer.start();
  inner.start();
  const Tensor y = x * x * x;
  inner.stop();
  const Tensor first = inner.gradient({y}, Tensors{x}, {}, false)[0];
  outer.stop();
  CHECK(first.item() == doctest::Approx(27));
  CHECK(outer.gradient({first}, Tensors{x}, {}, false)[0].item() == doctest::Approx(18));
}

TEST_CASE("only what depends on a watched tensor is recorded") {
  const Tensor x = Tensor::scalar(1, Dtype::Float32), other = Tensor::scalar(2, Dtype::Float32);
  Tape tape;
  tape.watch(x);
  tape.start();
  other + other;
  CHECK(tape.size() == 0);
  const Tensor y = x + other;
  CHECK(tape.size() == 1);
  {
    const StopRecording stop;
    y + y;
  }
  CHECK(tape.size() == 1);
  tape.stop();
  y + y;
  CHECK(tape.size() == 1);
}

TEST_CASE("values that no gradient reads are freed at once") {
  const MemoryStats before = memory_stats();
  const Tensor x = Tensor::full({1 << 16}, 1, Dtype::Float32);
  const int64_t one = memory_stats().live - before.live;
  Tape tape;
  tape.watch(x);
  tape.start();
  {
    Tensor y = x + x;  // add keeps neither input nor result
    y = y + x;
    y = y + x;
  }
  tape.stop();
  CHECK(tape.size() == 3);
  CHECK(memory_stats().live - before.live < 2 * one);
}

TEST_CASE("variables: in place when unshared, copied when an old value is held") {
  Variable v(Tensor::full({8}, 1, Dtype::Float32));
  const void* address = v.peek().raw();
  const Tensor grad = Tensor::full({8}, 1, Dtype::Float32), lr = Tensor::scalar(0.5, Dtype::Float32);
  Variable* const state[] = {&v};
  const Tensor inputs[] = {grad, lr};
  update("sgd_update", Span<Variable* const>(state, 1), Span<const Tensor>(inputs, 2), {});
  CHECK(v.peek().raw() == address);
  CHECK(sum(v.peek()).item() == doctest::Approx(4));
  const Tensor held = v.read();
  update("sgd_update", Span<Variable* const>(state, 1), Span<const Tensor>(inputs, 2), {});
  CHECK(v.peek().raw() != address);
  CHECK(sum(held).item() == doctest::Approx(4));
  CHECK(sum(v.peek()).item() == doctest::Approx(0));
}

TEST_CASE("a gradient over a variable counts all its readings") {
  Variable v(Tensor::scalar(3, Dtype::Float32));
  Tape tape;
  tape.start();
  const Tensor y = v.read() * v.read();
  v.assign(Tensor::scalar(5, Dtype::Float32));
  const Tensor z = y + v.read();
  tape.stop();
  const Variable* const sources[] = {&v};
  const Tensor g = tape.gradient({z}, Span<const Variable* const>(sources, 1), {}, false)[0];
  CHECK(g.item() == doctest::Approx(7));
}

TEST_CASE("an unknown op names its neighbours") {
  CHECK_THROWS_WITH_AS(find_op("matmull"), doctest::Contains("did you mean matmul"), ValueError);
}
