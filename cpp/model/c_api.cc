// The C functions over Model: handles, checked pointers, and no exception that leaves.
#include "addax/c_api.h"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <new>

#include "addax/model.h"

static_assert(
    ADDAX_BOOL == static_cast<int>(addax::Dtype::Bool) && ADDAX_INT8 == static_cast<int>(addax::Dtype::Int8) &&
    ADDAX_INT16 == static_cast<int>(addax::Dtype::Int16) && ADDAX_INT32 == static_cast<int>(addax::Dtype::Int32) &&
    ADDAX_INT64 == static_cast<int>(addax::Dtype::Int64) && ADDAX_UINT8 == static_cast<int>(addax::Dtype::UInt8) &&
    ADDAX_UINT16 == static_cast<int>(addax::Dtype::UInt16) && ADDAX_UINT32 == static_cast<int>(addax::Dtype::UInt32) &&
    ADDAX_UINT64 == static_cast<int>(addax::Dtype::UInt64) &&
    ADDAX_FLOAT16 == static_cast<int>(addax::Dtype::Float16) &&
    ADDAX_BFLOAT16 == static_cast<int>(addax::Dtype::BFloat16) &&
    ADDAX_FLOAT32 == static_cast<int>(addax::Dtype::Float32) &&
    ADDAX_FLOAT64 == static_cast<int>(addax::Dtype::Float64));
static_assert(ADDAX_MAX_RANK == addax::kMaxRank);

struct addax_model {
  addax::Model model;
  addax::Device device;
  std::vector<std::string> endpoints;
};

struct addax_state {
  addax::ModelState state;
};

