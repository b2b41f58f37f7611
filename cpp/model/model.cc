// Models: from a file's endpoints to plans that run.
#include "addax/model.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "addax/ops/elementwise.h"
#include "core/small_vector.h"
#include "graph/passes.h"
#include "graph/run.h"
#include "model/function.h"

namespace addax {
namespace {

constexpr size_t kPlansKept = 32;

std::vector<TensorInfo> infos(const std::vector<Port>& ports) {
  std::vector<TensorInfo> out;
  for (const Port& p : ports) out.push_back({p.name, p.dtype, p.shape, p.sizes});
  return out;
}

// Of contiguous tensors.
bool overlap(const Tensor& a, const Tensor& b) {
  const char *const p = static_cast<const char*>(a.address()), *const q = static_cast<const char*>(b.address());
  return a.numel() > 0 && b.numel() > 0 && p < q + b.nbytes() && q < p + a.nbytes();
}

std::string names_of(const std::vector<TensorInfo>& infos) {
  std::string names;
  for (const TensorInfo& info : infos) names += (names.empty() ? "'" : ", '") + info.name + "'";
  return names;
}

}  // namespace

std::shared_ptr<const Model::File> Model::File::open(std::shared_ptr<const FileBytes> bytes,
                                                     const LoadOptions& options) {
  if (options.threads < 0) fail<ValueError>("LoadOptions: expected threads of 0 or more, got ", options.threads);
  const auto file = std::make_shared<File>();
  try {
    file->content = parse_file(std::move(bytes));
    // Whatever is wrong with a graph is found now, if the file says for which sizes it is right.
    for (const Endpoint& e : file->content.endpoints) {
      if (e.example_inputs.empty() && !e.sizes.empty()) continue;
      std::vector<Shape> shapes;
      for (size_t i = 0; i < e.inputs.size(); ++i)
        shapes.push_back(e.example_inputs.empty() ? e.inputs[i].shape
                                                  : file->content.tensors[e.example_inputs[i]].value.shape());
      graph_of(e, sizes_of(e, shapes), file->content.values());
    }
  } catch (const OutOfMemory&) {
    throw;
  } catch (const Error& error) {  // a name that is no dtype, shapes that do not fit: the file is wrong
    fail<ValueError>(error.what());
  }
  file->options = options;
  for (const FileTensor& t : file->content.tensors) file->values.push_back(t.value.to(options.device));
  for (const Endpoint& e : file->content.endpoints) file->functions.push_back(std::make_shared<Function>(*file, e));
  if (options.verify) check_tensors(file->content);
  if (options.threads > 0) set_num_threads(options.threads);
  return file;
}

std::shared_ptr<const Model::Function> Model::File::function(const std::string& name) const {
  if (name.empty()) return functions.front();
  std::string names;
  for (const auto& f : functions) {
    if (f->endpoint.name == name) return f;
    names += (names.empty() ? "'" : ", '") + f->endpoint.name + "'";
  }
  fail<ValueError>("model: there is no endpoint '", name, "'; the file has ", names);
}

Model::Function::Function(const File& f, const Endpoint& e)
    : file(f), endpoint(e), inputs(infos(e.inputs)), outputs(infos(e.outputs)) {}

Graph planned_graph(const Model::File& file, const Endpoint& endpoint, Span<const Shape> shapes) {
  const Sizes sizes = sizes_of(endpoint, shapes);
  Graph graph = optimize(graph_of(endpoint, sizes, file.content.values()));
  // Weights lie on the device once, for all plans.
  for (auto& [v, value] : graph.consts)
    for (size_t i = 0; i < file.values.size(); ++i)
      if (value.storage().get() == file.content.tensors[i].value.storage().get() && value.is_contiguous())
        value = file.values[i];
  return graph;
}

void check_memory(const Plan& plan, const LoadOptions& options, const std::string& endpoint) {
  const PlanStats& s = plan.stats();
  const int64_t bytes = s.arena_bytes + s.body_bytes + s.result_bytes;
  if (options.memory_limit > 0 && bytes > options.memory_limit)
    fail<OutOfMemory>(endpoint, ": a run with these sizes takes ", bytes, " bytes, and memory_limit allows ",
                      options.memory_limit, "; run smaller batches");
}

std::shared_ptr<const Model::Function::Planned> Model::Function::find(Span<const Shape> shapes) const {
  for (auto it = plans_.begin(); it != plans_.end(); ++it)
    if (std::equal(shapes.begin(), shapes.end(), (*it)->shapes.begin(), (*it)->shapes.end())) {
      plans_.splice(plans_.begin(), plans_, it);
      return *plans_.begin();
    }
  return nullptr;
}

std::shared_ptr<const Model::Function::Planned> Model::Function::make(const std::vector<Shape>& shapes) const {
  Graph graph = planned_graph(file, endpoint, shapes);
  std::vector<Spec> specs;
  for (const int v : graph.outputs) specs.push_back(graph.vars[static_cast<size_t>(v)]);
  const std::shared_ptr<Planned> made(
      new Planned{shapes, Plan(std::move(graph), file.options.device), std::move(specs)});
  check_memory(made->plan, file.options, endpoint.name);
  if (!file.options.save_memory) made->plan.keep_weights();
  const std::lock_guard<std::mutex> lock(mutex_);
  if (auto other = find(shapes)) return other;  // another thread was faster
  plans_.push_front(made);
  if (plans_.size() > kPlansKept) plans_.pop_back();
  return made;
}

std::shared_ptr<const Model::Function::Planned> Model::Function::planned(Span<const Shape> shapes) const {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (auto found = find(shapes)) return found;
  }
  return make({shapes.begin(), shapes.end()});
}

