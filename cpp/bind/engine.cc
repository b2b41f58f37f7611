// An engine written in Python: rows and values go to its functions. The JAX engine (addax/jax) is the one there is.
#include "ops/engine.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include "bind/bind.h"
#include "graph/trace.h"

namespace addax::bind {
namespace {

py::handle fetch;  // array -> NumPy array; never freed, for values may outlive their engine

// An array of the engine's library. It and its copy on the host are dropped by whichever thread drops the last tensor.
class __attribute__((visibility("hidden"))) ArrayValue final : public RemoteValue {
 public:
  explicit ArrayValue(py::object array) : array_(std::move(array)) {}
  ~ArrayValue() override {
    if (!Py_IsInitialized()) {  // the interpreter has taken its objects with it
      array_.release();
      host_.release();
      return;
    }
    py::gil_scoped_acquire gil;
    array_ = py::object();
    host_ = py::array();
  }

  void* host() override {
    py::gil_scoped_acquire gil;
    if (!fetched_) {
      host_ = py::module_::import("numpy").attr("ascontiguousarray")(fetch(array_));
      fetched_ = true;
    }
    return const_cast<void*>(host_.data());
  }

  const py::object& array() const { return array_; }
  /// Whether nothing but the storage holds the array or sees its memory.
  bool is_unique() const { return !fetched_ && Py_REFCNT(array_.ptr()) == 1; }

 private:
  py::object array_;
  py::array host_;
  bool fetched_ = false;
};

bool is_remote(const Tensor& t) { return t.device().type == DeviceType::Jax; }
ArrayValue& value_in(const Tensor& t) {
  return *static_cast<ArrayValue*>(static_cast<RemoteValue*>(t.storage()->data));
}

Tensor adopt(py::object array, const Shape& shape, Dtype dtype) {
  auto* storage = new Storage;
  const Ref<Storage> ref(storage);
  storage->bytes = numel(shape) * size_of(dtype);
  storage->device = {DeviceType::Jax, 0};
  storage->read_only = true;
  storage->data = static_cast<RemoteValue*>(new ArrayValue(std::move(array)));
  storage->foreign = [](void* p) { delete static_cast<RemoteValue*>(p); };
  return Tensor(ref, Layout::contiguous(shape), dtype);
}

// The engine's array where the tensor is all of one, else a NumPy array for the engine to take.
py::object array_of(const Tensor& t) {
  if (!t) return py::none();
  if (!is_remote(t)) return to_numpy(t);
  const ArrayValue& value = value_in(t);
  if (t.is_contiguous() && t.nbytes() == t.storage()->bytes) return value.array();
  return to_numpy(t);
}

class __attribute__((visibility("hidden"))) PythonEngine final : public Engine {
 public:
  PythonEngine(py::function run, py::function put) : run_(std::move(run)), put_(std::move(put)) {}

  Tensors run(const OpDef& op, const Attrs& attrs, Span<const Tensor> in, Span<const Spec> out) override {
    py::gil_scoped_acquire gil;
    py::tuple arrays(in.size()), specs(out.size());
    for (size_t i = 0; i < in.size(); ++i) arrays[i] = array_of(in[i]);
    for (size_t i = 0; i < out.size(); ++i) specs[i] = spec_of(out[i]);
    const py::sequence results = run_(op.name, attrs_of(attrs), specs, arrays);
    Tensors tensors;
    for (size_t i = 0; i < out.size(); ++i) tensors.push_back(adopt(results[i], out[i].shape, out[i].dtype));
    return tensors;
  }

  Tensor put(const Tensor& value, const Tensor& old) override {
    py::gil_scoped_acquire gil;
    const py::object array = array_of(value);
    const py::object placed = put_(array, old && !old.is_placeholder() ? array_of(old) : py::none());
    return placed.is(array) ? value.detach() : adopt(placed, value.shape(), value.dtype());
  }

 private:
  py::function run_, put_;
};

struct HostScope {
  std::unique_ptr<OnHost> host;
};

}  // namespace

void bind_engine(py::module_& m) {
  py::class_<States>(m, "States", "The variables behind the states of a graph.")
      .def("__len__", &States::size)
      .def_property_readonly("are_current", &States::are_current)
      .def(
          "arrays",
          [](const States& states) {
            py::list out;
            for (size_t i = 0; i < states.size(); ++i) {
              Tensor& value = states.value(i);
              if (!is_remote(value)) value = active_engine->put(value, {});
              const bool unique = value.is_unique() && value_in(value).is_unique();
              out.append(py::make_tuple(array_of(value), unique));
            }
            return out;
          },
          "For each state the engine's array, and whether nobody else holds that.")
      .def(
          "run",
          [](const States& states, const py::function& step, const std::vector<size_t>& which, const py::args& arrays) {
            // Nothing comes between, so that Ctrl-C never finds variables whose arrays have been given away.
            const py::tuple out = step(*arrays);
            const py::sequence replaced = out[1];
            for (size_t i = 0; i < which.size(); ++i) {
              Tensor& value = states.value(which[i]);
              value = adopt(replaced[i], value.shape(), value.dtype());
            }
            return py::object(out[0]);
          },
          py::arg("step"), py::arg("which"),
          "Calls step(*arrays) -> (results, new values of some states) and gives those their values; the results.");
  py::class_<HostScope>(m, "on_host", "Context in which this thread computes by the native kernels on the host.")
      .def(py::init<>())
      .def("__enter__", [](HostScope& s) { s.host = std::make_unique<OnHost>(); })
      .def("__exit__", [](HostScope& s, const py::args&) { s.host.reset(); });
  m.def(
      "set_engine",
      [](const py::object& run, const py::object& put, py::object get) {
        // One that has been used is not freed: threads may be inside.
        active_engine = run.is_none() ? nullptr : new PythonEngine(run, put);
        if (!get.is_none()) fetch = get.release();
      },
      py::arg("run") = py::none(), py::arg("put") = py::none(), py::arg("fetch") = py::none(),
      "Lets run(name, attrs, specs, arrays) -> arrays compute every row, put(array, old) take over values, to lie as "
      "an old one does, and fetch(array) give NumPy's; without arguments: the native engine.");
  m.def(
      "array_of", [](const Tensor& t) { return array_of(t); }, py::arg("tensor"),
      "The array of the engine's library behind a tensor, or a NumPy array of one that lies in the host's memory.");
  m.def(
      "tensor_of",
      [](py::object array, const std::vector<int64_t>& shape, const std::string& dtype) {
        return adopt(std::move(array), Shape(shape.begin(), shape.end()), dtype_from(dtype));
      },
      py::arg("array"), py::arg("shape"), py::arg("dtype"), "A tensor of an array of the engine's library.");
  m.def("any_tensor_made", &any_tensor_made, "Whether this process has made a tensor.");
}

}  // namespace addax::bind