namespace addax {
namespace {

// Fixed, so that a lack of memory can be told.
thread_local char last_error[1024] = "";

addax_status failed(addax_status status, const char* function, const char* message) {
  std::snprintf(last_error, sizeof last_error, "%s: %s", function, message);
  return status;
}

template <class Body>
addax_status guarded(const char* function, const Body& body) noexcept {
  try {
    body();
    return ADDAX_OK;
  } catch (const OutOfMemory& error) {
    return failed(ADDAX_OUT_OF_MEMORY, function, error.what());
  } catch (const ShapeError& error) {
    return failed(ADDAX_SHAPE_ERROR, function, error.what());
  } catch (const DtypeError& error) {
    return failed(ADDAX_DTYPE_ERROR, function, error.what());
  } catch (const ValueError& error) {
    return failed(ADDAX_VALUE_ERROR, function, error.what());
  } catch (const IndexError& error) {
    return failed(ADDAX_VALUE_ERROR, function, error.what());
  } catch (const std::bad_alloc&) {
    return failed(ADDAX_OUT_OF_MEMORY, function, "there is no memory left");
  } catch (const std::exception& error) {
    return failed(ADDAX_ERROR, function, error.what());
  } catch (...) {
    return failed(ADDAX_ERROR, function, "an unknown exception");
  }
}

template <class T>
T& given(T* pointer, const char* name) {
  if (!pointer) fail("expected ", name, ", got NULL");
  return *pointer;
}

/// Of arrays, which may be NULL if they are empty.
template <class T>
Span<T> array(T* items, size_t count, const char* name) {
  if (!items && count) fail("expected ", count, ' ', name, ", got NULL");
  return {items, count};
}

/// The caller's options: what lies beyond its size is as by default, and what lies beyond ours must be zero.
LoadOptions options_of(const addax_load_options* options) {
  LoadOptions out;
  if (!options) return out;
  constexpr size_t smallest = offsetof(addax_load_options, device);
  if (options->size < smallest)
    fail("expected options.size of sizeof(addax_load_options), ", sizeof(addax_load_options), ", got ", options->size);
  addax_load_options known{};
  std::memcpy(&known, options, std::min(options->size, sizeof known));
  const char* bytes = reinterpret_cast<const char*>(options);
  for (size_t i = sizeof known; i < options->size; ++i)
    if (bytes[i]) fail("options of a later version are set, which this library, ", ADDAX_VERSION, ", does not know");
  if (known.device) out.device = device_from(known.device);
  if (known.endpoint) out.endpoint = known.endpoint;
  out.memory_limit = known.memory_limit;
  out.threads = known.threads;
  out.verify = known.verify != 0;
  out.save_memory = known.save_memory != 0;
  return out;
}

addax_model* new_handle(Model model, Device device) {
  std::vector<std::string> endpoints = model.endpoints();
  return new addax_model{std::move(model), device, std::move(endpoints)};
}

Shape shape_of(const addax_shape& shape, const char* what, size_t index) {
  if (shape.rank < 0 || shape.rank > kMaxRank)
    fail<ShapeError>(what, ' ', index, ": expected a rank from 0 to ", kMaxRank, ", got ", shape.rank);
  Shape out(shape.dims, shape.dims + shape.rank);
  for (const int64_t dim : out)
    if (dim < 0) fail<ShapeError>(what, ' ', index, ": expected dims of 0 or more, got ", out);
  return out;
}

std::vector<Shape> shapes_of(const addax_model& model, Span<const addax_shape> shapes) {
  if (shapes.size() != model.model.inputs().size())
    fail("expected shapes of ", model.model.inputs().size(), " inputs, got ", shapes.size());
  std::vector<Shape> out;
  for (size_t i = 0; i < shapes.size(); ++i) out.push_back(shape_of(shapes[i], "input", i));
  return out;
}

void write_shape(const Shape& shape, addax_shape& out) {
  out.rank = shape.rank();
  std::fill(out.dims, out.dims + kMaxRank, 0);
  std::copy(shape.begin(), shape.end(), out.dims);
}

void write_info(const std::vector<TensorInfo>& infos, size_t index, addax_tensor_info* out, const char* what) {
  given(out, "info");
  if (out->size < sizeof(addax_tensor_info))
    fail("expected info.size of sizeof(addax_tensor_info), ", sizeof(addax_tensor_info), ", got ", out->size);
  if (index >= infos.size()) fail("expected the index of one of ", infos.size(), ' ', what, "s, got ", index);
  const TensorInfo& info = infos[index];
  out->name = info.name.c_str();
  out->dtype = static_cast<addax_dtype>(info.dtype);
  write_shape(info.shape, out->shape);
  for (size_t i = 0; i < static_cast<size_t>(kMaxRank); ++i)
    out->size_names[i] = i < info.sizes.size() ? info.sizes[i].c_str() : "";
}

/// A tensor over the caller's memory.
Tensor wrapped(const addax_tensor& given, const char* what, size_t index, bool read_only) {
  if (given.dtype < ADDAX_BOOL || given.dtype > ADDAX_FLOAT64)
    fail<DtypeError>(what, ' ', index, ": there is no dtype ", given.dtype);
  const auto dtype = static_cast<Dtype>(given.dtype);
  const Shape shape = shape_of(given.shape, what, index);
  const int64_t count = numel(shape), element = size_of(dtype);
  if (count > INT64_MAX / element || static_cast<uint64_t>(count * element) > given.bytes)
    fail<ShapeError>(what, ' ', index, ": expected a buffer for ", dtype, shape, ", got one of ", given.bytes,
                     " bytes");
  if (!given.data && count) fail(what, ' ', index, ": expected data, got NULL");
  if (reinterpret_cast<uintptr_t>(given.data) % static_cast<uintptr_t>(element))
    fail(what, ' ', index, ": expected data aligned to ", element, " bytes for ", dtype);
  Ref<Storage> storage(new Storage);
  storage->data = given.data;
  storage->bytes = count * element;
  storage->read_only = read_only;
  storage->foreign = [](void*) {};
  return Tensor(std::move(storage), Layout::contiguous(shape), dtype);
}

Tensors wrapped(Span<const addax_tensor> given, const char* what, bool read_only) {
  Tensors out;
  out.reserve(given.size());
  for (size_t i = 0; i < given.size(); ++i) out.push_back(wrapped(given[i], what, i, read_only));
  return out;
}

void check_disjoint(const Tensors& inputs, const Tensors& outputs) {
  const auto overlap = [](const Tensor& a, const Tensor& b) {
    const auto x = reinterpret_cast<uintptr_t>(a.storage()->data), y = reinterpret_cast<uintptr_t>(b.storage()->data);
    return x < y + static_cast<uintptr_t>(b.nbytes()) && y < x + static_cast<uintptr_t>(a.nbytes());
  };
  for (size_t o = 0; o < outputs.size(); ++o) {
    for (size_t i = 0; i < inputs.size(); ++i)
      if (overlap(outputs[o], inputs[i])) fail("output ", o, " overlaps input ", i);
    for (size_t i = 0; i < o; ++i)
      if (overlap(outputs[o], outputs[i])) fail("output ", o, " overlaps output ", i);
  }
}

/// Before anything runs.
void check_outputs(const Model& model, const Tensors& inputs, const Tensors& outputs) {
  if (inputs.size() != model.inputs().size()) fail("expected ", model.inputs().size(), " inputs, got ", inputs.size());
  if (outputs.size() != model.outputs().size())
    fail("expected ", model.outputs().size(), " outputs, got ", outputs.size());
  std::vector<Shape> shapes;
  for (const Tensor& t : inputs) shapes.push_back(t.shape());
  const std::vector<Shape> expected = model.output_shapes(shapes);
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].shape() != expected[i])
      fail<ShapeError>("output ", i, ": expected shape ", expected[i], ", got ", outputs[i].shape());
    if (outputs[i].dtype() != model.outputs()[i].dtype)
      fail<DtypeError>("output ", i, ": expected ", model.outputs()[i].dtype, ", got ", outputs[i].dtype());
  }
}

