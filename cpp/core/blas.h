// GEMM over the BLAS that was opened at run time (OpenBLAS, one thread; our pool does the splitting).
#pragma once

#include <cstdint>

namespace addax::blas {

/// Row-major C[m,n] = alpha * op(A) * op(B) + beta * C with leading dimensions; runs on the calling thread.
void gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha, const float* a, int64_t lda,
          const float* b, int64_t ldb, float beta, float* c, int64_t ldc);
void gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, double alpha, const double* a,
          int64_t lda, const double* b, int64_t ldb, double beta, double* c, int64_t ldc);

/// The same, cut over rows and columns of C by fixed sizes and run on the pool: same bits for any thread count.
void parallel_gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha, const float* a,
                   int64_t lda, const float* b, int64_t ldb, float beta, float* c, int64_t ldc);
void parallel_gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, double alpha, const double* a,
                   int64_t lda, const double* b, int64_t ldb, double beta, double* c, int64_t ldc);

}  // namespace addax::blas
