// Traces, graphs and plans.
#include <pybind11/stl.h>

#include <optional>

#include "bind/bind.h"
#include "graph/passes.h"
#include "graph/plan.h"
#include "graph/run.h"
#include "graph/trace.h"

namespace addax::bind {
namespace {

// Whether other threads get the lock while the plan runs. Less work is done before one could take it.
bool is_long(const Plan& plan) {
  const PlanStats& s = plan.stats();
  return s.has_bodies || s.bytes_moved + s.flops >= 1 << 16;
}

Tensors tensors_of(const py::sequence& list) {
  Tensors out;
  out.reserve(list.size());
  for (const py::handle item : list) {
    const Tensor* t = as_tensor(item.ptr());
    if (!t)
      throw py::type_error("compiled function: expected tensors, got " + std::string(Py_TYPE(item.ptr())->tp_name));
    out.push_back(*t);
  }
  return out;
}

Tensors run(const Plan& plan, const Tensors& arguments) {
  if (!is_long(plan)) return plan.run(arguments);
  // Under the lock: others may give its variables their values.
  const auto started = std::make_unique<StartedRun>(plan, arguments);
  {
    py::gil_scoped_release release;
    started->run();
  }
  return started->finish();
}

// Each run is what `run` would have made of its batch, also for Ctrl-C.
py::list run_rows(const Plan& plan, const py::sequence& list, const Tensor* order, int64_t start, int64_t stop) {
  constexpr int kOften = 256;  // short steps that take about a millisecond
  const Tensors data = tensors_of(list);
  int steps = 0;
  return as_list(plan.run_rows(data, order, start, stop, [&](FunctionRef<void()> work) {
    {
      std::optional<py::gil_scoped_release> release;
      if (is_long(plan) || ++steps % kOften == 0) release.emplace();
      work();
    }
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  }));
}

// What a compiled function tells its calls apart by. Tensors go into `text` by shape and dtype, all that is no tensor
// into `rest`. False: there is something that only Python knows how to take apart.
struct Signature {
  std::string text;
  Tensors tensors;
  std::vector<PyObject*> rest;

  template <class T>
  void put(T value) {
    text.append(reinterpret_cast<const char*>(&value), sizeof value);
  }

  bool add(PyObject* x) {
    if (const Tensor* t = as_tensor(x)) {
      put('t');
      put(t->dtype());
      put(t->device().type);
      put(t->device().index);
      put(static_cast<char>(t->rank()));
      for (const int64_t d : t->shape()) put(d);
      tensors.push_back(*t);
      return true;
    }
    if (PyTuple_CheckExact(x) || PyList_CheckExact(x)) {
      const Py_ssize_t n = PySequence_Fast_GET_SIZE(x);
      put(PyTuple_CheckExact(x) ? '(' : '[');
      put(n);
      for (Py_ssize_t i = 0; i < n; ++i)
        if (!add(PySequence_Fast_GET_ITEM(x, i))) return false;
      return true;
    }
    const bool plain =
        x == Py_None || PyBool_Check(x) || PyLong_CheckExact(x) || PyFloat_CheckExact(x) || PyUnicode_CheckExact(x);
    if (!plain) return false;
    // 1, 1.0 and True are equal in Python.
    put(x == Py_None ? 'n' : PyBool_Check(x) ? 'b' : PyLong_CheckExact(x) ? 'i' : PyFloat_CheckExact(x) ? 'f' : 's');
    rest.push_back(x);
    return true;
  }