std::shared_ptr<const Model::Function::Planned> Model::Function::planned_for(Span<const Tensor> tensors) const {
  check_dtypes(tensors);
  SmallVector<Shape, 8> shapes(tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) shapes[i] = tensors[i].shape();
  return planned(Span<const Shape>(shapes.data(), shapes.size()));
}

void Model::Function::check_dtypes(Span<const Tensor> tensors) const {
  if (tensors.size() != inputs.size())
    fail<ValueError>(endpoint.name, ": expected ", inputs.size(), " inputs (", names_of(inputs), "), got ",
                     tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!tensors[i]) fail<ValueError>(endpoint.name, ": input ", i, " '", inputs[i].name, "' is undefined");
    if (tensors[i].dtype() != inputs[i].dtype)
      fail<DtypeError>(endpoint.name, ": input ", i, " '", inputs[i].name, "' must be ", inputs[i].dtype, ", got ",
                       tensors[i].dtype());
  }
}

Tensors Model::Function::placed(const Tensors& given) const {
  Tensors placed;
  placed.reserve(given.size());
  for (const Tensor& t : given) placed.push_back(t ? t.to(file.options.device).contiguous() : t);
  return placed;
}

Tensors Model::Function::fresh(const std::vector<Spec>& specs) const {
  Tensors made;
  made.reserve(specs.size());
  for (const Spec& s : specs) made.push_back(Tensor::empty(s.shape, s.dtype, file.options.device, "model"));
  return made;
}

void Model::Function::call(const Planned& planned, Span<const Tensor> inputs, const Tensors& states,
                           Span<const Tensor> outputs, const Tensors& new_states) {
  SmallVector<void*, 16> in(inputs.size() + states.size()), out(outputs.size() + new_states.size());
  size_t i = 0, o = 0;
  for (const Tensor& t : inputs) in[i++] = t.address();
  for (const Tensor& t : states) in[i++] = t.address();
  for (const Tensor& t : outputs) out[o++] = t.address();
  for (const Tensor& t : new_states) out[o++] = t.address();
  PlanLease(planned.plan)->call(in, out);
}

Model Model::load(const std::string& path, const LoadOptions& options) {
  Model m;
  try {
    m.file_ = File::open(FileBytes::map(path), options);
  } catch (const ValueError& error) {
    fail<ValueError>(path, ": ", error.what());
  }
  m.function_ = m.file_->function(options.endpoint);
  if (options.verify) m.check_example();
  return m;
}

Model Model::from_bytes(const void* bytes, size_t size, const LoadOptions& options) {
  Model m;
  m.file_ = File::open(FileBytes::copy(bytes, size), options);
  m.function_ = m.file_->function(options.endpoint);
  if (options.verify) m.check_example();
  return m;
}

const std::vector<TensorInfo>& Model::inputs() const { return function_->inputs; }
const std::vector<TensorInfo>& Model::outputs() const { return function_->outputs; }

std::vector<std::string> Model::endpoints() const {
  std::vector<std::string> names;
  for (const auto& f : file_->functions) names.push_back(f->endpoint.name);
  return names;
}