void copy_results(const Tensors& results, const Tensors& outputs) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Tensor here = results[i].to(Device{}).contiguous();
    if (here.nbytes()) std::memcpy(outputs[i].raw(), here.raw(), static_cast<size_t>(here.nbytes()));
  }
}

template <class Load>
addax_status load(const char* function, const addax_load_options* options, addax_model** model, const Load& run) {
  return guarded(function, [&] {
    given(model, "model") = nullptr;
    const LoadOptions known = options_of(options);
    *model = new_handle(run(known), known.device);
  });
}

}  // namespace
}  // namespace addax

using namespace addax;

const char* addax_version(void) noexcept { return ADDAX_VERSION; }

const char* addax_last_error(void) noexcept { return last_error; }

size_t addax_dtype_size(addax_dtype dtype) noexcept {
  const bool known = dtype >= ADDAX_BOOL && dtype <= ADDAX_FLOAT64;
  return known ? static_cast<size_t>(size_of(static_cast<Dtype>(dtype))) : 0;
}

addax_status addax_model_load(const char* path, const addax_load_options* options, addax_model** model) noexcept {
  return load(__func__, options, model,
              [&](const LoadOptions& known) { return Model::load(&given(path, "path"), known); });
}

addax_status addax_model_load_bytes(const void* bytes, size_t size, const addax_load_options* options,
                                    addax_model** model) noexcept {
  return load(__func__, options, model, [&](const LoadOptions& known) {
    return Model::from_bytes(&given(static_cast<const char*>(bytes), "bytes"), size, known);
  });
}

void addax_model_free(addax_model* model) noexcept { delete model; }

addax_status addax_model_num_endpoints(const addax_model* model, size_t* count) noexcept {
  return guarded(__func__, [&] { given(count, "count") = given(model, "model").endpoints.size(); });
}

addax_status addax_model_endpoint_name(const addax_model* model, size_t index, const char** name) noexcept {
  return guarded(__func__, [&] {
    const auto& names = given(model, "model").endpoints;
    given(name, "name");
    if (index >= names.size()) fail("expected the index of one of ", names.size(), " endpoints, got ", index);
    *name = names[index].c_str();
  });
}

