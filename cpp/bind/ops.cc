// apply: the generic door to every op of the table, and the table as data.
#include "addax/ops.h"

#include <pybind11/stl.h>

#include <unordered_map>

#include "addax/variable.h"
#include "bind/bind.h"
#include "bind/kwargs.h"
#include "graph/body.h"
#include "ops/engine.h"

namespace addax::bind {
namespace {

// Work below this many elements is done before another thread could take the lock.
constexpr int64_t kReleaseGilAbove = 16384;

// The op of a Python string; string literals are interned, so their address is a key.
const OpDef& op_of(PyObject* name) {
  static auto* cache = new std::unordered_map<PyObject*, const OpDef*>;
  const auto it = cache->find(name);
  if (it != cache->end()) return *it->second;
  if (!PyUnicode_Check(name)) throw py::type_error("apply: expected the name of an op as first argument");
  const OpDef& op = find_op(py::cast<std::string>(py::handle(name)));
  if (PyUnicode_CHECK_INTERNED(name)) {
    Py_INCREF(name);
    cache->emplace(name, &op);
  }
  return op;
}

int64_t to_int(PyObject* value) {
  const long long v = PyLong_AsLongLong(value);
  if (v == -1 && PyErr_Occurred()) throw py::error_already_set();
  return v;
}

class PyAttrs final : public AttrVisitor {
 public:
  PyAttrs(const OpDef& op, PyObject* const* values, PyObject* names) : op_(op), values_(values), names_(names) {}

  void field(const char* name, bool& v) override {
    if (PyObject* o = find(name)) {
      const int truth = PyObject_IsTrue(o);
      if (truth < 0) throw py::error_already_set();
      v = truth;
    }
  }
  void field(const char* name, int64_t& v) override {
    if (PyObject* o = find(name)) v = checked(name, "an int", o, [&] { return to_int(o); });
  }
  void field(const char* name, double& v) override {
    if (PyObject* o = find(name))
      v = checked(name, "a float", o, [&] {
        const double d = PyFloat_AsDouble(o);
        if (d == -1.0 && PyErr_Occurred()) throw py::error_already_set();
        return d;
      });
  }
  void field(const char* name, std::string& v) override {
    if (PyObject* o = find(name)) v = checked(name, "a str", o, [&] { return py::cast<std::string>(py::handle(o)); });
  }
  void field(const char* name, Dtype& v) override {
    if (PyObject* o = find(name))
      v = dtype_from(checked(name, "a dtype name", o, [&] { return py::cast<std::string>(py::handle(o)); }));
  }
  void field(const char* name, Dims& v) override {
    if (PyObject* o = find(name))
      v = checked(name, "a tuple of ints", o, [&] {
        Dims dims;
        PyObject* fast = PySequence_Fast(o, "expected a sequence");
        if (!fast) throw py::error_already_set();
        const py::object owner = py::reinterpret_steal<py::object>(fast);
        for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(fast); ++i)
          dims.push_back(to_int(PySequence_Fast_GET_ITEM(fast, i)));
        return dims;
      });
  }

  void field(const char* name, BodyRef& v) override {
    if (PyObject* o = find(name))
      v = make_body(checked(name, "a Graph", o, [&] { return py::cast<Graph>(py::handle(o)); }));
  }
  void field(const char* name, Bodies& v) override {
    if (PyObject* o = find(name)) {
      v.clear();
      for (Graph& g : checked(name, "a list of Graphs", o, [&] { return py::cast<std::vector<Graph>>(py::handle(o)); }))
        v.push_back(make_body(std::move(g)));
    }
  }

  Py_ssize_t used() const { return used_; }

