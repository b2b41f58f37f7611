// The C++ side of inference.py: `inference latency m.addax threads` does a round for each line it reads;
// `inference load m.addax` says how long loading takes, and what a loaded model's process does when idle.
#include <addax/model.h>
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

using namespace addax;
using Clock = std::chrono::steady_clock;

static double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

static Tensors inputs_of(const Model& model, int64_t batch) {
  Tensors inputs;
  for (const TensorInfo& info : model.inputs()) {
    Shape shape = info.shape;
    shape[0] = batch;
    const Tensor x = Tensor::empty(shape, info.dtype);
    for (int64_t i = 0; i < x.numel(); ++i) {
      if (info.dtype == Dtype::Int32)
        x.data<int32_t>()[i] = static_cast<int32_t>(1 + (37 * i) % 4999);
      else
        x.data<float>()[i] = static_cast<float>((37 * i) % 101) / 101 - 0.5f;
    }
    inputs.push_back(x);
  }
  return inputs;
}

static void latency(const Model& model) {
  const Tensors one = inputs_of(model, 1), many = inputs_of(model, 32);
  const Tensors one_out = model.run(one), many_out = model.run(many);
  for (std::string line; std::getline(std::cin, line);) {
    std::vector<double> times;
    const auto begin = Clock::now();
    while (times.size() < 200 || (seconds_since(begin) < 0.5 && times.size() < 20000)) {
      const auto start = Clock::now();
      model.run(Span<const Tensor>(one), Span<const Tensor>(one_out));
      times.push_back(seconds_since(start));
    }
    std::sort(times.begin(), times.end());
    const auto start = Clock::now();
    int runs = 0;
    while (runs < 5 || seconds_since(start) < 0.5) {
      model.run(Span<const Tensor>(many), Span<const Tensor>(many_out));
      ++runs;
    }
    std::cout << "{\"p50\": " << 1e6 * times[times.size() / 2] << ", \"p99\": " << 1e6 * times[times.size() * 99 / 100]
              << ", \"throughput\": " << 32 * runs / seconds_since(start) << "}" << std::endl;
  }
}

static void load(const char* path) {
  std::vector<double> times;
  for (int i = 0; i < 21; ++i) {
    const auto start = Clock::now();
    const Model model = Model::load(path);
    times.push_back(seconds_since(start));
  }
  std::sort(times.begin(), times.end());
  const Model model = Model::load(path);
  const auto start = Clock::now();
  model.run(inputs_of(model, 1));
  const double first = seconds_since(start);
  const auto cpu = [] {
    timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  };
  const timespec settle{0, 100'000'000}, wait{3, 0};
  nanosleep(&settle, nullptr);  // workers look for work for a moment
  const double before = cpu();
  nanosleep(&wait, nullptr);
  std::cout << "{\"load ms\": " << 1e3 * times[times.size() / 2] << ", \"first run ms\": " << 1e3 * first
            << ", \"idle CPU ms in 3 s\": " << 1e3 * (cpu() - before) << "}" << std::endl;
}

int main(int argc, char** argv) try {
  if (argc >= 3 && std::strcmp(argv[1], "load") == 0) {
    load(argv[2]);
    return 0;
  }
  LoadOptions options;
  options.threads = argc > 3 ? std::atoi(argv[3]) : 0;
  latency(Model::load(argv[2], options));
} catch (const Error& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
