// NumPy, the buffer protocol and DLPack, in and out, without copying where the layout allows.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <cstring>
#include <map>

#include "addax/ops/elementwise.h"
#include "bind/bind.h"
#include "core/runtime.h"
#include "ops/engine.h"
#include "ops/record.h"

namespace addax::bind {
namespace {

// -- DLPack's C structures (https://dmlc.github.io/dlpack, version 1.0)

struct DLDevice {
  int32_t device_type;
  int32_t device_id;
};
struct DLDataType {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t* shape;
  int64_t* strides;
  uint64_t byte_offset;
};
struct DLManagedTensor {
  DLTensor dl_tensor;
  void* manager_ctx;
  void (*deleter)(DLManagedTensor*);
};
struct DLManagedTensorVersioned {
  uint32_t major, minor;
  void* manager_ctx;
  void (*deleter)(DLManagedTensorVersioned*);
  uint64_t flags;
  DLTensor dl_tensor;
};
enum : int32_t { kDLCPU = 1, kDLCUDA = 2 };
enum : uint8_t { kDLInt = 0, kDLUInt = 1, kDLFloat = 2, kDLBfloat = 4, kDLComplex = 5, kDLBool = 6 };
constexpr uint64_t kReadOnlyFlag = 1;

DLDataType dl_type_of(Dtype dtype) {
  const auto bits = static_cast<uint8_t>(size_of(dtype) * 8);
  switch (kind_of(dtype)) {
    case Kind::Bool:
      return {kDLBool, 8, 1};
    case Kind::Signed:
      return {kDLInt, bits, 1};
    case Kind::Unsigned:
      return {kDLUInt, bits, 1};
    case Kind::Complex:
      return {kDLComplex, bits, 1};
    default:
      return {dtype == Dtype::BFloat16 ? kDLBfloat : kDLFloat, bits, 1};
  }
}

Dtype dtype_of(DLDataType t) {
  for (int i = 0; i < kNumDtypes; ++i) {
    const auto dtype = static_cast<Dtype>(i);
    const DLDataType d = dl_type_of(dtype);
    if (d.code == t.code && d.bits == t.bits && t.lanes == 1) return dtype;
  }
  fail<DtypeError>("from_dlpack: unsupported DLPack type (code ", int{t.code}, ", bits ", int{t.bits}, ", lanes ",
                   t.lanes, ")");
}

DLDevice dl_device_of(Device device) { return {device.has_runtime() ? kDLCUDA : kDLCPU, device.index}; }

Device device_of(DLDevice device) {
  if (device.device_type == kDLCPU) return {};
  if (device.device_type != kDLCUDA)
    fail<ValueError>("from_dlpack: the array is on DLPack device type ", device.device_type,
                     "; expected CPU (1) or CUDA (2) memory: move it to the CPU first");
  const Device cuda{DeviceType::Cuda, static_cast<int16_t>(device.device_id)};
  runtime_of(cuda);
  return cuda;
}

// Foreign memory: a deleter that may run on any thread, with or without the GIL.
Tensor adopt(void* data, int64_t bytes, const Layout& layout, Dtype dtype, std::function<void(void*)> release,
             Device device = {}) {
  auto* storage = new Storage;
  const Ref<Storage> ref(storage);
  storage->data = data;
  storage->bytes = bytes;
  storage->device = device;
  storage->read_only = true;
  storage->foreign = std::move(release);
  return Tensor(ref, layout, dtype);
}

struct Exported {
  Tensor tensor;
  Dims shape, strides;
};

void fill(DLTensor& dl, Exported& owner) {
  dl = {owner.tensor.address(),
        dl_device_of(owner.tensor.device()),
        owner.shape.rank(),
        dl_type_of(owner.tensor.dtype()),
        owner.shape.begin(),
        owner.strides.begin(),
        0};
}

template <class Managed>
void delete_managed(Managed* m) {
  delete static_cast<Exported*>(m->manager_ctx);
  delete m;
}

template <class Managed>
void free_unconsumed(PyObject* capsule, const char* name) {
  if (!PyCapsule_IsValid(capsule, name)) return;
  auto* m = static_cast<Managed*>(PyCapsule_GetPointer(capsule, name));
  if (m->deleter) m->deleter(m);
}

py::object to_dlpack(const Tensor& x, const py::object&, const py::object& max_version, const py::object&,
                     const py::object& copy) {
  Tensor source = x;
  if (!copy.is_none() && py::cast<bool>(copy)) {
    source = Tensor::empty(x.shape(), x.dtype(), "dlpack");
    std::memcpy(source.raw(), x.to(Device{}).contiguous().raw(), static_cast<size_t>(x.nbytes()));
    if (x.device().has_runtime()) source = source.to(x.device());
  }
  synchronize(source.device());  // whoever takes it may read it on a stream of its own
  auto* owner = new Exported{source, source.shape(), source.strides()};
  const bool versioned = !max_version.is_none() && py::cast<int>(max_version[py::int_(0)]) >= 1;
  PyObject* capsule;
  if (versioned) {
    auto* m = new DLManagedTensorVersioned{1, 0, owner, &delete_managed<DLManagedTensorVersioned>, kReadOnlyFlag, {}};
    fill(m->dl_tensor, *owner);
    capsule = PyCapsule_New(m, "dltensor_versioned",
                            [](PyObject* c) { free_unconsumed<DLManagedTensorVersioned>(c, "dltensor_versioned"); });
  } else {
    auto* m = new DLManagedTensor{{}, owner, &delete_managed<DLManagedTensor>};
    fill(m->dl_tensor, *owner);
    capsule = PyCapsule_New(m, "dltensor", [](PyObject* c) { free_unconsumed<DLManagedTensor>(c, "dltensor"); });
  }
  if (!capsule) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(capsule);
}

template <class Managed>
Tensor take_capsule(const py::object& capsule, const char* name, const char* used) {
  auto* m = static_cast<Managed*>(PyCapsule_GetPointer(capsule.ptr(), name));
  if (!m) throw py::error_already_set();
  const DLTensor& dl = m->dl_tensor;
  const Device device = device_of(dl.device);
  synchronize(device);  // whoever made it may still be writing it
  const Dtype dtype = dtype_of(dl.dtype);
  const Shape shape(dl.shape, dl.shape + dl.ndim);
  Layout layout = Layout::contiguous(shape);
  if (dl.strides) layout.strides = Strides(dl.strides, dl.strides + dl.ndim);
  PyCapsule_SetName(capsule.ptr(), used);
  const auto release = [m](void*) {
    py::gil_scoped_acquire gil;  // the owner may be a Python object
    if (m->deleter) m->deleter(m);
  };
  return adopt(static_cast<char*>(dl.data) + dl.byte_offset, numel(shape) * size_of(dtype), layout, dtype, release,
               device);
}

Tensor from_dlpack(const py::object& array) {
  py::object capsule;
  try {
    capsule = array.attr("__dlpack__")(py::arg("max_version") = py::make_tuple(1, 0));
  } catch (py::error_already_set& e) {
    if (!e.matches(PyExc_TypeError)) throw;
    capsule = array.attr("__dlpack__")();
  }
  if (PyCapsule_IsValid(capsule.ptr(), "dltensor_versioned"))
    return take_capsule<DLManagedTensorVersioned>(capsule, "dltensor_versioned", "used_dltensor_versioned");
  return take_capsule<DLManagedTensor>(capsule, "dltensor", "used_dltensor");
}

// -- NumPy

py::dtype numpy_dtype(Dtype dtype) {
  static auto* made = new std::map<Dtype, py::dtype>;  // by the lock of the interpreter; never freed
  const auto it = made->find(dtype);
  if (it != made->end()) return it->second;
  py::dtype found = dtype == Dtype::BFloat16 ? py::dtype::from_args(py::module_::import("ml_dtypes").attr("bfloat16"))
                                             : py::dtype(std::string(name_of(dtype)));
  return made->emplace(dtype, std::move(found)).first->second;
}

Dtype dtype_of(const py::dtype& dtype) {
  static auto* cache = new std::vector<std::pair<int, Dtype>>;
  const int num = dtype.num();
  for (const auto& [known, value] : *cache)
    if (known == num) return value;
  const auto name = py::cast<std::string>(dtype.attr("name"));
  const Dtype value = dtype_from(name);
  if (dtype.kind() != 'V') cache->emplace_back(num, value);
  return value;
}

Tensor from_numpy(py::array array) {
  Dtype dtype;
  try {
    dtype = dtype_of(array.dtype());
  } catch (const DtypeError&) {
    fail<DtypeError>("convert_to_tensor: NumPy dtype '", py::cast<std::string>(py::str(array.dtype())),
                     "' has no tensor equivalent; expected numbers or bool. Strings, objects and dates must be encoded "
                     "as numbers first");
  }
  if (const char order = array.dtype().byteorder(); order != '=' && order != '|')
    array = array.attr("astype")(array.dtype().attr("newbyteorder")("="));
  const int64_t size = size_of(dtype);
  Shape shape;
  for (py::ssize_t i = 0; i < array.ndim(); ++i) shape.push_back(array.shape(i));
  Layout layout = Layout::contiguous(shape);
  bool fits = reinterpret_cast<uintptr_t>(array.data()) % static_cast<uintptr_t>(size) == 0;
  for (int i = 0; i < shape.rank(); ++i) {
    fits &= array.strides(i) % size == 0;
    layout.strides[i] = array.strides(i) / size;
  }
  if (!fits) {
    array = array.attr("copy")();
    layout = Layout::contiguous(shape);
  }
  void* data = const_cast<void*>(array.data());
  auto* owner = new py::array(array);
  return adopt(data, numel(shape) * size, layout, dtype, [owner](void*) {
    py::gil_scoped_acquire gil;
    delete owner;
  });
}

py::buffer_info buffer_of(const Tensor& x) {
  if (x.device().has_runtime())
    throw py::buffer_error("the CPU cannot read this tensor's memory; use tensor.numpy(), which copies it");
  if (x.dtype() == Dtype::BFloat16)
    throw py::buffer_error("bfloat16 has no buffer format; use tensor.numpy() or cast to float32");
  const py::ssize_t size = static_cast<py::ssize_t>(size_of(x.dtype()));
  std::vector<py::ssize_t> shape(x.shape().begin(), x.shape().end()), strides;
  for (int64_t s : x.strides()) strides.push_back(static_cast<py::ssize_t>(s) * size);
  const std::string format(1, numpy_dtype(x.dtype()).attr("char").cast<std::string>()[0]);
  return py::buffer_info(x.raw(), size, format, x.rank(), shape, strides, true);
}

// Numbers, bool and nested sequences: int32, the default float and bool, as Keras has it.
Tensor from_python(py::handle value) {
  PyObject* o = value.ptr();
  if (PyBool_Check(o)) return Tensor::scalar(o == Py_True, Dtype::Bool);
  if (PyFloat_CheckExact(o)) return Tensor::scalar(PyFloat_AS_DOUBLE(o), Dtype::Float32);
  if (PyLong_CheckExact(o)) {
    int overflow = 0;
    const long long v = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (overflow)
      fail<ValueError>("convert_to_tensor: the Python int ", py::cast<std::string>(py::str(value)),
                       " does not fit int64");
    const bool fits = v >= INT32_MIN && v <= INT32_MAX;
    const int64_t exact = v;
    return fits ? Tensor::scalar(static_cast<double>(v), Dtype::Int32) : Tensor::from_data(&exact, {});
  }
  const py::module_ np = py::module_::import("numpy");
  py::object array;
  try {
    array = np.attr("asarray")(value);
  } catch (py::error_already_set& e) {
    if (!e.matches(PyExc_ValueError)) throw;
    fail<ValueError>("convert_to_tensor: could not make an array of the given ", Py_TYPE(value.ptr())->tp_name, ": ",
                     py::cast<std::string>(py::str(e.value())), "; nested sequences must all have the same length");
  }
  Tensor t = from_numpy(array);
  if (PyList_Check(o) || PyTuple_Check(o)) {
    // NumPy's own defaults (float64, int64) are not ours; arrays and NumPy scalars inside the list keep their meaning
    // only through an explicit dtype.
    if (t.dtype() == Dtype::Float64) return cast(t, Dtype::Float32);
    if (t.dtype() == Dtype::Int64) {
      const Tensor narrow = cast(t, Dtype::Int32);
      if (py::cast<bool>(np.attr("array_equal")(array, to_numpy(narrow)))) return narrow;
    }
  }
  return t;
}

}  // namespace

py::object to_numpy(const Tensor& x) {
  if (x.device().has_runtime()) return to_numpy(x.to(Device{}));
  std::vector<py::ssize_t> shape(x.shape().begin(), x.shape().end()), strides;
  for (int64_t s : x.strides()) strides.push_back(static_cast<py::ssize_t>(s * size_of(x.dtype())));
  void* data = x.raw();
  const py::capsule owner(new Tensor(x.detach()), [](void* p) { delete static_cast<Tensor*>(p); });
  py::array out(numpy_dtype(x.dtype()), shape, strides, data, owner);
  py::detail::array_proxy(out.ptr())->flags &= ~py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  return std::move(out);
}

py::object copy_to_numpy(const Tensor& x) {
  const OnHost host;
  const Tensor c = (x.device().has_runtime() ? x.to(Device{}) : x).contiguous();
  py::array out(numpy_dtype(x.dtype()), std::vector<py::ssize_t>(x.shape().begin(), x.shape().end()));
  if (c.nbytes() > 0) std::memcpy(out.mutable_data(), c.raw(), static_cast<size_t>(c.nbytes()));
  return std::move(out);
}

Tensor convert(py::handle value, const std::string& dtype) {
  Tensor t;
  if (const Tensor* known = as_tensor(value.ptr()))
    t = *known;
  else if (py::isinstance<py::array>(value))
    t = from_numpy(py::reinterpret_borrow<py::array>(value));
  else if (PyFloat_CheckExact(value.ptr()) && !dtype.empty())
    return Tensor::scalar(PyFloat_AS_DOUBLE(value.ptr()), dtype_from(dtype));
  else if (py::hasattr(value, "__dlpack__") && !py::hasattr(value, "__array_interface__"))
    t = from_dlpack(py::reinterpret_borrow<py::object>(value));
  else if (!dtype.empty() && (PyList_Check(value.ptr()) || PyTuple_Check(value.ptr())))
    t = from_numpy(py::module_::import("numpy").attr("asarray")(value));  // no detour through float32
  else
    t = from_python(value);
  return dtype.empty() ? t : cast(t, dtype_from(dtype));
}

Tensor convert_operand(PyObject* value, const Tensor& other) {
  const OnHost host;
  if (PyBool_Check(value)) return Tensor::scalar(value == Py_True, Dtype::Bool);
  if (PyLong_Check(value)) {
    int overflow = 0;
    const long long v = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow) fail<ValueError>("a Python int beside a tensor must fit int64");
    const Dtype dtype = other.dtype() == Dtype::Bool ? Dtype::Int32 : other.dtype();
    if (!is_int(dtype)) return Tensor::scalar(static_cast<double>(v), dtype);
    const int64_t exact = v;
    const Tensor wide = Tensor::from_data(&exact, {});
    return dtype == Dtype::Int64 ? wide : cast(wide, dtype);
  }
  if (PyFloat_Check(value)) return Tensor::scalar(PyFloat_AS_DOUBLE(value), to_float(other.dtype()));
  if (py::isinstance<py::array>(value) || PyList_Check(value) || PyTuple_Check(value) ||
      py::hasattr(value, "__array_interface__"))
    return convert(value, "").to(other.device());
  return {};
}

