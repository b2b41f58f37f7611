// Trains an exported step on y = 2 x[0] + x[3], saves the file and serves from it: train t.addax trained.addax
#include <addax/model.h>

#include <cmath>
#include <iomanip>
#include <iostream>
#include <vector>

using namespace addax;

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::cerr << "usage: " << argv[0] << " t.addax trained.addax\n";
    return 2;
  }
  constexpr int64_t kBatch = 32, kFeatures = 8;
  std::vector<float> x(kBatch * kFeatures), y(kBatch);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>((37 * i) % 101) / 101 - 0.5f;
  for (size_t i = 0; i < y.size(); ++i) y[i] = 2 * x[i * kFeatures] + x[i * kFeatures + 3];
  const Tensor inputs = Tensor::from_data(x.data(), {kBatch, kFeatures});
  const Tensor targets = Tensor::from_data(y.data(), {kBatch, 1});

  Trainer trainer = Trainer::load(argv[1]);
  double first = 0, last = 0;
  for (int epoch = 0; epoch < 10; ++epoch) {
    trainer.reset_metrics();
    Tensors logs;
    for (int step = 0; step < 50; ++step) logs = trainer.step({inputs, targets});
    last = logs[0].item();
    if (epoch == 0) first = last;
    std::cout << "epoch " << epoch << ": " << trainer.outputs()[0].name << ' ' << std::setprecision(9) << last << '\n';
  }
  trainer.save(argv[2]);

  LoadOptions options;
  options.endpoint = "serve";
  const Tensor predicted = Model::load(argv[2], options).run({inputs})[0];
  std::cout << "predicted " << predicted.data<float>()[0] << ", wanted " << y[0] << '\n';
  return last < first ? 0 : 1;
} catch (const Error& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