  // What plans are kept by: the text, the rest, the settings that they were made under.
  py::tuple key(const py::tuple& settings) const {
    py::tuple others(rest.size());
    for (size_t i = 0; i < rest.size(); ++i) others[i] = py::reinterpret_borrow<py::object>(rest[i]);
    return py::make_tuple(py::bytes(text), std::move(others), settings);
  }
};

py::object signature(const py::object& structure, const py::tuple& settings) {
  Signature s;
  if (!s.add(structure.ptr())) return py::none();
  return py::make_tuple(s.key(settings), as_list(s.tensors));
}

py::object method(py::handle object, PyObject* name, py::handle argument) {
  PyObject* result = PyObject_CallMethodOneArg(object.ptr(), name, argument.ptr());
  if (!result) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(result);
}

py::object replay(const py::dict& entries, py::handle arguments, const py::tuple& settings) {
  static PyObject *const plan_name = PyUnicode_InternFromString("plan"),
                         *const pack = PyUnicode_InternFromString("pack"),
                         *const move_to_end = PyUnicode_InternFromString("move_to_end");
  const py::object none_kept = py::reinterpret_borrow<py::object>(Py_NotImplemented);
  Signature s;
  if (active_tracer || active_recorder || !s.add(arguments.ptr()) || s.tensors.empty()) return none_kept;
  const py::tuple key = s.key(settings);
  const py::object entry = py::reinterpret_borrow<py::object>(PyDict_GetItemWithError(entries.ptr(), key.ptr()));
  if (PyErr_Occurred()) throw py::error_already_set();
  if (!entry) return none_kept;
  const py::object holder = py::getattr(entry, plan_name);
  py::detail::make_caster<Plan> caster;
  if (!caster.load(holder, false)) return none_kept;  // a plan of another engine
  const Plan& plan = caster;
  if (!plan.is_current()) return none_kept;
  if (entries.size() > 1) method(entries, move_to_end, key);
  return method(entry, pack, as_list(run(plan, s.tensors)));
}

// A function of the interpreter's own kind costs a fraction of pybind11's.
PyObject* py_replay(PyObject*, PyObject* const* given, Py_ssize_t count) {
  return guarded([&] {
    if (count != 3 || !PyDict_Check(given[0]) || !PyTuple_Check(given[2]))
      throw py::type_error("replay: expected a dict of entries, arguments and a tuple of settings");
    return replay(py::reinterpret_borrow<py::dict>(given[0]), given[1], py::reinterpret_borrow<py::tuple>(given[2]))
        .release()
        .ptr();
  });
}

PyMethodDef replay_method = {"replay", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(py_replay)),
                             METH_FASTCALL,
                             "replay(entries, arguments, settings): a call of a compiled function whose plan is kept, "
                             "with what its entry packs; "
                             "NotImplemented if none is, or if the ops themselves must run."};

py::tuple parts(const Graph& g) {
  py::list vars, consts, eqns;
  for (const Spec& s : g.vars) vars.append(spec_of(s));
  for (const auto& [v, value] : g.consts) consts.append(py::make_tuple(v, value));
  for (const Eqn& e : g.eqns) eqns.append(py::make_tuple(e.op->name, attrs_of(e.settings()), e.in, e.out));
  return py::make_tuple(vars, g.inputs, consts, eqns, g.outputs);
}

struct Values {
  Trace::Values map;
};

struct SuspendScope {
  std::unique_ptr<SuspendTrace> suspend;
};

}  // namespace

