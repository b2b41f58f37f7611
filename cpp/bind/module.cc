// The module _core: errors, devices and settings; the rest by file.
#include <pybind11/stl.h>

#include "addax/device.h"
#include "addax/error.h"
#include "bind/bind.h"
#include "core/allocator.h"
#include "core/runtime.h"

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
  bind::bind_model(m);

  m.def("num_threads", &num_threads);
  m.def("set_num_threads", &set_num_threads, py::arg("n"));
  m.def("winograd", &winograd);
  m.def("set_winograd", &set_winograd, py::arg("m"));
  m.def("cpu_isa", &cpu_isa);
  m.def("blas_info", &blas_info);
  m.def(
      "memory_stats",
      [](const std::string& device) {
        const MemoryStats s = memory_stats(device_from(device));
        py::dict d;
        d["live"] = s.live;
        d["peak"] = s.peak;
        d["cached"] = s.cached;
        d["allocations"] = s.allocations;
        return d;
      },
      py::arg("device") = "cpu:0");
  m.def(
      "reset_peak_memory", [](const std::string& device) { reset_peak_memory(device_from(device)); },
      py::arg("device") = "cpu:0");
  m.def(
      "empty_cache", [](const std::string& device) { empty_cache(device_from(device)); }, py::arg("device") = "cpu:0");
  m.def(
      "set_memory_limit",
      [](int64_t bytes, const std::string& device) { set_memory_limit(bytes, device_from(device)); }, py::arg("bytes"),
      py::arg("device") = "cpu:0");
  m.def("devices", [] {
    py::list names;
    for (const Device d : devices()) names.append(name_of(d));
    return names;
  });
  m.def("device_problem", [] { return device_problem(DeviceType::Cuda); });
  m.def(
      "device_info",
      [](const std::string& device) {
        const DeviceInfo info = device_info(device_from(device));
        py::dict d;
        d["name"] = info.name;
        d["memory"] = info.memory;
        d["free"] = info.free;
        py::dict libraries;
        for (const auto& [library, state] : info.libraries) libraries[py::str(library)] = state;
        d["libraries"] = libraries;
        return d;
      },
      py::arg("device"));
  m.def("current_device", [] { return name_of(current_device()); });
  m.def(
      "set_current_device",
      [](const std::optional<std::string>& name) {
        const std::optional<Device> before =
            set_current_device(name ? std::optional<Device>(device_from(*name)) : std::nullopt);
        return before ? std::optional<std::string>(name_of(*before)) : std::nullopt;
      },
      py::arg("device"), "Tells this thread, None: leaves it to the default; returns what it was told before.");
  m.def("default_device", [] { return name_of(default_device()); });
  m.def(
      "set_default_device", [](const std::string& device) { set_default_device(device_from(device)); },
      py::arg("device"));
  m.def(
      "synchronize",
      [](const std::string& device) {
        const Device d = device_from(device);
        py::gil_scoped_release release;
        synchronize(d);
      },
      py::arg("device"));
  m.def("_open_plugin", &open_plugin, py::arg("path"));
  m.def("set_package_folders", &set_package_folders, py::arg("folders"));
  m.def("_fail_allocation_after", &fail_allocation_after, py::arg("n"));
}
