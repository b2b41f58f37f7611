// Exported models, as C++ programs have them.
#include "addax/model.h"

#include <pybind11/stl.h>

#include "bind/bind.h"
#include "model/function.h"

namespace addax::bind {
namespace {

Tensors tensors_of(const py::sequence& list) {
  Tensors out;
  for (const py::handle item : list) out.push_back(convert(item, ""));
  return out;
}

py::list ports(const std::vector<TensorInfo>& infos) {
  py::list out;
  for (const TensorInfo& info : infos) {
    py::list shape;
    for (int i = 0; i < info.shape.rank(); ++i) {
      const std::string& size = info.sizes[static_cast<size_t>(i)];
      if (!size.empty())
        shape.append(size);
      else if (info.shape[i] < 0)
        shape.append(py::none());
      else
        shape.append(info.shape[i]);
    }
    out.append(py::make_tuple(info.name, std::string(name_of(info.dtype)), py::tuple(shape)));
  }
  return out;
}

LoadOptions options_of(const std::string& device, bool verify, const std::string& endpoint = "",
                       int64_t memory_limit = 0, bool save_memory = false) {
  LoadOptions options;
  if (!device.empty()) options.device = device_from(device);
  options.verify = verify;
  options.endpoint = endpoint;
  options.memory_limit = memory_limit;
  options.save_memory = save_memory;
  return options;
}

std::vector<Shape> shapes_of(const std::vector<std::vector<int64_t>>& lists) {
  std::vector<Shape> shapes;
  for (const auto& list : lists) shapes.emplace_back(list.begin(), list.end());
  return shapes;
}

}  // namespace

void bind_model(py::module_& m) {
  py::class_<ModelState>(m, "ModelState", "What a model remembers from run to run.")
      .def_property_readonly("names", &ModelState::names)
      .def_property_readonly("values", [](const ModelState& s) { return as_list(s.values()); })
      .def("set",
           [](ModelState& s, const std::string& name, const py::object& value) { s.set(name, convert(value, "")); });
  py::class_<Model>(m, "Model", "An exported model.")
      .def_static(
          "load",
          [](const std::string& path, const std::string& device, bool verify, const std::string& endpoint,
             int64_t memory_limit, bool save_memory) {
            return Model::load(path, options_of(device, verify, endpoint, memory_limit, save_memory));
          },
          py::arg("path"), py::arg("device") = "", py::arg("verify") = false, py::arg("endpoint") = "",
          py::arg("memory_limit") = 0, py::arg("save_memory") = false)
      .def_property_readonly(
          "inputs", [](const Model& model) { return ports(model.inputs()); },
          "(name, dtype, shape) each; of open dims the name of the size, or None.")
      .def_property_readonly("outputs", [](const Model& model) { return ports(model.outputs()); })
      .def_property_readonly("endpoints", &Model::endpoints)
      .def("endpoint", &Model::endpoint)
      .def_property_readonly("has_state", &Model::has_state)
      .def("initial_state", &Model::initial_state)
      .def(
          "run",
          [](const Model& model, const py::sequence& inputs, ModelState* state) {
            const Tensors given = tensors_of(inputs);
            Tensors results;
            {
              py::gil_scoped_release release;
              results = state ? model.run(given, *state) : model.run(given);
            }
            return as_list(std::move(results));
          },
          py::arg("inputs"), py::arg("state") = py::none())
      .def("check_example", &Model::check_example)
      .def(
          "stats",
          [](const Model& model, const std::vector<std::vector<int64_t>>& shapes) {
            const ModelStats s = model.stats(shapes_of(shapes));
            py::dict d;
            d["weights_bytes"] = s.weights_bytes;
            d["arena_bytes"] = s.arena_bytes;
            d["flops"] = s.flops;
            d["steps"] = s.steps;
            return d;
          },
          py::arg("shapes"));
  py::class_<Trainer>(m, "Trainer", "An exported training step.")
      .def_static(
          "load",
          [](const std::string& path, const std::string& device, bool verify) {
            return Trainer::load(path, options_of(device, verify));
          },
          py::arg("path"), py::arg("device") = "", py::arg("verify") = false)
      .def_property_readonly("inputs", [](const Trainer& t) { return ports(t.inputs()); })
      .def_property_readonly("outputs", [](const Trainer& t) { return ports(t.outputs()); })
      .def_property_readonly("names", &Trainer::names)
      .def("step", [](Trainer& t, const py::sequence& batch) { return as_list(t.step(tensors_of(batch))); })
      .def("reset_metrics", &Trainer::reset_metrics)
      .def("value", [](const Trainer& t,
                       const std::string& name) { return py::reinterpret_steal<py::object>(wrap(t.value(name))); })
      .def("set_value",
           [](Trainer& t, const std::string& name, const py::object& value) { t.set_value(name, convert(value, "")); })
      .def("save", &Trainer::save);
  m.def(
      "file_content",
      [](const std::string& path, bool verify) {
        const FileContent content = parse_file(FileBytes::map(path));
        if (verify) check_tensors(content);
        py::list tensors, endpoints;
        for (const FileTensor& t : content.tensors)
          tensors.append(py::make_tuple(t.name, py::reinterpret_steal<py::object>(wrap(t.value))));
        for (const Endpoint& e : content.endpoints)
          endpoints.append(py::make_tuple(e.name, e.states, e.example_inputs, std::string(e.graph)));
        return py::make_tuple(content.made_by, content.bytes->size(), tensors, endpoints);
      },
      py::arg("path"), py::arg("verify") = false,
      "(made by, bytes, (name, tensor) of each tensor, (name, states, example inputs, graph) of each endpoint).");
}

}  // namespace addax::bind
