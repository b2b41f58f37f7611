// The part of cuBLASLt's binary interface that this project uses, by NVIDIA's names. tests/cuda/cublaslt_header.cc
// holds it to the real header.
#pragma once

#include <cstddef>
#include <cstdint>

namespace addax::cuda::lt {

using Status = int;
enum : Status { CUBLAS_STATUS_SUCCESS = 0, CUBLAS_STATUS_INVALID_VALUE = 7, CUBLAS_STATUS_NOT_SUPPORTED = 15 };

enum : int32_t { CUDA_R_32F = 0, CUDA_R_64F = 1, CUDA_R_16F = 2, CUDA_R_16BF = 14 };
enum : int32_t { CUBLAS_COMPUTE_32F = 68, CUBLAS_COMPUTE_64F = 70, CUBLAS_COMPUTE_32F_FAST_TF32 = 77 };
enum : int32_t { CUBLAS_OP_N = 0, CUBLAS_OP_T = 1 };
enum : uint32_t { CUBLASLT_EPILOGUE_DEFAULT = 1, CUBLASLT_EPILOGUE_BIAS = 4, CUBLASLT_EPILOGUE_RELU_BIAS = 6 };
enum : uint32_t { CUBLASLT_REDUCTION_SCHEME_NONE = 0, CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE = 2 };

// Attributes, of a layout, of an operation, of a search.
enum : int { CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT = 5, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET = 6 };
enum : int {
  CUBLASLT_MATMUL_DESC_TRANSA = 3,
  CUBLASLT_MATMUL_DESC_TRANSB = 4,
  CUBLASLT_MATMUL_DESC_EPILOGUE = 7,
  CUBLASLT_MATMUL_DESC_BIAS_POINTER = 8
};
enum : int {
  CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES = 1,
  CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK = 3,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES = 5,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES = 6,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES = 7,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES = 8
};

struct Algorithm {
  uint64_t data[8];
};
struct HeuristicResult {
  Algorithm algo;
  size_t workspaceSize;
  Status state;
  float wavesCount;
  int reserved[4];
};

// Handles and descriptors are pointers to what only the library knows. Result, name, arguments.
#define ADDAX_CUBLASLT(X)                                                                                              \
  X(size_t, cublasLtGetVersion, ())                                                                                    \
  X(const char*, cublasLtGetStatusName, (Status status))                                                               \
  X(Status, cublasLtCreate, (void** handle))                                                                           \
  X(Status, cublasLtMatrixLayoutCreate, (void** layout, int32_t type, uint64_t rows, uint64_t columns, int64_t pitch)) \
  X(Status, cublasLtMatrixLayoutSetAttribute, (void* layout, int attribute, const void* value, size_t bytes))          \
  X(Status, cublasLtMatrixLayoutDestroy, (void* layout))                                                               \
  X(Status, cublasLtMatmulDescCreate, (void** operation, int32_t compute, int32_t scale))                              \
  X(Status, cublasLtMatmulDescSetAttribute, (void* operation, int attribute, const void* value, size_t bytes))         \
  X(Status, cublasLtMatmulDescDestroy, (void* operation))                                                              \
  X(Status, cublasLtMatmulPreferenceCreate, (void** preference))                                                       \
  X(Status, cublasLtMatmulPreferenceSetAttribute, (void* preference, int attribute, const void* value, size_t bytes))  \
  X(Status, cublasLtMatmulPreferenceDestroy, (void* preference))                                                       \
  X(Status, cublasLtMatmulAlgoGetHeuristic,                                                                            \
    (void* handle, void* operation, void* a, void* b, void* c, void* d, void* preference, int asked,                   \
     HeuristicResult* results, int* found))                                                                            \
  X(Status, cublasLtMatmul,                                                                                            \
    (void* handle, void* operation, const void* alpha, const void* a, void* a_layout, const void* b, void* b_layout,   \
     const void* beta, const void* c, void* c_layout, void* d, void* d_layout, const Algorithm* algorithm,             \
     void* workspace, size_t workspace_bytes, void* stream))

struct Functions {
#define ADDAX_MEMBER(result, name, arguments) result(*name) arguments = nullptr;
  ADDAX_CUBLASLT(ADDAX_MEMBER)
#undef ADDAX_MEMBER
};

}  // namespace addax::cuda::lt
