// Models for C, and for every language that calls C: what addax/model.h has for C++, in the same library. Functions
// that can fail return a status; addax_last_error() then says why. None throws. Structs with a `size` may grow: the
// caller sets it to the size that it was compiled with.
#ifndef ADDAX_C_API_H_
#define ADDAX_C_API_H_

#include <stddef.h>
#include <stdint.h>

#include "addax/api.h"

#ifdef __cplusplus
#define ADDAX_NOEXCEPT noexcept
extern "C" {
#else
#define ADDAX_NOEXCEPT
#endif

typedef int32_t addax_status;
enum {
  ADDAX_OK = 0,
  ADDAX_ERROR = 1,        // such as a file that cannot be opened
  ADDAX_VALUE_ERROR = 2,  // a damaged file, a null pointer, an index out of range, ...
  ADDAX_SHAPE_ERROR = 3,  // shapes that do not fit
  ADDAX_DTYPE_ERROR = 4,  // a dtype that does not fit
  ADDAX_OUT_OF_MEMORY = 5,
};

typedef int32_t addax_dtype;
enum {
  ADDAX_BOOL = 0,  // bytes that are 0 or 1
  ADDAX_INT8 = 1,
  ADDAX_INT16 = 2,
  ADDAX_INT32 = 3,
  ADDAX_INT64 = 4,
  ADDAX_UINT8 = 5,
  ADDAX_UINT16 = 6,
  ADDAX_UINT32 = 7,
  ADDAX_UINT64 = 8,
  ADDAX_FLOAT16 = 9,
  ADDAX_BFLOAT16 = 10,
  ADDAX_FLOAT32 = 11,
  ADDAX_FLOAT64 = 12,
};

enum { ADDAX_MAX_RANK = 8 };

typedef struct addax_model addax_model;
typedef struct addax_state addax_state;

typedef struct addax_load_options {
  size_t size;           // sizeof(addax_load_options)
  const char* device;    // "cpu", "cuda:0"; NULL: the default device
  const char* endpoint;  // which of the file's functions; NULL: the first
  int64_t memory_limit;  // most bytes that a run may take beside weights and buffers; 0: any
  int32_t threads;       // that share one run, in the whole process; 0 leaves them as they are
  int32_t verify;        // not 0: check the weights' checksums and the recorded example
  int32_t save_memory;   // not 0: keep no weights packed as kernels read them
} addax_load_options;

typedef struct addax_shape {
  int32_t rank;
  int64_t dims[ADDAX_MAX_RANK];
} addax_shape;

typedef struct addax_tensor_info {
  size_t size;       // sizeof(addax_tensor_info)
  const char* name;  // this and the names of sizes live as long as the model
  addax_dtype dtype;
  addax_shape shape;                       // -1: any size, or one that follows from those of the inputs
  const char* size_names[ADDAX_MAX_RANK];  // equal for dims that must be equal; "" for one without a name
} addax_tensor_info;

/// A contiguous array of the caller's, in the machine's memory.
typedef struct addax_tensor {
  addax_dtype dtype;
  addax_shape shape;
  void* data;    // aligned for its dtype; of inputs only read
  size_t bytes;  // that `data` has; as many as the shape says, or more
} addax_tensor;

/// "0.1.0".
ADDAX_API const char* addax_version(void) ADDAX_NOEXCEPT;
/// Why this thread's last call with another status than ADDAX_OK failed. Valid until its next failure.
ADDAX_API const char* addax_last_error(void) ADDAX_NOEXCEPT;
/// Bytes of one element; 0 if there is no such dtype.
ADDAX_API size_t addax_dtype_size(addax_dtype dtype) ADDAX_NOEXCEPT;

/// `options` may be NULL. The file must not be changed in place while it is loaded: replace it by renaming another one.
ADDAX_API addax_status addax_model_load(const char* path, const addax_load_options* options,
                                        addax_model** model) ADDAX_NOEXCEPT;
/// Of a file's bytes, which are copied.
ADDAX_API addax_status addax_model_load_bytes(const void* bytes, size_t size, const addax_load_options* options,
                                              addax_model** model) ADDAX_NOEXCEPT;
/// Frees a handle; NULL is none.
ADDAX_API void addax_model_free(addax_model* model) ADDAX_NOEXCEPT;

ADDAX_API addax_status addax_model_num_endpoints(const addax_model* model, size_t* count) ADDAX_NOEXCEPT;
/// The name lives as long as the model.
ADDAX_API addax_status addax_model_endpoint_name(const addax_model* model, size_t index,
                                                 const char** name) ADDAX_NOEXCEPT;
/// Another function of the same file, as a handle of its own over the same weights.
ADDAX_API addax_status addax_model_endpoint(const addax_model* model, const char* name,
                                            addax_model** endpoint) ADDAX_NOEXCEPT;

ADDAX_API addax_status addax_model_num_inputs(const addax_model* model, size_t* count) ADDAX_NOEXCEPT;
ADDAX_API addax_status addax_model_num_outputs(const addax_model* model, size_t* count) ADDAX_NOEXCEPT;
ADDAX_API addax_status addax_model_input(const addax_model* model, size_t index,
                                         addax_tensor_info* info) ADDAX_NOEXCEPT;
ADDAX_API addax_status addax_model_output(const addax_model* model, size_t index,
                                          addax_tensor_info* info) ADDAX_NOEXCEPT;
/// The shapes of what inputs of these shapes give: `outputs` has room for `num_outputs`, which must be the model's.
ADDAX_API addax_status addax_model_output_shapes(const addax_model* model, const addax_shape* inputs, size_t num_inputs,
                                                 addax_shape* outputs, size_t num_outputs) ADDAX_NOEXCEPT;
/// Makes ready for inputs of these shapes in so many threads at once; else the first run does.
ADDAX_API addax_status addax_model_prepare(const addax_model* model, const addax_shape* inputs, size_t num_inputs,
                                           int32_t runs) ADDAX_NOEXCEPT;
/// Runs the model on inputs in order and writes the results to `outputs`, whose dtypes and shapes must be those of the
/// results. Buffers may not overlap. Several threads may run one model at once.
ADDAX_API addax_status addax_model_run(const addax_model* model, const addax_tensor* inputs, size_t num_inputs,
                                       const addax_tensor* outputs, size_t num_outputs) ADDAX_NOEXCEPT;

/// Whether runs need a state, such as that of a stateful recurrent layer: 0 or 1.
ADDAX_API addax_status addax_model_has_state(const addax_model* model, int32_t* has_state) ADDAX_NOEXCEPT;
/// A state as it was when the model was exported. It belongs to one sequence of runs, in one thread at a time.
ADDAX_API addax_status addax_model_initial_state(const addax_model* model, addax_state** state) ADDAX_NOEXCEPT;
ADDAX_API void addax_state_free(addax_state* state) ADDAX_NOEXCEPT;
/// As addax_model_run, of a model with a state, which moves on. If it fails, the state has not changed.
ADDAX_API addax_status addax_model_run_state(const addax_model* model, addax_state* state, const addax_tensor* inputs,
                                             size_t num_inputs, const addax_tensor* outputs,
                                             size_t num_outputs) ADDAX_NOEXCEPT;

#ifdef __cplusplus
}  // extern "C"
#endif

#endif  // ADDAX_C_API_H_
