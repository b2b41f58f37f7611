// Shapes: sizes, strides, broadcasting, axes.
#include "addax/shape.h"

#include "addax/tensor.h"

namespace addax {

int64_t numel(const Shape& shape) {
  int64_t n = 1;
  for (int64_t d : shape)
    if (__builtin_mul_overflow(n, d, &n)) fail<ShapeError>("shape ", shape, " has more elements than int64 can count");
  return n;
}

Strides contiguous_strides(const Shape& shape) {
  Strides strides = Dims::filled(shape.rank(), 1);
  for (int i = shape.rank() - 2; i >= 0; --i) strides[i] = strides[i + 1] * std::max<int64_t>(shape[i + 1], 1);
  return strides;
}

Shape broadcast(const Shape& a, const Shape& b, const char* op) {
  const int rank = std::max(a.rank(), b.rank());
  Shape out = Dims::filled(rank, 1);
  for (int i = 1; i <= rank; ++i) {
    const int64_t da = i <= a.rank() ? a[a.rank() - i] : 1;
    const int64_t db = i <= b.rank() ? b[b.rank() - i] : 1;
    if (da != db && da != 1 && db != 1)
      fail<ShapeError>(op, ": shapes ", a, " and ", b, " do not broadcast: dimension -", i, " is ", da, " and ", db,
                       "; each pair must be equal or one of them 1");
    out[rank - i] = da == 1 ? db : da;
  }
  return out;
}

int normalize_axis(int64_t axis, int rank, const char* op) {
  if (axis < -rank || axis >= rank)
    fail<IndexError>(op, ": axis ", axis, " is out of range for an input of rank ", rank, "; expected ", -rank, " to ",
                     rank - 1);
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

Dims normalize_axes(const Dims& axes, int rank, const char* op) {
  Dims out;
  if (axes.empty()) {
    for (int i = 0; i < rank; ++i) out.push_back(i);
    return out;
  }
  for (int64_t a : axes) out.push_back(normalize_axis(a, rank, op));
  std::sort(out.begin(), out.end());
  for (int i = 1; i < out.rank(); ++i)
    if (out[i] == out[i - 1]) fail<ValueError>(op, ": axis ", out[i], " is given twice in axes ", axes);
  return out;
}

std::ostream& operator<<(std::ostream& out, const Dims& dims) {
  out << '(';
  for (int i = 0; i < dims.rank(); ++i) out << (i ? ", " : "") << dims[i];
  return out << (dims.rank() == 1 ? ",)" : ")");
}

bool Layout::is_contiguous() const {
  int64_t expected = 1;
  bool in_order = true;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    in_order &= shape[i] == 1 || strides[i] == expected;
    expected *= shape[i];
  }
  return in_order || expected == 0;  // without elements any strides will do
}

}  // namespace addax
