// Runs an exported model: infer m.addax [batch]. Inputs are numbers that anyone can make again (see `pattern`).
#include <addax/model.h>

#include <cstdlib>
#include <iomanip>
#include <iostream>

using namespace addax;

// Element i of input k is ((37 i + 11 k) mod 101) / 101 - 0.5, or ((37 i + 11 k) mod 7) of an integer.
template <class T>
void fill(const Tensor& x, int64_t k) {
  for (int64_t i = 0; i < x.numel(); ++i)
    x.data<T>()[i] = std::is_floating_point_v<T>
                         ? static_cast<T>(static_cast<double>((37 * i + 11 * k) % 101) / 101 - 0.5)
                         : static_cast<T>((37 * i + 11 * k) % 7);
}

Tensor pattern(const TensorInfo& info, int64_t batch, int64_t k) {
  Shape shape = info.shape;
  for (int d = 0; d < shape.rank(); ++d)
    if (shape[d] < 0) shape[d] = d == 0 ? batch : 16;
  const Tensor x = Tensor::empty(shape, info.dtype);
  if (info.dtype == Dtype::Float32)
    fill<float>(x, k);
  else if (info.dtype == Dtype::Int32)
    fill<int32_t>(x, k);
  else
    throw Error("this example makes float32 and int32 only");
  return x;
}

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::cerr << "usage: " << argv[0] << " m.addax [batch]\n";
    return 2;
  }
  LoadOptions options;
  options.verify = true;  // checksums, and the example that was recorded when the model was exported
  const Model model = Model::load(argv[1], options);
  Tensors inputs;
  for (const TensorInfo& info : model.inputs())
    inputs.push_back(pattern(info, argc > 2 ? std::atoi(argv[2]) : 2, static_cast<int64_t>(inputs.size())));
  const Tensors outputs = model.run(inputs);
  for (size_t i = 0; i < outputs.size(); ++i) {
    std::cout << model.outputs()[i].name << ' ' << outputs[i].shape() << ':';
    for (int64_t k = 0; k < outputs[i].numel(); ++k)
      std::cout << ' ' << std::setprecision(9) << outputs[i].data<float>()[k];
    std::cout << '\n';
  }
} catch (const Error& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