Model Model::endpoint(const std::string& name) const {
  Model m = *this;
  m.function_ = file_->function(name);
  return m;
}

bool Model::has_state() const { return !function_->endpoint.states.empty(); }

Tensors Model::run(const Tensors& inputs) const {
  if (has_state())
    fail<ValueError>(function_->endpoint.name, ": it has a state; call run(inputs, state) with one of initial_state()");
  const Tensors placed = function_->placed(inputs);
  const auto planned = function_->planned_for(placed);
  // On a device the run may be captured.
  if (file_->options.device.has_runtime()) return planned->plan.run(placed);
  Tensors outputs = function_->fresh(planned->outputs);
  Function::call(*planned, placed, {}, outputs, {});
  return outputs;
}

std::map<std::string, Tensor> Model::run(const std::map<std::string, Tensor>& inputs) const {
  Tensors ordered;
  for (const TensorInfo& info : this->inputs()) {
    const auto it = inputs.find(info.name);
    if (it == inputs.end())
      fail<ValueError>(function_->endpoint.name, ": expected an input '", info.name, "'; its inputs are ",
                       names_of(this->inputs()));
    ordered.push_back(it->second);
  }
  for (const auto& given : inputs)
    if (std::none_of(this->inputs().begin(), this->inputs().end(),
                     [&](const TensorInfo& i) { return i.name == given.first; }))
      fail<ValueError>(function_->endpoint.name, ": there is no input '", given.first, "'; its inputs are ",
                       names_of(this->inputs()));
  Tensors results = run(ordered);
  std::map<std::string, Tensor> named;
  for (size_t i = 0; i < results.size(); ++i) named.emplace(outputs()[i].name, std::move(results[i]));
  return named;
}

void Model::run(Span<const Tensor> inputs, Span<const Tensor> outputs) const {
  const std::string& name = function_->endpoint.name;
  if (has_state()) fail<ValueError>(name, ": it has a state; call run(inputs, state) with one of initial_state()");
  const auto check = [&](Span<const Tensor> tensors, const char* what) {
    for (size_t i = 0; i < tensors.size(); ++i)
      if (!tensors[i] || tensors[i].is_placeholder() || !tensors[i].is_contiguous() ||
          tensors[i].device() != file_->options.device)
        fail<ValueError>(name, ": ", what, ' ', i, " must be contiguous and lie on ", file_->options.device);
  };
  check(inputs, "input");
  check(outputs, "output");
  const auto planned = function_->planned_for(inputs);
  if (outputs.size() != planned->outputs.size())
    fail<ValueError>(name, ": expected ", planned->outputs.size(), " outputs, got ", outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Spec& spec = planned->outputs[i];
    if (outputs[i].shape() != spec.shape)
      fail<ShapeError>(name, ": output ", i, " must have shape ", spec.shape, ", got ", outputs[i].shape());
    if (outputs[i].dtype() != spec.dtype)
      fail<DtypeError>(name, ": output ", i, " must be ", spec.dtype, ", got ", outputs[i].dtype());
    if (outputs[i].storage()->read_only) fail<ValueError>(name, ": output ", i, " must not be read-only memory");
    // Results are written while inputs are still read.
    for (size_t k = 0; k < inputs.size(); ++k)
      if (overlap(outputs[i], inputs[k]))
        fail<ValueError>(name, ": output ", i, " must not share memory with input ", k);
    for (size_t k = 0; k < i; ++k)
      if (overlap(outputs[i], outputs[k]))
        fail<ValueError>(name, ": outputs ", k, " and ", i, " must not share memory");
  }
  Function::call(*planned, inputs, {}, outputs, {});
}

Tensors Model::run(const Tensors& inputs, ModelState& state) const {
  if (state.values_.size() != function_->endpoint.states.size())
    fail<ValueError>(function_->endpoint.name, ": expected a state of ", function_->endpoint.states.size(),
                     " values from initial_state(), got one of ", state.values_.size());
  for (size_t i = 0; i < state.values_.size(); ++i) {
    const Tensor &value = state.values_[i], &first = file_->values[function_->endpoint.states[i].second];
    if (value.shape() != first.shape() || value.dtype() != first.dtype() || value.device() != first.device())
      fail<ValueError>(function_->endpoint.name, ": expected a state from initial_state() of this model, whose value '",
                       function_->endpoint.states[i].first, "' is ", first.dtype(), first.shape(), ", got ",
                       value.dtype(), value.shape());
  }
  const Tensors placed = function_->placed(inputs);
  const auto planned = function_->planned_for(placed);
  const size_t results = outputs().size();
  Tensors made = function_->fresh(planned->outputs);
  Tensors after(made.begin() + static_cast<std::ptrdiff_t>(results), made.end());
  made.resize(results);
  Function::call(*planned, placed, state.values_, made, after);
  state.values_ = std::move(after);
  return made;
}

