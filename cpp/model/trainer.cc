// Trainer: an exported training step whose states are variables of its own.
#include <algorithm>

#include "addax/model.h"
#include "addax/variable.h"
#include "graph/trace.h"
#include "model/function.h"

namespace addax {
namespace {

constexpr const char* kEndpoint = "train";
constexpr std::string_view kMetrics = "metrics/";

}  // namespace

struct Trainer::Impl {
  std::shared_ptr<const Model::File> file;
  const Endpoint* endpoint = nullptr;
  std::shared_ptr<const Model::Function> function;
  std::vector<State> states;
  std::vector<std::pair<std::vector<Shape>, std::unique_ptr<Plan>>> plans;

  const Plan& plan(const std::vector<Shape>& shapes) {
    for (const auto& [known, plan] : plans)
      if (known == shapes) return *plan;
    auto made = std::make_unique<Plan>(planned_graph(*file, *endpoint, shapes), states, file->options.device);
    check_memory(*made, file->options, endpoint->name);
    constexpr size_t kKept = 8;  // whole batches, and the last one of each of a few sources
    if (plans.size() >= kKept) plans.erase(plans.begin());
    return *plans.emplace_back(shapes, std::move(made)).second;
  }

  size_t find(const std::string& name) const {
    const auto& all = endpoint->states;
    const auto it = std::find_if(all.begin(), all.end(), [&](const auto& s) { return s.first == name; });
    if (it == all.end()) fail<ValueError>("trainer: there is no value '", name, "'");
    return static_cast<size_t>(it - all.begin());
  }

  bool is_metric(size_t i) const { return endpoint->states[i].first.compare(0, kMetrics.size(), kMetrics) == 0; }
};

Trainer::Trainer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Trainer::Trainer(Trainer&&) noexcept = default;
Trainer& Trainer::operator=(Trainer&&) noexcept = default;
Trainer::~Trainer() = default;

Trainer Trainer::load(const std::string& path, const LoadOptions& options) {
  auto impl = std::make_unique<Impl>();
  try {
    impl->file = Model::File::open(FileBytes::map(path), options);
  } catch (const ValueError& error) {
    fail<ValueError>(path, ": ", error.what());
  }
  const std::string name = options.endpoint.empty() ? kEndpoint : options.endpoint;
  try {
    impl->function = impl->file->function(name);
  } catch (const ValueError& error) {
    fail<ValueError>(path, ": ", error.what(), "; model.export_training writes a step that trains");
  }
  impl->endpoint = &impl->function->endpoint;
  for (const auto& [state, tensor] : impl->endpoint->states)
    impl->states.push_back({std::make_shared<Variable>(impl->file->content.tensors[tensor].value, true), true});
  if (options.verify && !impl->endpoint->example_inputs.empty()) {
    LoadOptions unverified = options;
    unverified.verify = false;
    Trainer once = load(path, unverified);
    Tensors inputs;
    for (const size_t i : impl->endpoint->example_inputs) inputs.push_back(impl->file->content.tensors[i].value);
    compare_example(impl->file->content, *impl->endpoint, once.step(inputs));
  }
  return Trainer(std::move(impl));
}

const std::vector<TensorInfo>& Trainer::inputs() const { return impl_->function->inputs; }
const std::vector<TensorInfo>& Trainer::outputs() const { return impl_->function->outputs; }

Tensors Trainer::step(const Tensors& batch) {
  std::vector<Shape> shapes;
  for (size_t i = 0; i < batch.size() && i < inputs().size(); ++i) {
    if (!batch[i] || batch[i].dtype() != inputs()[i].dtype)
      fail<DtypeError>(impl_->endpoint->name, ": input ", i, " '", inputs()[i].name, "' must be ", inputs()[i].dtype);
    shapes.push_back(batch[i].shape());
  }
  if (batch.size() != inputs().size())
    fail<ValueError>(impl_->endpoint->name, ": expected ", inputs().size(), " inputs, got ", batch.size());
  return impl_->plan(shapes).run(batch);
}

void Trainer::reset_metrics() {
  for (size_t i = 0; i < impl_->states.size(); ++i)
    if (impl_->is_metric(i))
      impl_->states[i].variable->assign(impl_->file->content.tensors[impl_->endpoint->states[i].second].value);
}

std::vector<std::string> Trainer::names() const {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : impl_->endpoint->states) names.push_back(name);
  return names;
}

Tensor Trainer::value(const std::string& name) const { return impl_->states[impl_->find(name)].variable->peek(); }

void Trainer::set_value(const std::string& name, const Tensor& value) {
  impl_->states[impl_->find(name)].variable->assign(value);
}

void Trainer::save(const std::string& path) const {
  Tensors values(impl_->file->content.tensors.size());
  for (size_t i = 0; i < impl_->states.size(); ++i)
    if (!impl_->is_metric(i))  // the file holds what they begin with
      values[impl_->endpoint->states[i].second] = impl_->states[i].variable->peek().to({}).contiguous();
  write_file(impl_->file->content, values, path);
}

}  // namespace addax