void bind_interop(py::module_& m) {
  m.def(
      "tensor",
      [](py::handle value, const py::object& dtype) {
        const std::string name = dtype.is_none() ? std::string() : py::cast<std::string>(dtype);
        if (as_tensor(value.ptr()) || OnHost::active()) return convert(value, name);
        if (active_engine) {
          const OnHost host;
          return active_engine->put(convert(value, name), {});
        }
        const Tensor t = convert(value, name);
        // A trace's constants go to the device with its plan.
        return active_tracer ? t : t.to(current_device());
      },
      py::arg("value"), py::arg("dtype") = py::none(),
      "A tensor of NumPy arrays, nested sequences, numbers or DLPack owners, where the engine computes. Arrays share "
      "memory where engine, layout and dtype allow.");
  m.def("host_tensor", &from_numpy, py::arg("array"),
        "A tensor that shares memory with the array, whatever the engine: what is still to be cut into batches.");
  m.def(
      "placeholder",
      [](const std::vector<int64_t>& shape, const std::string& dtype) {
        return Tensor::placeholder(Shape(shape.begin(), shape.end()), dtype_from(dtype));
      },
      py::arg("shape"), py::arg("dtype"), "A shape and dtype without a value, for abstract evaluation.");
  m.def("from_dlpack", &from_dlpack, py::arg("array"), "A tensor that shares memory with a DLPack owner.");

  py::class_<Tensor> cls = py::reinterpret_borrow<py::class_<Tensor>>(reinterpret_cast<PyObject*>(tensor_type()));
  cls.def(
         "__array__",
         [](const Tensor& x, const py::object& dtype, const py::object& copy) {
           py::object array = to_numpy(x);
           const bool must_copy = !copy.is_none() && py::cast<bool>(copy);
           if (dtype.is_none()) return must_copy ? py::object(array.attr("copy")()) : array;
           return py::object(array.attr("astype")(dtype, py::arg("copy") = must_copy));
         },
         py::arg("dtype") = py::none(), py::arg("copy") = py::none())
      .def_buffer(&buffer_of)
      .def("__dlpack__", &to_dlpack, py::kw_only(), py::arg("stream") = py::none(), py::arg("max_version") = py::none(),
           py::arg("dl_device") = py::none(), py::arg("copy") = py::none())
      .def("__dlpack_device__", [](const Tensor& x) {
        const DLDevice device = dl_device_of(x.device());
        return py::make_tuple(device.device_type, device.device_id);
      });
}

}  // namespace addax::bind
