// The module _core: errors, devices and settings; the rest by file.
#include <pybind11/stl.h>

#include "addax/device.h"
#include "addax/error.h"
#include "bind/bind.h"
#include "core/allocator.h"

namespace addax::bind {

void set_error() {
  try {
    throw;
  } catch (py::error_already_set& e) {
    e.restore();
  } catch (const py::builtin_exception& e) {
    e.set_error();
  } catch (const DtypeError& e) {
    PyErr_SetString(PyExc_TypeError, e.what());
  } catch (const ShapeError& e) {
    PyErr_SetString(PyExc_ValueError, e.what());
  } catch (const ValueError& e) {
    PyErr_SetString(PyExc_ValueError, e.what());
  } catch (const IndexError& e) {
    PyErr_SetString(PyExc_IndexError, e.what());
  } catch (const OutOfMemory& e) {
    PyErr_SetString(PyExc_MemoryError, e.what());
  } catch (const std::bad_alloc& e) {
    PyErr_SetString(PyExc_MemoryError, e.what());
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
  }
}

}  // namespace addax::bind

PYBIND11_MODULE(_core, m) {
  using namespace addax;
  namespace py = pybind11;
  m.doc() = "The native engine of addax. Use it through addax.engine.";
  m.attr("__version__") = ADDAX_VERSION;

  py::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const Error&) {
      bind::set_error();
    }
  });

  bind::bind_tensor(m);
  bind::bind_ops(m);
  bind::bind_autograd(m);
  bind::bind_graph(m);
  bind::bind_interop(m);
  bind::bind_engine(m);

  m.def("num_threads", &num_threads);
  m.def("set_num_threads", &set_num_threads, py::arg("n"));
  m.def("winograd", &winograd);
  m.def("set_winograd", &set_winograd, py::arg("m"));
  m.def("cpu_isa", &cpu_isa);
  m.def("blas_info", &blas_info);
  m.def("memory_stats", [] {
    const MemoryStats s = memory_stats();
    py::dict d;
    d["live"] = s.live;
    d["peak"] = s.peak;
    d["cached"] = s.cached;
    d["allocations"] = s.allocations;
    return d;
  });
  m.def("reset_peak_memory", &reset_peak_memory);
  m.def("empty_cache", &empty_cache);
  m.def("set_memory_limit", &set_memory_limit, py::arg("bytes"));
  m.def("_fail_allocation_after", &fail_allocation_after, py::arg("n"));
}
