// The Python type Tensor: properties, operators, basic slicing, conversion to Python values.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <array>

#include "addax/autograd.h"
#include "addax/ops/elementwise.h"
#include "addax/ops/movement.h"
#include "bind/bind.h"

namespace addax::bind {
namespace {

PyTypeObject* g_tensor_type = nullptr;

py::tuple as_tuple(const Dims& dims) {
  py::tuple out(dims.size());
  for (size_t i = 0; i < dims.size(); ++i)
    PyTuple_SET_ITEM(out.ptr(), static_cast<Py_ssize_t>(i), py::int_(dims[static_cast<int>(i)]).release().ptr());
  return out;
}

// What Python asks every tensor for: descriptors of the interpreter's own kind cost a fraction of pybind11's.
template <class F>
PyObject* field(PyObject* self, F&& f) {
  return guarded([&] {
    const Tensor* x = as_tensor(self);
    if (!x) throw py::type_error("Tensor: an object that __init__ has not made");
    return f(*x);
  });
}

PyObject* dtype_name(const Tensor& x) {
  static PyObject* names[kNumDtypes] = {};
  PyObject*& name = names[static_cast<size_t>(x.dtype())];
  if (!name) name = PyUnicode_InternFromString(std::string(name_of(x.dtype())).c_str());
  Py_XINCREF(name);
  return name;
}

PyGetSetDef fields[] = {
    {"shape",
     [](PyObject* self, void*) {
       return field(self, [](const Tensor& x) { return as_tuple(x.shape()).release().ptr(); });
     },
     nullptr, nullptr, nullptr},
    {"dtype", [](PyObject* self, void*) { return field(self, dtype_name); }, nullptr, nullptr, nullptr},
    {"ndim",
     [](PyObject* self, void*) { return field(self, [](const Tensor& x) { return PyLong_FromLong(x.rank()); }); },
     nullptr, nullptr, nullptr},
};

PyObject* not_implemented() {
  Py_INCREF(Py_NotImplemented);
  return Py_NotImplemented;
}

PyObject* binary(const OpDef& op, PyObject* a, PyObject* b) {
  return guarded([&]() -> PyObject* {
    const Tensor* left = as_tensor(a);
    const Tensor* right = as_tensor(b);
    Tensor converted;
    if (!left) {
      converted = convert_operand(a, *right);
      left = &converted;
    } else if (!right) {
      converted = convert_operand(b, *left);
      right = &converted;
    }
    if (!*left || !*right) return not_implemented();
    const Tensor in[] = {*left, *right};
    if (in[0].numel() < 16384 && in[1].numel() < 16384) return wrap(apply1(op, Span<const Tensor>(in, 2)));
    Tensor out;
    {
      py::gil_scoped_release release;
      out = apply1(op, Span<const Tensor>(in, 2));
    }
    return wrap(std::move(out));
  });
}

struct BinaryRow {
  const char* method;
  const char* reflected;
  const char* op;
  binaryfunc PyNumberMethods::* slot;
};

constexpr std::array<BinaryRow, 12> kBinary{{
    {"__add__", "__radd__", "add", &PyNumberMethods::nb_add},
    {"__sub__", "__rsub__", "subtract", &PyNumberMethods::nb_subtract},
    {"__mul__", "__rmul__", "multiply", &PyNumberMethods::nb_multiply},
    {"__truediv__", "__rtruediv__", "divide", &PyNumberMethods::nb_true_divide},
    {"__floordiv__", "__rfloordiv__", "floor_divide", &PyNumberMethods::nb_floor_divide},
    {"__mod__", "__rmod__", "remainder", &PyNumberMethods::nb_remainder},
    {"__matmul__", "__rmatmul__", "matmul", &PyNumberMethods::nb_matrix_multiply},
    {"__and__", "__rand__", "bitwise_and", &PyNumberMethods::nb_and},
    {"__or__", "__ror__", "bitwise_or", &PyNumberMethods::nb_or},
    {"__xor__", "__rxor__", "bitwise_xor", &PyNumberMethods::nb_xor},
    {"__lshift__", "__rlshift__", "left_shift", &PyNumberMethods::nb_lshift},
    {"__rshift__", "__rrshift__", "right_shift", &PyNumberMethods::nb_rshift},
}};

template <size_t I>
const OpDef& binary_op() {
  static const OpDef& op = find_op(kBinary[I].op);
  return op;
}

PyObject* python_matmul(PyObject* a, PyObject* b) {
  return guarded([&]() -> PyObject* {
    // Ranks 0 and 1 and mixed dtypes are the public function's to sort out.
    const py::object f = py::module_::import("addax.ops").attr("matmul");
    return f(py::handle(a), py::handle(b)).release().ptr();
  });
}

template <size_t I>
PyObject* binary_slot(PyObject* a, PyObject* b) {
  if constexpr (kBinary[I].slot == &PyNumberMethods::nb_matrix_multiply) {
    const Tensor *x = as_tensor(a), *y = as_tensor(b);
    if (!x || !y || x->rank() < 2 || y->rank() < 2 || x->dtype() != y->dtype()) return python_matmul(a, b);
  }
  return binary(binary_op<I>(), a, b);
}

template <size_t... I>
void set_binary_slots(py::class_<Tensor>& cls, std::index_sequence<I...>) {
  (cls.def(
       kBinary[I].method,
       [](py::object a, py::object b) { return py::reinterpret_steal<py::object>(binary_slot<I>(a.ptr(), b.ptr())); }),
   ...);
  (cls.def(
       kBinary[I].reflected,
       [](py::object a, py::object b) { return py::reinterpret_steal<py::object>(binary_slot<I>(b.ptr(), a.ptr())); }),
   ...);
  // The methods above are what people see; the slots are what the interpreter calls.
  auto* type = reinterpret_cast<PyHeapTypeObject*>(cls.ptr());
  ((type->as_number.*(kBinary[I].slot) = &binary_slot<I>), ...);
}

PyObject* power_slot(PyObject* a, PyObject* b, PyObject*) {
  if (const Tensor* x = as_tensor(a)) {
    const bool is_number = PyFloat_CheckExact(b) || PyLong_CheckExact(b);
    const double exponent = is_number ? PyFloat_AsDouble(b) : 0;
    if (is_number && PyErr_Occurred()) return nullptr;
    if (is_number && exponent == 2 && x->dtype() != Dtype::Bool && (PyLong_CheckExact(b) || is_float(x->dtype())))
      return guarded([&] { return wrap(square(*x)); });
    if (is_number && exponent == 0.5 && is_float(x->dtype())) return guarded([&] { return wrap(sqrt(*x)); });
  }
  static const OpDef& op = find_op("power");
  return binary(op, a, b);
}

PyObject* compare_slot(PyObject* a, PyObject* b, int which) {
  static const OpDef* const ops[] = {&find_op("less"),      &find_op("less_equal"), &find_op("equal"),
                                     &find_op("not_equal"), &find_op("greater"),    &find_op("greater_equal")};
  return binary(*ops[which], a, b);
}

// -- indexing

struct BasicIndex {
  Dims starts, stops, steps;
  Shape shape;  // after dropping and inserting dimensions
  bool reshaped = false;
};

// Arrays and tensors of one element also offer __index__; they index as arrays.
bool is_whole_number(PyObject* k) {
  return PyIndex_Check(k) && !PyBool_Check(k) && !as_tensor(k) && !py::isinstance<py::array>(k);
}

// False if the key needs more than slices, whole numbers, None and an ellipsis.
bool parse_key(const Tensor& x, PyObject* key, BasicIndex& out) {
  const bool is_tuple = PyTuple_Check(key);
  const Py_ssize_t n = is_tuple ? PyTuple_GET_SIZE(key) : 1;
  int consumed = 0, ellipses = 0;
  for (Py_ssize_t i = 0; i < n; ++i) {
    PyObject* k = is_tuple ? PyTuple_GET_ITEM(key, i) : key;
    if (k == Py_Ellipsis)
      ++ellipses;
    else if (PySlice_Check(k) || is_whole_number(k))
      ++consumed;
    else if (k != Py_None)
      return false;
  }
  if (ellipses > 1) fail<IndexError>("getitem: an index can have only one ellipsis ('...')");
  if (consumed > x.rank())
    fail<IndexError>("getitem: too many indices: got ", consumed, " for a tensor of shape ", x.shape());
  int axis = 0;
  const auto whole = [&](int count) {
    for (int i = 0; i < count; ++i, ++axis) {
      out.starts.push_back(0);
      out.stops.push_back(x.shape()[axis]);
      out.steps.push_back(1);
      out.shape.push_back(x.shape()[axis]);
    }
  };
  for (Py_ssize_t i = 0; i < n; ++i) {
    PyObject* k = is_tuple ? PyTuple_GET_ITEM(key, i) : key;
    if (k == Py_Ellipsis) {
      whole(x.rank() - consumed);
    } else if (k == Py_None) {
      out.shape.push_back(1);
      out.reshaped = true;
    } else if (PySlice_Check(k)) {
      Py_ssize_t start, stop, step;
      if (PySlice_Unpack(k, &start, &stop, &step) < 0) throw py::error_already_set();
      const Py_ssize_t count = PySlice_AdjustIndices(x.shape()[axis], &start, &stop, step);
      // Stops are tightened to what is really reached, so that equal slices have equal attributes.
      out.starts.push_back(count ? start : 0);
      out.stops.push_back(count ? start + (count - 1) * step + (step > 0 ? 1 : -1) : 0);
      out.steps.push_back(count ? step : 1);
      out.shape.push_back(count);
      ++axis;
    } else {
      Py_ssize_t index = PyNumber_AsSsize_t(k, PyExc_IndexError);
      if (index == -1 && PyErr_Occurred()) throw py::error_already_set();
      const int64_t dim = x.shape()[axis];
      if (index < -dim || index >= dim)
        fail<IndexError>("getitem: index ", index, " is out of range for axis ", axis, " of size ", dim);
      if (index < 0) index += dim;
      out.starts.push_back(index);
      out.stops.push_back(index + 1);
      out.steps.push_back(1);
      out.reshaped = true;
      ++axis;
    }
  }
  whole(x.rank() - axis);
  return true;
}

py::object getitem(const Tensor& x, const py::object& key) {
  BasicIndex index;
  if (!parse_key(x, key.ptr(), index))
    return py::module_::import("addax.ops.index").attr("getitem")(py::reinterpret_steal<py::object>(wrap(x)), key);
  Tensor out = x.rank() ? slice(x, index.starts, index.stops, index.steps) : x;
  if (index.reshaped) out = reshape(out, index.shape);
  return py::reinterpret_steal<py::object>(wrap(std::move(out)));
}

// -- values

Tensor single(const Tensor& x, const char* as) {
  if (x.numel() != 1)
    fail<ShapeError>(as, ": only a tensor of one element converts to a Python number, got shape ", x.shape());
  return x;
}

py::object item(const Tensor& x) { return to_numpy(single(x, "item")).attr("item")(); }

std::string text(const Tensor& x) {
  std::ostringstream out;
  if (x.is_placeholder()) {
    out << "<addax.Tensor symbolic, shape=" << x.shape() << ", dtype=" << x.dtype() << ">";
    return out.str();
  }
  const py::object values = to_numpy(x);
  const py::object format = py::module_::import("numpy").attr("array2string");
  out << "addax.Tensor("
      << py::cast<std::string>(format(values, py::arg("separator") = ", ", py::arg("prefix") = "addax.Tensor("))
      << ", shape=" << x.shape() << ", dtype=" << x.dtype() << ")";
  return out.str();
}

}  // namespace

PyTypeObject* tensor_type() { return g_tensor_type; }

Tensor* as_tensor(PyObject* object) {
  if (Py_TYPE(object) != g_tensor_type) return nullptr;
  return static_cast<Tensor*>(reinterpret_cast<py::detail::instance*>(object)->simple_value_holder[0]);
}

PyObject* wrap(Tensor tensor) { return py::cast(std::move(tensor)).release().ptr(); }

py::list as_list(Tensors tensors) {
  py::list out(tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i)
    PyList_SET_ITEM(out.ptr(), static_cast<Py_ssize_t>(i), wrap(std::move(tensors[i])));
  return out;
}

PyObject* wrap_all(Tensors tensors) {
  if (tensors.size() == 1) return wrap(std::move(tensors[0]));
  PyObject* tuple = PyTuple_New(static_cast<Py_ssize_t>(tensors.size()));
  for (size_t i = 0; i < tensors.size(); ++i)
    PyTuple_SET_ITEM(tuple, static_cast<Py_ssize_t>(i), wrap(std::move(tensors[i])));
  return tuple;
}

void bind_tensor(py::module_& m) {
  py::class_<Tensor> cls(m, "Tensor", py::dynamic_attr(), py::buffer_protocol(), py::is_final(),
                         "An immutable array: shape, dtype and values, on one device.");
  g_tensor_type = reinterpret_cast<PyTypeObject*>(cls.ptr());
  for (PyGetSetDef& f : fields)
    cls.attr(f.name) = py::reinterpret_steal<py::object>(PyDescr_NewGetSet(g_tensor_type, &f));
  cls.def_property_readonly("size", &Tensor::numel)
      .def_property_readonly("nbytes", &Tensor::nbytes)
      .def_property_readonly(
          "strides", [](const Tensor& x) { return as_tuple(x.strides()); },
          "Steps between neighbours along each axis, in elements.")
      .def_property_readonly("device", [](const Tensor& x) { return name_of(x.device()); })
      .def_property_readonly("is_placeholder", &Tensor::is_placeholder,
                             "True for a symbolic tensor: a shape and dtype without a value.")
      .def_property_readonly("is_contiguous", &Tensor::is_contiguous)
      .def_property_readonly("id", &Tensor::id)
      .def_property_readonly("T", [](const Tensor& x) { return transpose(x); })
      .def("detach", &Tensor::detach, "The same values, unknown to any tape.")
      .def(
          "to",
          [](const Tensor& x, const std::string& device) {
            const Device target = device_from(device);
            py::gil_scoped_release release;
            return move_to(x, target);
          },
          py::arg("device"),
          "The same values on a device: this tensor, or a copy of it. Its gradient moves back. In a compiled function "
          "values stay where the plan runs.")
      .def("owned", &Tensor::owned, "The same values, contiguous, in memory that nobody outside can change.")
      .def(
          "astype", [](const Tensor& x, const std::string& d) { return cast(x, dtype_from(d)); }, py::arg("dtype"))
      .def("reshape",
           [](const Tensor& x, const py::args& shape) {
             const bool packed = shape.size() == 1 && py::isinstance<py::sequence>(shape[0]);
             const py::sequence dims = packed ? py::sequence(shape[0]) : py::sequence(shape);
             Shape s;
             for (const py::handle d : dims) s.push_back(py::cast<int64_t>(d));
             return reshape(x, s);
           })
      .def("numpy", &to_numpy, "The values as a NumPy array that shares memory with this tensor and cannot be written.")
      .def("copy_to_numpy", &copy_to_numpy, "The values as a NumPy array with memory of its own.")
      .def("item", &item, "The value of a one-element tensor as a Python number.")
      .def("tolist", [](const Tensor& x) { return to_numpy(x).attr("tolist")(); })
      .def("__getitem__", &getitem)
      .def("__setitem__",
           [](const Tensor&, const py::object&, const py::object&) {
             throw py::type_error(
                 "setitem: tensors cannot be changed in place; use addax.ops.slice_update or "
                 "addax.ops.scatter_update, which return a new tensor");
           })
      .def("__len__",
           [](const Tensor& x) {
             if (x.rank() == 0) throw py::type_error("len() of a 0-d tensor");
             return x.shape()[0];
           })
      .def("__iter__",
           [](const Tensor& x) {
             if (x.rank() == 0) throw py::type_error("iteration over a 0-d tensor");
             py::list rows;
             for (int64_t i = 0; i < x.shape()[0]; ++i) rows.append(getitem(x, py::int_(i)));
             return py::iter(rows);
           })
      .def("__float__", [](const Tensor& x) { return single(x, "float()").item(); })
      .def("__int__", [](const Tensor& x) { return item(single(x, "int()")).attr("__int__")(); })
      .def("__index__",
           [](const Tensor& x) {
             if (x.numel() != 1 || !is_int(x.dtype()))
               throw py::type_error("only an integer tensor of one element can be used as an index");
             return item(x);
           })
      .def("__bool__",
           [](const Tensor& x) {
             if (x.numel() != 1)
               fail<ShapeError>("bool(): the truth of a tensor of shape ", x.shape(),
                                " is ambiguous; use addax.ops.any or addax.ops.all");
             return x.item() != 0;
           })
      .def("__format__",
           [](const Tensor& x, const std::string& spec) {
             if (spec.empty() || x.numel() != 1) return text(x);
             return py::cast<std::string>(item(x).attr("__format__")(spec));
           })
      .def("__repr__", &text)
      .def("__neg__", [](const Tensor& x) { return neg(x); })
      .def("__pos__", [](const Tensor& x) { return x; })
      .def("__abs__", [](const Tensor& x) { return abs(x); })
      .def("__invert__", [](const Tensor& x) { return bitwise_not(x); })
      .def("__pow__",
           [](py::object a, py::object b) {
             return py::reinterpret_steal<py::object>(power_slot(a.ptr(), b.ptr(), Py_None));
           })
      .def("__rpow__",
           [](py::object a, py::object b) {
             return py::reinterpret_steal<py::object>(power_slot(b.ptr(), a.ptr(), Py_None));
           })
      .def("__copy__", [](const Tensor& x) { return x; })
      .def("__deepcopy__", [](const Tensor& x, const py::dict&) { return x.detach(); });
  cls.attr("__module__") = "addax";
  cls.attr("__array_priority__") = 1000;
  set_binary_slots(cls, std::make_index_sequence<kBinary.size()>());
  auto* type = reinterpret_cast<PyHeapTypeObject*>(cls.ptr());
  type->as_number.nb_power = &power_slot;
  type->ht_type.tp_richcompare = &compare_slot;
}

}  // namespace addax::bind
