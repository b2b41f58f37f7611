#include "rows.h"

#include <addax/ops.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <string>

namespace serve {
namespace {

using addax::Dtype;
using addax::Shape;
using addax::Tensor;
using addax::TensorInfo;
using addax::Tensors;

/// What an open size other than the rows is in the trial.
constexpr int64_t kOpenSize = 4;

/// The size that comes first everywhere, and only there; else empty.
std::string name_of_rows(const addax::Model& model) {
  std::string rows;
  for (const auto* infos : {&model.inputs(), &model.outputs()})
    for (const TensorInfo& info : *infos) {
      if (info.sizes.empty() || info.shape[0] >= 0 || info.sizes[0].empty()) return "";
      if (rows.empty()) rows = info.sizes[0];
      if (info.sizes[0] != rows) return "";
      // Another open size without a name may follow from the rows.
      for (size_t i = 1; i < info.sizes.size(); ++i)
        if (info.sizes[i] == rows || (info.sizes[i].empty() && info.shape[static_cast<int>(i)] < 0)) return "";
    }
  return rows;
}

Tensor random_input(const TensorInfo& info, int64_t rows, std::mt19937& random) {
  Shape shape = info.shape;
  for (int64_t& dim : shape)
    if (dim < 0) dim = kOpenSize;
  shape[0] = rows;
  const Tensor values = Tensor::empty(shape, Dtype::Float32, addax::Device{}, "trial");
  // Integers are indices often, and small ones more likely in range.
  const bool whole = !addax::is_float(info.dtype);
  for (int64_t i = 0; i < values.numel(); ++i)
    values.data<float>()[i] = whole ? static_cast<float>(random() % 2) : static_cast<float>(random() % 2001) / 1000 - 1;
  return addax::cast(values, info.dtype).contiguous();
}

Tensor part(const Tensor& tensor, int64_t first, int64_t rows) {
  addax::Layout layout = tensor.layout();
  layout.shape[0] = rows;
  layout.offset += first * layout.strides[0];
  return tensor.view(layout);
}

bool close(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape()) return false;
  const double tolerance = addax::size_of(a.dtype()) == 2 && addax::is_float(a.dtype()) ? 3e-2 : 1e-3;
  const Tensor x = addax::cast(a, Dtype::Float64).contiguous(), y = addax::cast(b, Dtype::Float64).contiguous();
  double largest = 0;
  for (int64_t i = 0; i < y.numel(); ++i) largest = std::max(largest, std::abs(y.data<double>()[i]));
  for (int64_t i = 0; i < x.numel(); ++i) {
    const double u = x.data<double>()[i], v = y.data<double>()[i];
    const bool same = u == v || (std::isnan(u) && std::isnan(v)) || std::abs(u - v) <= tolerance * largest;
    if (!same) return false;
  }
  return true;
}

}  // namespace

bool has_independent_rows(const addax::Model& model) {
  if (model.inputs().empty() || name_of_rows(model).empty()) return false;
  std::mt19937 random(1);
  Tensors joint, one, two;
  for (const TensorInfo& info : model.inputs()) {
    joint.push_back(random_input(info, 3, random));
    one.push_back(part(joint.back(), 0, 1));
    two.push_back(part(joint.back(), 1, 2));
  }
  try {
    const Tensors together = model.run(joint), first = model.run(one), others = model.run(two);
    for (size_t i = 0; i < together.size(); ++i) {
      const Tensor whole = together[i].to(addax::Device{}).contiguous();
      if (whole.rank() == 0 || whole.shape()[0] != 3) return false;
      if (!close(part(whole, 0, 1), first[i].to(addax::Device{}))) return false;
      if (!close(part(whole, 1, 2), others[i].to(addax::Device{}))) return false;
    }
  } catch (const addax::Error&) {
    return false;  // inputs that this model does not take: it is not known
  }
  return true;
}

}  // namespace serve