void bind_graph(py::module_& m) {
  py::class_<Graph>(m, "Graph", "What was traced: text, equality, hash.")
      .def_static(
          "parse", [](const std::string& text, const Sizes& sizes) { return parse_graph(text, sizes); },
          py::arg("text"), py::arg("sizes") = Sizes{}, "The graph of a text, with numbers for the sizes that it names.")
      .def(
          "fix_states",
          [](const Graph& g, const std::vector<std::shared_ptr<Variable>>& variables) {
            // Only what is not assigned can be fixed.
            Tensors values;
            std::vector<size_t> kept;
            py::dict fixed;
            for (size_t i = 0; i < variables.size(); ++i) {
              const int in = g.inputs.at(static_cast<size_t>(g.arguments()) + i);
              const bool assigned = in != g.outputs.at(static_cast<size_t>(g.results()) + i);
              values.push_back(assigned ? Tensor() : variables[i]->peek());
              if (assigned)
                kept.push_back(i);
              else
                fixed[py::int_(in)] = variables[i];
            }
            return py::make_tuple(fix_states(g, values), kept, fixed);
          },
          py::arg("variables"),
          "Variables behind states that are only read become consts: (graph, positions of the other states, variables "
          "by the number of the const).")
      .def("__str__", [](const Graph& g) { return to_text(g); })
      .def("__repr__", [](const Graph& g) { return to_text(g); })
      .def(
          "text", [](const Graph& g) { return to_text(g, true); }, "The text with all values of all consts.")
      .def("__eq__", [](const Graph& a, const Graph& b) { return a == b; })
      .def("__hash__", &hash_of)
      .def("__len__", [](const Graph& g) { return g.eqns.size(); })
      .def("verify", &verify)
      .def_property_readonly("num_states", [](const Graph& g) { return g.states; })
      .def_property_readonly("parts", &parts, "(specs of the vars, inputs, consts, eqns, outputs), for an engine.");

  py::class_<Values>(m, "TraceValues", "The values of variables at a point of a trace.");
  py::class_<Trace>(m, "Trace", "Runs a function on placeholders and writes down what it computes.")
      .def(
          py::init([](bool body) { return std::make_unique<Trace>(body ? Trace::Kind::Body : Trace::Kind::Function); }),
          py::arg("body") = false)
      .def(
          "argument",
          [](Trace& t, const std::vector<int64_t>& shape, const std::string& dtype, const Tensor* beside) {
            return py::reinterpret_steal<py::object>(wrap(t.argument(
                Shape(shape.begin(), shape.end()), dtype_from(dtype), beside ? beside->device() : Device{})));
          },
          py::arg("shape"), py::arg("dtype"), py::arg("beside") = py::none(),
          "A placeholder for the next argument, whose values will lie where the tensor `beside` does.")
      .def(
          "values", [](const Trace& t) { return Values{t.values()}; }, "The values of all variables at this point.")
      .def("has_assigned", [](const Trace& t, const Values& since) { return t.has_assigned(since.map); })
      .def("set_values", [](Trace& t, const Values& v) { t.set_values(v.map); })
      .def("merge_values", [](Trace& t, const Tensor& condition, const Values& yes,
                              const Values& no) { t.merge_values(condition, yes.map, no.map); })
      .def("start", &Trace::start)
      .def("stop", &Trace::stop)
      .def("finish",
           [](Trace& t, const py::sequence& results) {
             const Tensors list = tensors_of(results);
             return t.finish(list);
           })
      .def(
          "close",
          [](Trace& t, const py::sequence& results) {
            const Tensors list = tensors_of(results);
            ClosedTrace closed = t.close(list);
            return py::make_tuple(std::move(closed.graph), py::cast(std::move(closed.assigned)),
                                  as_list(std::move(closed.captures)));
          },
          "Of a stopped body: (graph, variables that it assigns, tensors that it takes from outside).")
      .def_static(
          "join",
          [](const std::vector<Trace*>& traces, const std::vector<py::sequence>& results) {
            std::vector<ClosedTrace> closed;
            for (size_t i = 0; i < traces.size(); ++i) {
              const Tensors list = tensors_of(results[i]);
              closed.push_back(traces[i]->close(list));
            }
            JoinedBranches joined = join(std::move(closed));
            return py::make_tuple(py::cast(std::move(joined.graphs)), py::cast(std::move(joined.assigned)),
                                  as_list(std::move(joined.inputs)));
          },
          py::arg("traces"), py::arg("results"),
          "Of stopped bodies as branches: (graphs, variables that one assigns, tensors that they take from outside).")
      .def_property_readonly("has_custom_gradient", &Trace::has_custom_gradient)
      .def_property_readonly(
          "eqns",
          [](const Trace& t) {
            py::list eqns;
            for (const Eqn& e : t.eqns()) eqns.append(py::make_tuple(e.op->name, attrs_of(e.settings())));
            return eqns;
          },
          "What has been written down so far: (op, attributes) each.")
      .def_property_readonly(
          "variables",
          [](const Trace& t) {
            std::vector<std::shared_ptr<Variable>> variables;
            for (const State& s : t.states()) variables.push_back(s.variable);
            return variables;
          },
          "The same as a list.")
      .def_property_readonly(
          "states", [](const Trace& t) { return States(t.states()); }, "The variables behind the graph's states.")
      .def(
          "plan",
          [](const Trace& t, Graph graph, std::optional<int64_t> budget, const std::string& without) {
            Device device = t.device();
            if (graph.inputs.empty() && !device.has_runtime()) device = current_device();
            graph = budget ? fit_memory(std::move(graph), *budget, t.states(), device)
                           : optimize(std::move(graph), without);
            return std::make_unique<Plan>(std::move(graph), t.states(), device);
          },
          py::arg("graph"), py::arg("memory_budget") = py::none(), py::arg("without") = "",
          "A plan of the finished graph, after the passes; of at most `memory_budget` bytes for arena and results, or "
          "after all passes but the one named.");

  py::class_<StartedRun>(m, "StartedRun", "A run of a plan that goes on beside the thread that started it.")
      .def(
          "finish",
          [](StartedRun& run) {
            {
              // Variables are given their values under the lock: others may be looking for them.
              py::gil_scoped_release release;
              run.wait();
            }
            return as_list(run.finish());
          },
          "Waits for the end; returns the results.");
  py::class_<Plan>(m, "Plan", "A graph ready to run.")
      .def(
          "run",
          [](const Plan& plan, const py::sequence& arguments) { return as_list(run(plan, tensors_of(arguments))); },
          py::arg("arguments"))
      .def("run_rows", &run_rows, py::arg("data"), py::arg("order"), py::arg("start"), py::arg("stop"),
           "Runs once for each batch of the rows order[start:stop] of the data; returns the last results.")
      .def(
          "start",
          [](const Plan& plan, const py::sequence& list) {
            const Tensors arguments = tensors_of(list);
            auto run = std::make_unique<StartedRun>(plan, arguments);
            if (run->start()) return run;
            std::optional<py::gil_scoped_release> release;
            if (is_long(plan)) release.emplace();
            run->run();
            return run;
          },
          py::arg("arguments"), py::keep_alive<0, 1>(),
          "Starts a run that goes on beside this thread, or runs here while another one does.")
      .def(
          "profile",
          [](const Plan& plan, const py::sequence& list) {
            const Tensors arguments = tensors_of(list);
            std::vector<double> seconds;
            plan.run(arguments, &seconds);
            return seconds;
          },
          py::arg("arguments"), "Runs once; returns the seconds that each step took, in the order of the text.")
      .def_property_readonly("is_current", &Plan::is_current)
      .def_property_readonly("graph", &Plan::graph)
      .def_property_readonly("device", [](const Plan& plan) { return name_of(plan.device()); })
      .def_property_readonly("stats",
                             [](const Plan& plan) {
                               const PlanStats& s = plan.stats();
                               py::dict d;
                               d["arena_bytes"] = s.arena_bytes;
                               d["body_bytes"] = s.body_bytes;
                               d["result_bytes"] = s.result_bytes;
                               d["const_bytes"] = s.const_bytes;
                               d["bytes_moved"] = s.bytes_moved;
                               d["flops"] = s.flops;
                               d["steps"] = s.steps;
                               return d;
                             })
      .def("__str__", &Plan::text);

  py::class_<SuspendScope>(m, "suspend_trace", "Context in which this thread does not trace: values are real.")
      .def(py::init<>())
      .def("__enter__", [](SuspendScope& s) { s.suspend = std::make_unique<SuspendTrace>(); })
      .def("__exit__", [](SuspendScope& s, const py::args&) { s.suspend.reset(); });
  m.def(
      "optimize", [](Graph graph) { return optimize(std::move(graph)); }, py::arg("graph"),
      "The graph after the passes that serve the engine.");
  m.def("signature", &signature, py::arg("structure"), py::arg("settings"),
        "(what plans are kept by, tensors) of tuples and lists of tensors and plain values; None for anything else.");
  m.attr("replay") = py::reinterpret_steal<py::object>(PyCFunction_New(&replay_method, nullptr));
  m.def("run_pass", &run_pass, py::arg("name"), py::arg("graph"), "What one pass makes of a graph.");
  m.def("pass_names", &pass_names, "The passes, in order.");
  m.def("switches", &switches, "What set_passes can switch off: the passes, and what the planner does.");
  m.def("set_passes", &set_passes, py::arg("setting"), "Switches passes off: '-fuse,-cse', 'none', or '' for all on.");
  m.def(
      "active_trace", [] { return static_cast<Trace*>(active_tracer); }, py::return_value_policy::reference,
      "The trace of this thread, or None.");
  m.def("is_tracing", [] { return active_tracer != nullptr; }, "True while this thread traces a function.");
  m.def("is_recording", [] { return active_recorder != nullptr; }, "True while a tape of this thread records.");
}

}  // namespace addax::bind