ModelState Model::initial_state() const {
  ModelState state;
  for (const auto& [name, tensor] : function_->endpoint.states) {
    state.names_.push_back(name);
    state.values_.push_back(file_->values[tensor]);
  }
  return state;
}

void ModelState::set(const std::string& name, const Tensor& value) {
  const auto it = std::find(names_.begin(), names_.end(), name);
  if (it == names_.end()) fail<ValueError>("state: there is no value '", name, "'");
  Tensor& old = values_[static_cast<size_t>(it - names_.begin())];
  if (value.shape() != old.shape())
    fail<ShapeError>("state '", name, "' must have shape ", old.shape(), ", got ", value.shape());
  if (value.dtype() != old.dtype())
    fail<DtypeError>("state '", name, "' must be ", old.dtype(), ", got ", value.dtype());
  old = value.to(old.device()).contiguous();
}

std::vector<Shape> Model::output_shapes(const std::vector<Shape>& inputs) const {
  const auto planned = function_->planned(Span<const Shape>(inputs));
  std::vector<Shape> shapes;
  for (size_t i = 0; i < outputs().size(); ++i) shapes.push_back(planned->outputs[i].shape);
  return shapes;
}

void Model::prepare(const std::vector<Shape>& inputs, int runs) const {
  const auto planned = function_->planned(Span<const Shape>(inputs));
  std::vector<std::unique_ptr<PlanLease>> leases;
  for (int i = 0; i < runs; ++i) leases.push_back(std::make_unique<PlanLease>(planned->plan));
}

ModelStats Model::stats(const std::vector<Shape>& inputs) const {
  const PlanStats& s = function_->planned(Span<const Shape>(inputs))->plan.stats();
  ModelStats stats{0, s.arena_bytes + s.body_bytes, s.flops, s.steps};
  for (const Tensor& t : file_->values) stats.weights_bytes += t.nbytes();
  return stats;
}

void Model::check_example() const {
  const Endpoint& e = function_->endpoint;
  if (e.example_inputs.empty()) return;
  Tensors inputs;
  for (const size_t i : e.example_inputs) inputs.push_back(file_->content.tensors[i].value);
  ModelState state = initial_state();
  compare_example(file_->content, e, has_state() ? run(inputs, state) : run(inputs));
}

void compare_example(const FileContent& file, const Endpoint& endpoint, const Tensors& results) {
  for (size_t i = 0; i < results.size(); ++i) {
    const Dtype dtype = results[i].dtype();
    const Tensor &recorded = file.tensors[endpoint.example_outputs[i]].value, here = results[i].to({});
    if (here.shape() != recorded.shape() || dtype != recorded.dtype())
      fail<Error>("model: output '", endpoint.outputs[i].name, "' of the recorded example is ", recorded.dtype(),
                  recorded.shape(), ", and this run's ", dtype, here.shape());
    const Tensor x = cast(here, Dtype::Float64).contiguous(), y = cast(recorded, Dtype::Float64).contiguous();
    double largest = 0, difference = 0;
    for (int64_t k = 0; k < x.numel(); ++k) {
      const double a = x.data<double>()[k], b = y.data<double>()[k];
      if (a == b || (std::isnan(a) && std::isnan(b))) continue;
      largest = std::max(largest, std::abs(b));
      difference = std::isfinite(a) && std::isfinite(b) ? std::max(difference, std::abs(a - b)) : INFINITY;
    }
    // Sums are rounded in another order on another processor.
    const double tolerance = dtype == Dtype::Float16 || dtype == Dtype::BFloat16 ? 2e-2 : 1e-4;
    if (difference > tolerance * std::max(largest, 1e-3))
      fail<Error>("model: output '", endpoint.outputs[i].name, "' differs from the recorded example by ", difference,
                  ", where values are as large as ", largest, "; the file is damaged, or made by another version");
  }
}

}  // namespace addax
