// Recurrences at sizes that fill blocks, panels and vectors or do not, for the sanitizers; numbers are Python's tests.
#include <doctest/doctest.h>

#include <vector>

#include "addax/autograd.h"
#include "addax/ops.h"

using namespace addax;

namespace {

Tensor numbers(const Shape& shape, Dtype dtype) {
  std::vector<float> values(static_cast<size_t>(numel(shape)));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 17) / 17 - 0.4f;
  return cast(Tensor::from_data(values.data(), shape), dtype);
}

Tensor every_third(const Shape& shape) {
  std::vector<float> values(static_cast<size_t>(numel(shape)));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 3);
  return cast(Tensor::from_data(values.data(), shape), Dtype::Bool);
}

template <class F>
void check(const Tensors& inputs, F&& f) {
  Tape tape(false);
  for (const Tensor& t : inputs) tape.watch(t);
  tape.start();
  const Tensors out = f();
  tape.stop();
  const Tensors grads = tape.gradient({out[0], out[1]}, inputs, {}, false);
  for (size_t i = 0; i < inputs.size(); ++i) {
    REQUIRE(grads[i]);
    CHECK(grads[i].shape() == inputs[i].shape());
    CHECK(sum(cast(isfinite(grads[i]), Dtype::Int32)).item() == static_cast<double>(inputs[i].numel()));
  }
}

}  // namespace

TEST_CASE("recurrences of any size stay inside their memory") {
  for (const Dtype dtype : {Dtype::Float32, Dtype::Float64, Dtype::BFloat16})
    for (const int64_t batch : {1, 8, 19})
      for (const int64_t units : {1, 7, 16, 33})
        for (const bool masked : {false, true}) {
          const int64_t time = 3, features = 5;
          const auto make = [&](const Shape& shape) { return numbers(shape, dtype); };
          const Tensor x = make({batch, time, features}), h = make({batch, units}), c = make({batch, units});
          const Tensor mask = masked ? every_third({batch, time}) : Tensor();
          const auto kernel = [&](int64_t gates) { return make({features, gates * units}); };
          const auto recurrent = [&](int64_t gates) { return make({units, gates * units}); };
          const Tensors simple{x, h, kernel(1), recurrent(1), make({units})};
          check(simple, [&] { return simple_rnn(x, h, simple[2], simple[3], simple[4], mask, masked); });
          const Tensors long_short{x, h, c, kernel(4), recurrent(4), make({4 * units})};
          check(long_short, [&] { return lstm(x, h, c, long_short[3], long_short[4], long_short[5], mask, masked); });
          const Tensors after{x, h, kernel(3), recurrent(3), make({2, 3 * units})};
          check(after, [&] { return gru(x, h, after[2], after[3], after[4], mask, masked, true); });
          const Tensors before{x, h, kernel(3), recurrent(3), make({3 * units})};
          check(before, [&] { return gru(x, h, before[2], before[3], before[4], mask, masked, false); });
        }
}