addax_status addax_model_endpoint(const addax_model* model, const char* name, addax_model** endpoint) noexcept {
  return guarded(__func__, [&] {
    given(endpoint, "endpoint") = nullptr;
    *endpoint = new_handle(given(model, "model").model.endpoint(&given(name, "name")), model->device);
  });
}

addax_status addax_model_num_inputs(const addax_model* model, size_t* count) noexcept {
  return guarded(__func__, [&] { given(count, "count") = given(model, "model").model.inputs().size(); });
}

addax_status addax_model_num_outputs(const addax_model* model, size_t* count) noexcept {
  return guarded(__func__, [&] { given(count, "count") = given(model, "model").model.outputs().size(); });
}

addax_status addax_model_input(const addax_model* model, size_t index, addax_tensor_info* info) noexcept {
  return guarded(__func__, [&] { write_info(given(model, "model").model.inputs(), index, info, "input"); });
}

addax_status addax_model_output(const addax_model* model, size_t index, addax_tensor_info* info) noexcept {
  return guarded(__func__, [&] { write_info(given(model, "model").model.outputs(), index, info, "output"); });
}

addax_status addax_model_output_shapes(const addax_model* model, const addax_shape* inputs, size_t num_inputs,
                                       addax_shape* outputs, size_t num_outputs) noexcept {
  return guarded(__func__, [&] {
    const std::vector<Shape> shapes =
        given(model, "model").model.output_shapes(shapes_of(*model, array(inputs, num_inputs, "inputs")));
    if (num_outputs != shapes.size()) fail("expected room for ", shapes.size(), " outputs, got ", num_outputs);
    const Span<addax_shape> out = array(outputs, num_outputs, "outputs");
    for (size_t i = 0; i < shapes.size(); ++i) write_shape(shapes[i], out[i]);
  });
}

addax_status addax_model_prepare(const addax_model* model, const addax_shape* inputs, size_t num_inputs,
                                 int32_t runs) noexcept {
  return guarded(__func__, [&] {
    if (runs < 0) fail("expected runs of 0 or more, got ", runs);
    given(model, "model").model.prepare(shapes_of(*model, array(inputs, num_inputs, "inputs")), runs);
  });
}

addax_status addax_model_run(const addax_model* model, const addax_tensor* inputs, size_t num_inputs,
                             const addax_tensor* outputs, size_t num_outputs) noexcept {
  return guarded(__func__, [&] {
    const Model& run = given(model, "model").model;
    const Tensors in = wrapped(array(inputs, num_inputs, "inputs"), "input", true);
    const Tensors out = wrapped(array(outputs, num_outputs, "outputs"), "output", false);
    check_disjoint(in, out);
    if (model->device == Device{}) {
      run.run(Span<const Tensor>(in), Span<const Tensor>(out));
    } else {
      check_outputs(run, in, out);
      copy_results(run.run(in), out);
    }
  });
}

addax_status addax_model_has_state(const addax_model* model, int32_t* has_state) noexcept {
  return guarded(__func__, [&] { given(has_state, "has_state") = given(model, "model").model.has_state(); });
}

addax_status addax_model_initial_state(const addax_model* model, addax_state** state) noexcept {
  return guarded(__func__, [&] {
    given(state, "state") = nullptr;
    *state = new addax_state{given(model, "model").model.initial_state()};
  });
}

void addax_state_free(addax_state* state) noexcept { delete state; }

addax_status addax_model_run_state(const addax_model* model, addax_state* state, const addax_tensor* inputs,
                                   size_t num_inputs, const addax_tensor* outputs, size_t num_outputs) noexcept {
  return guarded(__func__, [&] {
    const Model& run = given(model, "model").model;
    given(state, "state");
    const Tensors in = wrapped(array(inputs, num_inputs, "inputs"), "input", true);
    const Tensors out = wrapped(array(outputs, num_outputs, "outputs"), "output", false);
    check_disjoint(in, out);
    check_outputs(run, in, out);
    copy_results(run.run(in, state->state), out);
  });
}
