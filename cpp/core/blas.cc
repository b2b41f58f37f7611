// Opens OpenBLAS beside libaddax on first use and hands it tiles of one thread each.
#include "core/blas.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <string>

#include "addax/device.h"
#include "addax/error.h"
#include "core/folder.h"
#include "core/parallel.h"

#ifndef ADDAX_BLAS_PREFIX
#define ADDAX_BLAS_PREFIX "scipy_"
#endif
#ifndef ADDAX_BLAS_FILE
#define ADDAX_BLAS_FILE "libscipy_openblas.so"
#endif

namespace addax::blas {
namespace {

enum : int { kRowMajor = 101, kNoTrans = 111, kTrans = 112 };

template <class T>
using Gemm = void (*)(int order, int trans_a, int trans_b, int m, int n, int k, T alpha, const T* a, int lda,
                      const T* b, int ldb, T beta, T* c, int ldc);

struct Library {
  Gemm<float> sgemm = nullptr;
  Gemm<double> dgemm = nullptr;
  std::string info;
};

template <class F>
F symbol(void* handle, const char* name) {
  void* p = dlsym(handle, (std::string(ADDAX_BLAS_PREFIX) + name).c_str());
  if (!p) fail<Error>("blas: ", ADDAX_BLAS_FILE, " has no symbol ", ADDAX_BLAS_PREFIX, name);
  return reinterpret_cast<F>(p);
}

Library open() {
  const char* given = std::getenv("ADDAX_BLAS");
  const std::string path = given ? given : folder_of_libaddax() + "/" + ADDAX_BLAS_FILE;
  // OpenBLAS starts its own pool while it is being opened, unless this says one thread. Other libraries read the same
  // variable, so it is put back at once.
  const char* before = std::getenv("OPENBLAS_NUM_THREADS");
  const std::string saved = before ? before : "";
  setenv("OPENBLAS_NUM_THREADS", "1", 1);
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (before)
    setenv("OPENBLAS_NUM_THREADS", saved.c_str(), 1);
  else
    unsetenv("OPENBLAS_NUM_THREADS");
  if (!handle)
    fail<Error>("blas: could not open ", path, ": ", dlerror(),
                "; reinstall addax, or set ADDAX_BLAS to the path of an OpenBLAS library");
  Library lib;
  lib.sgemm = symbol<Gemm<float>>(handle, "cblas_sgemm");
  lib.dgemm = symbol<Gemm<double>>(handle, "cblas_dgemm");
  symbol<void (*)(int)>(handle, "openblas_set_num_threads")(1);
  lib.info = std::string(symbol<char* (*)()>(handle, "openblas_get_config")()) + ", core " +
             symbol<char* (*)()>(handle, "openblas_get_corename")();
  return lib;
}

const Library& library() {
  static const Library lib = open();
  return lib;
}

template <class T>
void call(Gemm<T> f, bool ta, bool tb, int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t lda, const T* b,
          int64_t ldb, T beta, T* c, int64_t ldc) {
  if (m == 0 || n == 0) return;
  constexpr int64_t kIntMax = 0x7fffffff;
  if (std::max({m, n, k, lda, ldb, ldc}) > kIntMax)
    fail<ShapeError>("matmul: a dimension above ", kIntMax, " is not supported (m ", m, ", n ", n, ", k ", k, ")");
  f(kRowMajor, ta ? kTrans : kNoTrans, tb ? kTrans : kNoTrans, static_cast<int>(m), static_cast<int>(n),
    static_cast<int>(k), alpha, a, static_cast<int>(lda), b, static_cast<int>(ldb), beta, c, static_cast<int>(ldc));
}

// The cut depends on the sizes alone. Pieces are kept large enough that packing is not repeated too often.
template <class T>
void split(bool ta, bool tb, int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t lda, const T* b, int64_t ldb,
           T beta, T* c, int64_t ldc) {
  constexpr int64_t kSmallWork = 1 << 17;  // multiply-adds below which one call is faster than two threads
  constexpr int64_t kPieces = 16, kUnit = 48;
  if (m * n * k <= kSmallWork) return gemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  const bool by_rows = m >= n;
  const int64_t extent = by_rows ? m : n;
  int64_t block = (extent + kPieces - 1) / kPieces;
  block = std::max<int64_t>((block + kUnit - 1) / kUnit * kUnit, kUnit);
  parallel_for(extent, block, [&](int64_t begin, int64_t end) {
    if (by_rows)
      gemm(ta, tb, end - begin, n, k, alpha, ta ? a + begin : a + begin * lda, lda, b, ldb, beta, c + begin * ldc, ldc);
    else
      gemm(ta, tb, m, end - begin, k, alpha, a, lda, tb ? b + begin * ldb : b + begin, ldb, beta, c + begin, ldc);
  });
}

}  // namespace

void gemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, float alpha, const float* a, int64_t lda, const float* b,
          int64_t ldb, float beta, float* c, int64_t ldc) {
  call(library().sgemm, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
void gemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, double alpha, const double* a, int64_t lda,
          const double* b, int64_t ldb, double beta, double* c, int64_t ldc) {
  call(library().dgemm, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
void parallel_gemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, float alpha, const float* a, int64_t lda,
                   const float* b, int64_t ldb, float beta, float* c, int64_t ldc) {
  split(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
void parallel_gemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, double alpha, const double* a, int64_t lda,
                   const double* b, int64_t ldb, double beta, double* c, int64_t ldc) {
  split(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

}  // namespace addax::blas

namespace addax {
const char* blas_info() { return blas::library().info.c_str(); }
}  // namespace addax
