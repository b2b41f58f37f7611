// What the files of the binding share.
#pragma once

#include <pybind11/pybind11.h>

#include "addax/tensor.h"
#include "ops/op.h"

namespace addax::bind {

namespace py = pybind11;

void bind_tensor(py::module_& m);
void bind_ops(py::module_& m);
void bind_autograd(py::module_& m);
void bind_graph(py::module_& m);
void bind_interop(py::module_& m);
void bind_engine(py::module_& m);
void bind_model(py::module_& m);

/// The Python type of tensors.
PyTypeObject* tensor_type();
/// The C++ tensor inside a Python one, without conversion or checks; null for any other object.
Tensor* as_tensor(PyObject* object);
/// A new Python tensor.
PyObject* wrap(Tensor tensor);
/// One tensor, or a tuple of several.
PyObject* wrap_all(Tensors tensors);
/// A list of new Python tensors.
py::list as_list(Tensors tensors);
/// Sets the Python error for the C++ exception in flight.
void set_error();
/// Calls f and turns any exception into the Python error.
template <class F>
PyObject* guarded(F&& f) {
  try {
    return f();
  } catch (...) {
    set_error();
    return nullptr;
  }
}

/// From NumPy arrays and scalars, nested sequences, numbers, DLPack owners. `dtype` may be empty.
Tensor convert(py::handle value, const std::string& dtype);
/// An operand beside `other`: Python numbers take its dtype (weak typing). Undefined if the object is no number, array
/// or sequence.
Tensor convert_operand(PyObject* value, const Tensor& other);
py::object to_numpy(const Tensor& tensor);
py::object copy_to_numpy(const Tensor& tensor);
py::object value_of(const AttrValue& value);
/// (name, value) of each attribute.
py::tuple attrs_of(const Attrs& attrs);
/// (shape, dtype).
py::tuple spec_of(const Spec& spec);

/// Attributes of an op from Python keyword arguments. Throws TypeError for unknown or ill-typed ones.
Attrs parse_attrs(const OpDef& op, PyObject* const* values, PyObject* names);

}  // namespace addax::bind