 private:
  PyObject* find(const char* name) {
    if (!names_) return nullptr;
    const Py_ssize_t n = PyTuple_GET_SIZE(names_);
    for (Py_ssize_t i = 0; i < n; ++i)
      if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names_, i), name) == 0) {
        ++used_;
        return values_[i];
      }
    return nullptr;
  }

  template <class F>
  std::invoke_result_t<F> checked(const char* name, const char* expected, PyObject* value, F&& f) {
    try {
      return f();
    } catch (const py::error_already_set&) {
    } catch (const py::cast_error&) {
    }
    throw py::type_error(std::string(op_.name) + ": attribute " + name + " must be " + expected + ", got " +
                         py::cast<std::string>(py::repr(value)));
  }

  const OpDef& op_;
  PyObject* const* values_;
  PyObject* names_;
  Py_ssize_t used_ = 0;
};

Tensors run(const OpDef& op, const Tensors& inputs, const Attrs& attrs) {
  int64_t work = 0;
  for (const Tensor& t : inputs) work = std::max(work, t.numel());
  if (work < kReleaseGilAbove && op.family != std::string_view("random")) return apply(op, inputs, attrs);
  py::gil_scoped_release release;
  return apply(op, inputs, attrs);
}

Tensors tensor_list(const OpDef& op, PyObject* const* args, Py_ssize_t n) {
  Tensors inputs;
  inputs.reserve(static_cast<size_t>(n));
  for (Py_ssize_t i = 0; i < n; ++i) {
    const Tensor* t = as_tensor(args[i]);
    if (!t)
      throw py::type_error(std::string(op.name) + ": input " + std::to_string(i) + " must be an addax Tensor, got " +
                           Py_TYPE(args[i])->tp_name + "; convert it with addax.ops.convert_to_tensor");
    inputs.push_back(*t);
  }
  return inputs;
}

PyObject* py_apply(PyObject*, PyObject* const* args, Py_ssize_t n, PyObject* names) {
  return guarded([&] {
    if (n < 1) throw py::type_error("apply: expected the name of an op as first argument");
    const OpDef& op = op_of(args[0]);
    const Tensors inputs = tensor_list(op, args + 1, n - 1);
    return wrap_all(run(op, inputs, parse_attrs(op, args + n, names)));
  });
}

PyMethodDef apply_method = {
    "apply", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(py_apply)), METH_FASTCALL | METH_KEYWORDS,
    "apply(name, *tensors, **attrs): runs one op of the table; a Tensor, or a tuple of them for several outputs."};

}  // namespace

py::object value_of(const AttrValue& value) {
  return std::visit(
      [](const auto& v) -> py::object {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, Dims>)
          return py::tuple(py::cast(std::vector<int64_t>(v.begin(), v.end())));
        else if constexpr (std::is_same_v<T, Dtype>)
          return py::str(std::string(name_of(v)));
        else if constexpr (std::is_same_v<T, BodyRef>)
          return v ? py::object(py::cast(graph_of(v))) : py::object(py::none());
        else if constexpr (std::is_same_v<T, Bodies>) {
          py::list graphs;
          for (const BodyRef& body : v) graphs.append(py::cast(graph_of(body)));
          return std::move(graphs);
        } else
          return py::cast(v);
      },
      value);
}

py::tuple attrs_of(const Attrs& attrs) {
  const auto fields = attrs.fields();
  py::tuple out(fields.size());
  for (size_t i = 0; i < fields.size(); ++i) out[i] = py::make_tuple(fields[i].first, value_of(fields[i].second));
  return out;
}

py::tuple spec_of(const Spec& spec) {
  return py::make_tuple(py::tuple(py::cast(std::vector<int64_t>(spec.shape.begin(), spec.shape.end()))),
                        name_of(spec.dtype));
}

namespace {

py::list table_as_data() {
  py::list rows;
  for (const OpDef* op : op_table().rows()) {
    py::dict row;
    row["name"] = op->name;
    row["family"] = op->family;
    row["min_inputs"] = op->min_inputs;
    row["max_inputs"] = op->max_inputs;
    py::dict attrs;
    for (const auto& [name, value] : op->default_attrs.fields()) attrs[name.c_str()] = value_of(value);
    row["attrs"] = attrs;
    row["differentiable"] = op->differentiable;
    row["has_infer"] = op->infer != nullptr;
    row["has_vjp"] = op->vjp != nullptr;
    row["has_compose"] = op->compose != nullptr;
    row["has_view"] = op->view != nullptr;
    row["cpu"] = op->kernels[static_cast<size_t>(DeviceType::Cpu)] != nullptr;
    row["cuda"] = op->kernels[static_cast<size_t>(DeviceType::Cuda)] != nullptr;
    row["donates"] = op->donates;
    rows.append(row);
  }
  return rows;
}

}  // namespace

