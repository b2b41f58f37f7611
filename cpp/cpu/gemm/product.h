// A matrix product by the path that its sizes and strides ask for. Defined in cpu/matmul.cc.
#pragma once

#include "cpu/gemm/gemm.h"

namespace addax::cpu::ADDAX_ISA {

/// c = a b for c (m, n), row-major, and k >= 1; for floats of any width. The epilogue, if there is one, runs over c.
/// `weights`: the storage of b, which may keep its panels.
template <class S>
void product(int64_t m, int64_t n, int64_t k, Matrix<S> a, Matrix<S> b, S* c, const Epilogue* epilogue = nullptr,
             Storage* weights = nullptr);

}  // namespace addax::cpu::ADDAX_ISA
