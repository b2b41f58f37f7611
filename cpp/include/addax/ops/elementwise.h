// Elementwise ops as C++ functions, declared from elementwise.def, with NumPy broadcasting.
#pragma once

#include "addax/tensor.h"

namespace addax {

#define ADDAX_UNARY(name, ...) ADDAX_API Tensor name(const Tensor& x);
#define ADDAX_BINARY(name, ...) ADDAX_API Tensor name(const Tensor& a, const Tensor& b);
#include "addax/ops/elementwise.def"
#undef ADDAX_UNARY
#undef ADDAX_BINARY

/// a where the condition is true, b elsewhere.
ADDAX_API Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
/// min(max(x, low), high).
ADDAX_API Tensor clip(const Tensor& x, const Tensor& low, const Tensor& high);
ADDAX_API Tensor cast(const Tensor& x, Dtype dtype);
/// The same values; no gradient passes.
ADDAX_API Tensor stop_gradient(const Tensor& x);

// A number takes the tensor's dtype.
inline Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
inline Tensor operator-(const Tensor& a, const Tensor& b) { return subtract(a, b); }
inline Tensor operator*(const Tensor& a, const Tensor& b) { return multiply(a, b); }
inline Tensor operator/(const Tensor& a, const Tensor& b) { return divide(a, b); }
inline Tensor operator-(const Tensor& a) { return neg(a); }
inline Tensor operator+(const Tensor& a, double b) { return add(a, Tensor::scalar(b, a.dtype())); }
inline Tensor operator-(const Tensor& a, double b) { return subtract(a, Tensor::scalar(b, a.dtype())); }
inline Tensor operator*(const Tensor& a, double b) { return multiply(a, Tensor::scalar(b, a.dtype())); }
inline Tensor operator/(const Tensor& a, double b) { return divide(a, Tensor::scalar(b, a.dtype())); }
inline Tensor operator+(double a, const Tensor& b) { return add(Tensor::scalar(a, b.dtype()), b); }
inline Tensor operator-(double a, const Tensor& b) { return subtract(Tensor::scalar(a, b.dtype()), b); }
inline Tensor operator*(double a, const Tensor& b) { return multiply(Tensor::scalar(a, b.dtype()), b); }
inline Tensor operator/(double a, const Tensor& b) { return divide(Tensor::scalar(a, b.dtype()), b); }

}  // namespace addax
