// Variable, Tape and custom gradients.
#include "addax/autograd.h"

#include <pybind11/stl.h>

#include "addax/variable.h"
#include "bind/bind.h"

namespace addax::bind {
namespace {

// A Python callable that may be dropped by a thread without the GIL.
std::shared_ptr<py::function> shared(py::function f) {
  return {new py::function(std::move(f)), [](py::function* p) {
            py::gil_scoped_acquire gil;
            delete p;
          }};
}

py::object optional(const Tensor& t) { return t ? py::reinterpret_steal<py::object>(wrap(t)) : py::none(); }

Tensors optional_tensors(const py::object& list) {
  Tensors out;
  if (list.is_none()) return out;
  for (const py::handle item : list) out.push_back(item.is_none() ? Tensor() : py::cast<Tensor>(item));
  return out;
}

py::list optional_list(const Tensors& tensors) {
  py::list out;
  for (const Tensor& t : tensors) out.append(optional(t));
  return out;
}

// Sources may mix tensors and variables: two walks over the same record, in the order given.
py::list gradient(Tape& tape, const Tensors& targets, const py::sequence& sources, const py::object& output_grads,
                  bool keep) {
  const Tensors seeds = optional_tensors(output_grads);
  Tensors tensors;
  std::vector<const Variable*> variables;
  for (const py::handle s : sources) {
    if (const Tensor* t = as_tensor(s.ptr()))
      tensors.push_back(*t);
    else
      variables.push_back(py::cast<const Variable*>(s));
  }
  Tensors of_tensors, of_variables;
  {
    py::gil_scoped_release release;
    if (!tensors.empty()) of_tensors = tape.gradient(targets, tensors, seeds, keep || !variables.empty());
    if (!variables.empty()) of_variables = tape.gradient(targets, variables, seeds, keep);
  }
  py::list out;
  size_t t = 0, v = 0;
  for (const py::handle s : sources) out.append(optional(as_tensor(s.ptr()) ? of_tensors[t++] : of_variables[v++]));
  return out;
}

// Variables are read at every turn: a method of the interpreter's own kind costs a fraction of pybind11's.
PyObject* read(PyObject* self, PyObject*) {
  const auto* v = static_cast<const Variable*>(reinterpret_cast<py::detail::instance*>(self)->simple_value_holder[0]);
  return guarded([&] {
    if (!v) throw py::type_error("Variable: an object that __init__ has not made");
    return wrap(v->read());
  });
}

PyMethodDef read_method = {"read", read, METH_NOARGS, "The value now; tapes that watch variables note the reading."};

struct StopScope {
  std::unique_ptr<StopRecording> stop;
};

struct RematerializeScope {
  std::unique_ptr<Rematerialize> region;
};

}  // namespace

void bind_autograd(py::module_& m) {
  py::class_<Variable, std::shared_ptr<Variable>> variable(m, "Variable", py::is_final(),
                                                           "The box of a value that training replaces.");
  variable.attr("read") = py::reinterpret_steal<py::object>(
      PyDescr_NewMethod(reinterpret_cast<PyTypeObject*>(variable.ptr()), &read_method));
  variable.def(py::init<const Tensor&, bool>(), py::arg("value"), py::arg("trainable") = true)
      .def(
          "peek", [](const Variable& v) { return py::reinterpret_steal<py::object>(wrap(v.peek())); },
          "The value now, seen by no tape.")
      .def("assign", &Variable::assign, py::arg("value"))
      .def_readwrite("trainable", &Variable::trainable)
      .def_property_readonly("id", &Variable::id)
      .def_property_readonly("shape",
                             [](const Variable& v) {
                               const Shape& s = v.shape();
                               return py::tuple(py::cast(std::vector<int64_t>(s.begin(), s.end())));
                             })
      .def_property_readonly("dtype", [](const Variable& v) { return std::string(name_of(v.dtype())); });

  py::class_<Tape>(m, "Tape", "Records operations over watched tensors.")
      .def(py::init<bool>(), py::arg("watch_accessed_variables") = true)
      .def("start", &Tape::start)
      .def("stop", &Tape::stop)
      .def("reset", &Tape::reset)
      .def("watch", [](Tape& t, const Tensor& x) { t.watch(x); })
      .def("watch", [](Tape& t, const Variable& v) { t.watch(v); })
      .def("watches", &Tape::watches)
      .def_property_readonly("recording", &Tape::recording)
      .def("watched_variable_ids", &Tape::watched_variables)
      .def("__len__", &Tape::size)
      .def("gradient", &gradient, py::arg("targets"), py::arg("sources"), py::arg("output_grads") = py::none(),
           py::arg("keep") = false,
           "Gradients of sum(targets * output_grads) for each source (a Tensor or Variable); None where unconnected. "
           "keep=False frees the record.");

  py::class_<StopScope>(m, "stop_recording", "Context in which no tape of this thread records.")
      .def(py::init<>())
      .def("__enter__", [](StopScope& s) { s.stop = std::make_unique<StopRecording>(); })
      .def("__exit__", [](StopScope& s, const py::args&) { s.stop.reset(); });
  py::class_<RematerializeScope>(m, "rematerialize",
                                 "Context whose inner values the tapes of this thread do not keep but compute again.")
      .def(py::init<>())
      .def("__enter__", [](RematerializeScope& s) { s.region = std::make_unique<Rematerialize>(); })
      .def("__exit__", [](RematerializeScope& s, const py::args&) { s.region.reset(); });

  m.def("is_watched", &is_watched, "True if an active tape would record an op over this tensor.");
  m.def(
      "record_custom",
      [](const Tensors& inputs, const Tensors& outputs, py::function vjp) {
        record_custom(inputs, outputs, [f = shared(std::move(vjp))](const Tensors& grads) {
          py::gil_scoped_acquire gil;
          return optional_tensors((*f)(optional_list(grads)));
        });
      },
      py::arg("inputs"), py::arg("outputs"), py::arg("vjp"),
      "Records `outputs` as one operation over `inputs`; vjp maps the list of output gradients (None where absent) to "
      "the list of input gradients.");
}

}  // namespace addax::bind