Attrs parse_attrs(const OpDef& op, PyObject* const* values, PyObject* names) {
  const Py_ssize_t given = names ? PyTuple_GET_SIZE(names) : 0;
  if (!op.default_attrs) {
    if (given)
      throw py::type_error(std::string(op.name) + ": takes no attributes, got " +
                           py::cast<std::string>(py::repr(names)));
    return {};
  }
  std::shared_ptr<AttrsBase> attrs = op.default_attrs.clone();
  PyAttrs visitor(op, values, names);
  attrs->visit(visitor);
  if (visitor.used() != given) {
    std::string known;
    for (const auto& [name, value] : Attrs(attrs).fields()) known += (known.empty() ? "" : ", ") + name;
    throw py::type_error(std::string(op.name) + ": unknown attribute among " + py::cast<std::string>(py::repr(names)) +
                         "; expected " + known);
  }
  return Attrs(std::move(attrs));
}

void bind_ops(py::module_& m) {
  m.attr("apply") = py::reinterpret_steal<py::object>(PyCFunction_NewEx(&apply_method, nullptr, nullptr));
  m.def("op_table", &table_as_data, "The op table as a list of dicts, one a row.");
  m.def(
      "compose",
      [](const std::string& name, const py::args& args, const py::kwargs& attrs) {
        const OpDef& op = find_op(name);
        if (!op.compose) throw py::value_error(name + ": is not written as a composition");
        std::vector<PyObject*> inputs;
        for (const py::handle a : args) inputs.push_back(a.ptr());
        const Tensors in = tensor_list(op, inputs.data(), static_cast<Py_ssize_t>(inputs.size()));
        return py::reinterpret_steal<py::object>(wrap_all(op.compose(in, Keywords(attrs).attrs_of(op))));
      },
      "compose(name, *tensors, **attrs): the same result written with simpler ops.");
  m.def(
      "take_rows",
      [](const Tensors& tensors, const Tensor* order, int64_t start, int64_t stop) {
        Tensors taken;
        {
          py::gil_scoped_release release;
          const OnHost host;
          taken = take_rows(tensors, order, start, stop);
        }
        py::tuple out(taken.size());
        for (size_t i = 0; i < taken.size(); ++i)
          PyTuple_SET_ITEM(out.ptr(), static_cast<Py_ssize_t>(i), wrap(std::move(taken[i])));
        return out;
      },
      py::arg("tensors"), py::arg("order"), py::arg("start"), py::arg("stop"),
      "The rows order[start:stop] of every tensor, or those from start to stop without an order.");
  m.def(
      "result_type",
      [](const py::args& names) {
        if (names.empty()) throw py::type_error("result_type: expected at least one dtype name");
        Dtype d = dtype_from(py::cast<std::string>(names[0]));
        for (size_t i = 1; i < names.size(); ++i) d = promote(d, dtype_from(py::cast<std::string>(names[i])));
        return std::string(name_of(d));
      },
      "result_type(*dtypes): the dtype that all of them convert to.");
  m.def(
      "update",
      [](const std::string& name, const std::vector<Variable*>& state, const Tensors& inputs, const py::kwargs& attrs) {
        const OpDef& op = find_op(name);
        const Attrs parsed = Keywords(attrs).attrs_of(op);
        // Under the lock: meanwhile the variables are empty, which neither another thread nor a child of fork may see.
        update(name, state, inputs, parsed);
      },
      py::arg("name"), py::arg("state"), py::arg("inputs"),
      "update(name, state, inputs, **attrs): runs an op whose first inputs are the variables and assigns its outputs "
      "to "
      "them, in place where nothing else holds the memory.");
}

}  // namespace addax::bind
