// A library with the part of cuBLASLt that cuda/cublaslt_abi.h names, on the CPU, as NVIDIA documents it: matrices by
// columns, types, batches, epilogues, factors rounded to TF32, and a refusal of what the real one refuses. Its
// algorithms want a workspace and write to it.
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/half.h"
#include "cuda/cublaslt_abi.h"
#include "emulation.h"

namespace addax::cuda::lt {
#define ADDAX_EXPORT(result, name, arguments) extern "C" __attribute__((visibility("default"))) result name arguments;
ADDAX_CUBLASLT(ADDAX_EXPORT)
#undef ADDAX_EXPORT

namespace {

struct Layout {
  int32_t type;
  uint64_t rows, columns;
  int64_t pitch;
  int32_t batch = 1;
  int64_t step = 0;
};
struct Operation {
  int32_t compute, scale;
  int32_t transpose_a = CUBLAS_OP_N, transpose_b = CUBLAS_OP_N;
  uint32_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;
};
struct Search {
  uint64_t workspace = 0;
  uint32_t schemes = 7;
  uint32_t alignment[4] = {256, 256, 256, 256};
};
// What is in the opaque algorithm.
struct Chosen {
  uint64_t magic, alignment[4];
};
constexpr uint64_t kMagic = 0x41646478, kWorkspace = 1024;

Status next_status = 0;  // of the next product
bool no_algorithm = false;
int64_t products = 0, biased = 0, searches = 0;

template <class T>
Status take(T& to, const void* value, size_t bytes) {
  if (!value || bytes != sizeof(T)) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&to, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

size_t size_of_type(int32_t type) { return type == CUDA_R_64F ? 8 : type == CUDA_R_32F ? 4 : 2; }

double load(const void* data, int64_t at, int32_t type) {
  switch (type) {
    case CUDA_R_64F:
      return static_cast<const double*>(data)[at];
    case CUDA_R_32F:
      return static_cast<const float*>(data)[at];
    case CUDA_R_16F:
      return static_cast<float>(static_cast<const Float16*>(data)[at]);
    default:
      return static_cast<float>(static_cast<const BFloat16*>(data)[at]);
  }
}
void store(void* data, int64_t at, int32_t type, double x) {
  switch (type) {
    case CUDA_R_64F:
      static_cast<double*>(data)[at] = x;
      break;
    case CUDA_R_32F:
      static_cast<float*>(data)[at] = static_cast<float>(x);
      break;
    case CUDA_R_16F:
      static_cast<Float16*>(data)[at] = Float16(static_cast<float>(x));
      break;
    default:
      static_cast<BFloat16*>(data)[at] = BFloat16(static_cast<float>(x));
  }
}

// 10 bits of mantissa, to the nearest, of two the greater in size.
double to_tf32(double x) {
  if (!std::isfinite(x) || x == 0) return x;
  int exponent;
  const double mantissa = std::frexp(x, &exponent);
  return std::ldexp(std::round(mantissa * 2048), exponent - 11);
}

// Whether this is a product at all. Null descriptors and conflicting sizes are not.
Status check(const Operation& o, const Layout& a, const Layout& b, const Layout& c, const Layout& d) {
  const bool ta = o.transpose_a == CUBLAS_OP_T, tb = o.transpose_b == CUBLAS_OP_T;
  for (const Layout* l : {&a, &b, &c, &d})
    if (l->rows == 0 || l->columns == 0 || l->pitch < static_cast<int64_t>(l->rows) || l->batch != d.batch)
      return CUBLAS_STATUS_INVALID_VALUE;
  if ((ta ? a.columns : a.rows) != d.rows || (tb ? b.rows : b.columns) != d.columns ||
      (ta ? a.rows : a.columns) != (tb ? b.columns : b.rows) || c.rows != d.rows || c.columns != d.columns)
    return CUBLAS_STATUS_INVALID_VALUE;
  const bool wide = a.type == CUDA_R_64F;
  const bool computes =
      wide ? o.compute == CUBLAS_COMPUTE_64F && o.scale == CUDA_R_64F
      : a.type == CUDA_R_32F
          ? (o.compute == CUBLAS_COMPUTE_32F || o.compute == CUBLAS_COMPUTE_32F_FAST_TF32) && o.scale == CUDA_R_32F
          : o.compute == CUBLAS_COMPUTE_32F && o.scale == CUDA_R_32F;
  if (!computes || b.type != a.type || c.type != d.type || d.type != a.type) return CUBLAS_STATUS_NOT_SUPPORTED;
  // Items of the result must not lie over each other; those of factors may.
  if (d.batch > 1 && std::llabs(d.step) < d.pitch * static_cast<int64_t>(d.columns)) return CUBLAS_STATUS_INVALID_VALUE;
  return CUBLAS_STATUS_SUCCESS;
}

template <class T>
void multiply(const Operation& o, T alpha, const void* a, const Layout& la, const void* b, const Layout& lb, T beta,
              const void* c, const Layout& lc, void* d, const Layout& ld) {
  const bool ta = o.transpose_a == CUBLAS_OP_T, tb = o.transpose_b == CUBLAS_OP_T;
  const bool rounded = o.compute == CUBLAS_COMPUTE_32F_FAST_TF32;
  const auto factor = [&](const void* data, int64_t at, int32_t type) {
    const double x = load(data, at, type);
    return static_cast<T>(rounded ? to_tf32(x) : x);
  };
  const auto depth = static_cast<int64_t>(ta ? la.rows : la.columns);
  for (int64_t item = 0; item < ld.batch; ++item)
    for (int64_t j = 0; j < static_cast<int64_t>(ld.columns); ++j)
      for (int64_t i = 0; i < static_cast<int64_t>(ld.rows); ++i) {
        T sum = 0, part = 0;
        for (int64_t k = 0; k < depth; ++k) {
          part += factor(a, item * la.step + (ta ? i * la.pitch + k : k * la.pitch + i), la.type) *
                  factor(b, item * lb.step + (tb ? k * lb.pitch + j : j * lb.pitch + k), lb.type);
          if (k % 256 == 255) sum += part, part = 0;
        }
        sum = alpha * (sum + part);
        if (beta != T(0)) sum += beta * static_cast<T>(load(c, item * lc.step + j * lc.pitch + i, lc.type));
        if (o.epilogue & CUBLASLT_EPILOGUE_BIAS) sum += static_cast<T>(load(o.bias, i, ld.type));
        if (o.epilogue == CUBLASLT_EPILOGUE_RELU_BIAS && sum < T(0)) sum = 0;
        store(d, item * ld.step + j * ld.pitch + i, ld.type, sum);
      }
}

}  // namespace

size_t cublasLtGetVersion() { return 130100; }
const char* cublasLtGetStatusName(Status status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    case 13:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    default:
      return "<unknown>";
  }
}
Status cublasLtCreate(void** handle) {
  static char one;
  *handle = &one;
  return CUBLAS_STATUS_SUCCESS;
}

Status cublasLtMatrixLayoutCreate(void** layout, int32_t type, uint64_t rows, uint64_t columns, int64_t pitch) {
  *layout = new Layout{type, rows, columns, pitch};
  return CUBLAS_STATUS_SUCCESS;
}
Status cublasLtMatrixLayoutSetAttribute(void* layout, int attribute, const void* value, size_t bytes) {
  auto& l = *static_cast<Layout*>(layout);
  if (attribute == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT) return take(l.batch, value, bytes);
  if (attribute == CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET) return take(l.step, value, bytes);
  return CUBLAS_STATUS_INVALID_VALUE;
}
Status cublasLtMatrixLayoutDestroy(void* layout) {
  delete static_cast<Layout*>(layout);
  return CUBLAS_STATUS_SUCCESS;
}

Status cublasLtMatmulDescCreate(void** operation, int32_t compute, int32_t scale) {
  *operation = new Operation{compute, scale};
  return CUBLAS_STATUS_SUCCESS;
}
Status cublasLtMatmulDescSetAttribute(void* operation, int attribute, const void* value, size_t bytes) {
  auto& o = *static_cast<Operation*>(operation);
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return take(o.transpose_a, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return take(o.transpose_b, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return take(o.epilogue, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return take(o.bias, value, bytes);
    default:
      return CUBLAS_STATUS_INVALID_VALUE;
  }
}
Status cublasLtMatmulDescDestroy(void* operation) {
  delete static_cast<Operation*>(operation);
  return CUBLAS_STATUS_SUCCESS;
}

Status cublasLtMatmulPreferenceCreate(void** preference) {
  *preference = new Search;
  return CUBLAS_STATUS_SUCCESS;
}
Status cublasLtMatmulPreferenceSetAttribute(void* preference, int attribute, const void* value, size_t bytes) {
  auto& s = *static_cast<Search*>(preference);
  if (attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) return take(s.workspace, value, bytes);
  if (attribute == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK) return take(s.schemes, value, bytes);
  const int matrix = attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES;
  if (matrix < 0 || matrix > 3) return CUBLAS_STATUS_INVALID_VALUE;
  return take(s.alignment[matrix], value, bytes);
}
Status cublasLtMatmulPreferenceDestroy(void* preference) {
  delete static_cast<Search*>(preference);
  return CUBLAS_STATUS_SUCCESS;
}

Status cublasLtMatmulAlgoGetHeuristic(void* handle, void* operation, void* a, void* b, void* c, void* d,
                                      void* preference, int asked, HeuristicResult* results, int* found) {
  ++searches;
  *found = 0;
  if (!handle || asked <= 0) return CUBLAS_STATUS_INVALID_VALUE;
  const auto& s = *static_cast<const Search*>(preference);
  const auto& o = *static_cast<const Operation*>(operation);
  if (const Status status = check(o, *static_cast<const Layout*>(a), *static_cast<const Layout*>(b),
                                  *static_cast<const Layout*>(c), *static_cast<const Layout*>(d)))
    return status;
  // An error, so that tests fail: the real one might take an algorithm that addax does not want.
  if (s.schemes & ~(CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE)) return 14;
  if (no_algorithm || s.workspace < kWorkspace) return CUBLAS_STATUS_NOT_SUPPORTED;
  Chosen chosen{kMagic, {}};
  for (int i = 0; i < 4; ++i) chosen.alignment[i] = s.alignment[i];
  *results = {};
  static_assert(sizeof chosen <= sizeof results->algo);
  std::memcpy(&results->algo, &chosen, sizeof chosen);
  results->workspaceSize = kWorkspace;
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

Status cublasLtMatmul(void* handle, void* operation, const void* alpha, const void* a, void* a_layout, const void* b,
                      void* b_layout, const void* beta, const void* c, void* c_layout, void* d, void* d_layout,
                      const Algorithm* algorithm, void* workspace, size_t workspace_bytes, void*) {
  if (next_status) {
    const Status status = next_status;
    next_status = 0;
    return status;
  }
  const auto& o = *static_cast<const Operation*>(operation);
  const Layout &la = *static_cast<const Layout*>(a_layout), &lb = *static_cast<const Layout*>(b_layout),
               &lc = *static_cast<const Layout*>(c_layout), &ld = *static_cast<const Layout*>(d_layout);
  if (!handle) return CUBLAS_STATUS_INVALID_VALUE;
  if (const Status status = check(o, la, lb, lc, ld)) return status;
  Chosen chosen;
  std::memcpy(&chosen, algorithm, sizeof chosen);
  if (chosen.magic != kMagic || !workspace || workspace_bytes < kWorkspace ||
      reinterpret_cast<uintptr_t>(workspace) % 256 != 0)
    return CUBLAS_STATUS_INVALID_VALUE;
  const void* matrices[] = {a, b, c, d};
  for (int i = 0; i < 4; ++i)
    if (reinterpret_cast<uintptr_t>(matrices[i]) % chosen.alignment[i] != 0) return CUBLAS_STATUS_INVALID_VALUE;
  const bool adds = o.epilogue & CUBLASLT_EPILOGUE_BIAS;
  if (adds && (!o.bias || reinterpret_cast<uintptr_t>(o.bias) % size_of_type(ld.type) != 0))
    return CUBLAS_STATUS_INVALID_VALUE;
  std::memset(workspace, 0xff, workspace_bytes);
  ++products;
  biased += adds;
  if (o.scale == CUDA_R_64F)
    multiply(o, *static_cast<const double*>(alpha), a, la, b, lb, *static_cast<const double*>(beta), c, lc, d, ld);
  else
    multiply(o, *static_cast<const float*>(alpha), a, la, b, lb, *static_cast<const float*>(beta), c, lc, d, ld);
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace addax::cuda::lt

extern "C" {

/// What the next product returns; 0: as it should.
__attribute__((visibility("default"))) void fake_cublaslt_fail(int status) { addax::cuda::lt::next_status = status; }
__attribute__((visibility("default"))) void fake_cublaslt_find_nothing(int value) {
  addax::cuda::lt::no_algorithm = value != 0;
}
/// Products so far, those of them with a bias, and searches for an algorithm.
__attribute__((visibility("default"))) int64_t fake_cublaslt_products() { return addax::cuda::lt::products; }
__attribute__((visibility("default"))) int64_t fake_cublaslt_biased() { return addax::cuda::lt::biased; }
__attribute__((visibility("default"))) int64_t fake_cublaslt_searches() { return addax::cuda::lt::searches; }
}
