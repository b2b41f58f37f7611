// Fits y = 2x + 1 by gradient descent: tensors, a tape and variables from C++.
#include <addax/autograd.h>
#include <addax/ops.h>
#include <addax/variable.h>

#include <cmath>
#include <iostream>

int main() {
  using namespace addax;
  const float xs[] = {-2, -1, 0, 1, 2}, ys[] = {-3, -1, 1, 3, 5};
  const Tensor x = Tensor::from_data(xs, {5, 1}), y = Tensor::from_data(ys, {5, 1});
  Variable w(Tensor::scalar(0, Dtype::Float32)), b(Tensor::scalar(0, Dtype::Float32));
  for (int step = 0; step < 200; ++step) {
    Tape tape;
    tape.start();
    const Tensor loss = mean(square(x * w.read() + b.read() - y));
    tape.stop();
    const Variable* const sources[] = {&w, &b};
    const Tensors grads = tape.gradient({loss}, Span<const Variable* const>(sources, 2), {}, false);
    w.assign(w.peek() - grads[0] * 0.1);
    b.assign(b.peek() - grads[1] * 0.1);
  }
  std::cout << "addax on " << cpu_isa() << ", " << num_threads() << " threads: w = " << w.peek().item()
            << ", b = " << b.peek().item() << '\n';
  return std::abs(w.peek().item() - 2) < 1e-4 && std::abs(b.peek().item() - 1) < 1e-4 ? 0 : 1;
}
