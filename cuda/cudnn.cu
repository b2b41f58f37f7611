#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

#include "addax/c_api.h"
#include "addax/device.h"
#include "cuda/cudnn.h"
#include "cuda/cudnn_abi.h"
#include "cuda/disk_cache.h"
#include "cuda/kernels.h"
#include "cuda/library.h"

namespace addax::cuda {
namespace {

constexpr int64_t kLeastWork = 1 << 22;  // multiply-adds: with fewer, launches take most of the time
constexpr int64_t kMostWorkspace = int64_t{256} << 20;
constexpr int64_t kMostElements = INT32_MAX;  // of an array
constexpr size_t kMostCandidates = 4;
constexpr int kRounds = 3;
constexpr int64_t kAlignment = 16;  // of addresses, in bytes

// All that a choice depends on, beside the device and the libraries.
struct Problem {
  int64_t product, type, tensor_cores;
  ConvSizes sizes;
  int64_t high[3];
};
using Key = std::array<int64_t, sizeof(Problem) / sizeof(int64_t)>;

Key key_of(const Problem& s) {
  Key key;
  std::memcpy(key.data(), &s, sizeof s);
  return key;
}

std::optional<Problem> problem_of(const ConvCall& c) {
  const ConvSizes& s = c.sizes;
  Problem p{static_cast<int64_t>(c.product), 0, 1, s, {}};
  switch (c.dtype) {
    case Dtype::Float32:
      p.type = dnn::CUDNN_DATA_FLOAT;
      p.tensor_cores = tf32();
      break;
    case Dtype::Float16:
      p.type = dnn::CUDNN_DATA_HALF;
      break;
    case Dtype::BFloat16:
      p.type = dnn::CUDNN_DATA_BFLOAT16;
      break;
    default:
      return std::nullopt;
  }
  const int64_t counts[] = {s.inputs() * s.channels, s.outputs() * s.filters,
                            s.taps() * s.channels_of_group() * s.filters};
  for (const int64_t count : counts)
    if (count == 0 || count > kMostElements) return std::nullopt;
  if (!is_vector(c.first) || !is_vector(c.second) || !is_vector(c.out)) return std::nullopt;
  // Of the paddings behind that give this many outputs, that which is nearest to the one before: more engines take them
  // alike.
  for (int d = 0; d < 3; ++d) {
    const int64_t least = (s.out[d] - 1) * s.stride[d] + (s.filter[d] - 1) * s.dilation[d] + 1 - s.in[d] - s.low[d];
    p.high[d] = std::max<int64_t>({0, least, std::min(s.low[d], least + s.stride[d] - 1)});
  }
  return p;
}

// ---- descriptors

struct Library {
  dnn::Functions call;
  std::string missing;  // empty: nothing

  explicit Library(void* library) {
    if (!library) {
      missing = "missing, convolutions run on addax's own tiles: pip install \"addax[cudnn]\"";
      return;
    }
#define ADDAX_OPEN(result, name, arguments)                                 \
  call.name = reinterpret_cast<decltype(call.name)>(dlsym(library, #name)); \
  if (!call.name) missing = "unusable: it has no " #name;
    ADDAX_CUDNN(ADDAX_OPEN)
#undef ADDAX_OPEN
  }
};

// A descriptor of the library's. After a call that fails there are no further ones.
class Descriptor {
 public:
  Descriptor(const dnn::Functions& call, int kind)
      : call_(&call), status_(call.cudnnBackendCreateDescriptor(kind, &at_)) {}
  Descriptor(Descriptor&& other) noexcept
      : call_(other.call_), at_(std::exchange(other.at_, nullptr)), status_(other.status_) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(call_, other.call_);
    std::swap(at_, other.at_);
    std::swap(status_, other.status_);
    return *this;
  }
  ~Descriptor() {
    if (at_) call_->cudnnBackendDestroyDescriptor(at_);
  }

  template <class T>
  Descriptor& set(int attribute, int type, const T* values, int64_t count) {
    if (!status_) status_ = call_->cudnnBackendSetAttribute(at_, attribute, type, count, values);
    return *this;
  }
  template <class T>
  Descriptor& set(int attribute, int type, T value) {
    return set(attribute, type, &value, 1);
  }
  Descriptor& set(int attribute, const Descriptor& value) {
    if (!status_) status_ = value.status_;
    return set(attribute, dnn::CUDNN_TYPE_BACKEND_DESCRIPTOR, value.at_);
  }
  Descriptor&& finalized() {
    if (!status_) status_ = call_->cudnnBackendFinalize(at_);
    return std::move(*this);
  }

  int64_t count(int attribute, int type) const {
    int64_t count = 0;
    if (status_ || call_->cudnnBackendGetAttribute(at_, attribute, type, 0, &count, nullptr)) return 0;
    return count;
  }
  template <class T>
  std::vector<T> get(int attribute, int type) const {
    std::vector<T> values(static_cast<size_t>(count(attribute, type)));
    read(attribute, type, values);
    return values;
  }
  // Those that the library gives are written into descriptors of the caller's.
  std::vector<Descriptor> get_descriptors(int attribute, int kind) const {
    std::vector<Descriptor> made;
    std::vector<void*> at;
    for (int64_t left = count(attribute, dnn::CUDNN_TYPE_BACKEND_DESCRIPTOR); left > 0; --left) {
      at.push_back(made.emplace_back(*call_, kind).at_);
      if (!at.back()) return {};
    }
    read(attribute, dnn::CUDNN_TYPE_BACKEND_DESCRIPTOR, at);
    made.erase(made.begin() + static_cast<std::ptrdiff_t>(at.size()), made.end());
    return made;
  }
  bool is_good() const { return status_ == dnn::CUDNN_STATUS_SUCCESS; }
  dnn::Status status() const { return status_; }
  void* get() const { return at_; }

 private:
  template <class T>
  void read(int attribute, int type, std::vector<T>& values) const {
    int64_t found = 0;
    const auto asked = static_cast<int64_t>(values.size());
    if (asked == 0 || call_->cudnnBackendGetAttribute(at_, attribute, type, asked, &found, values.data())) found = 0;
    values.resize(static_cast<size_t>(std::min(found, asked)));
  }

  const dnn::Functions* call_;
  void* at_ = nullptr;
  dnn::Status status_;
};

// The convolution as cuDNN has it: images (images, channels, in...) and filters (filters, channels of a group,
// filter...), whose channels lie next to each other in memory.
class Graph {
 public:
  static constexpr int64_t kImages = 1, kFilters = 2, kResult = 3;  // names of the arrays

  Graph(const dnn::Functions& call, void* handle, const Problem& p)
      : call(call),
        handle(handle),
        tensor_cores(p.tensor_cores != 0),
        first_(is_flat(p.sizes) ? 1 : 0),
        images_(tensor(kImages, p.type, p.sizes.images, p.sizes.channels, p.sizes.in)),
        filters_(tensor(kFilters, p.type, p.sizes.filters, p.sizes.channels_of_group(), p.sizes.filter)),
        result_(tensor(kResult, p.type, p.sizes.images, p.sizes.filters, p.sizes.out)),
        geometry_(geometry(p)),
        operation_(operation(static_cast<ConvProduct>(p.product))),
        graph_(call, dnn::CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR) {
    graph_.set(dnn::CUDNN_ATTR_OPERATIONGRAPH_HANDLE, dnn::CUDNN_TYPE_HANDLE, handle)
        .set(dnn::CUDNN_ATTR_OPERATIONGRAPH_OPS, operation_)
        .finalized();
  }
  const Descriptor& get() const { return graph_; }

  const dnn::Functions& call;
  void* const handle;
  const bool tensor_cores;  // whether they may be used

 private:
  static bool is_flat(const ConvSizes& s) { return s.in[0] * s.out[0] * s.filter[0] == 1 && s.low[0] == 0; }
  Descriptor tensor(int64_t name, int64_t type, int64_t outer, int64_t channels, const int64_t (&spatial)[3]) const {
    std::vector<int64_t> sizes{outer, channels}, strides{channels, 1};
    for (int d = first_; d < 3; ++d) {
      sizes.push_back(spatial[d]);
      int64_t stride = channels;
      for (int e = d + 1; e < 3; ++e) stride *= spatial[e];
      strides.push_back(stride);
      strides[0] *= spatial[d];
    }
    const auto rank = static_cast<int64_t>(sizes.size());
    return Descriptor(call, dnn::CUDNN_BACKEND_TENSOR_DESCRIPTOR)
        .set(dnn::CUDNN_ATTR_TENSOR_UNIQUE_ID, dnn::CUDNN_TYPE_INT64, name)
        .set(dnn::CUDNN_ATTR_TENSOR_DATA_TYPE, dnn::CUDNN_TYPE_DATA_TYPE, static_cast<int>(type))
        .set(dnn::CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, dnn::CUDNN_TYPE_INT64, kAlignment)
        .set(dnn::CUDNN_ATTR_TENSOR_DIMENSIONS, dnn::CUDNN_TYPE_INT64, sizes.data(), rank)
        .set(dnn::CUDNN_ATTR_TENSOR_STRIDES, dnn::CUDNN_TYPE_INT64, strides.data(), rank)
        .finalized();
  }
  Descriptor geometry(const Problem& p) const {
    const int64_t rank = 3 - first_;
    const ConvSizes& s = p.sizes;
    return Descriptor(call, dnn::CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR)
        .set(dnn::CUDNN_ATTR_CONVOLUTION_COMP_TYPE, dnn::CUDNN_TYPE_DATA_TYPE, int{dnn::CUDNN_DATA_FLOAT})
        .set(dnn::CUDNN_ATTR_CONVOLUTION_CONV_MODE, dnn::CUDNN_TYPE_CONVOLUTION_MODE, int{dnn::CUDNN_CROSS_CORRELATION})
        .set(dnn::CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, dnn::CUDNN_TYPE_INT64, rank)
        .set(dnn::CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, dnn::CUDNN_TYPE_INT64, s.stride + first_, rank)
        .set(dnn::CUDNN_ATTR_CONVOLUTION_DILATIONS, dnn::CUDNN_TYPE_INT64, s.dilation + first_, rank)
        .set(dnn::CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, dnn::CUDNN_TYPE_INT64, s.low + first_, rank)
        .set(dnn::CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, dnn::CUDNN_TYPE_INT64, p.high + first_, rank)
        .finalized();
  }
  Descriptor operation(ConvProduct product) const {
    struct Names {
      int kind, geometry, images, filters, result, alpha, beta;
    };
    static constexpr Names kNames[] = {
        {dnn::CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
         dnn::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, dnn::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
         dnn::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, dnn::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
         dnn::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, dnn::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
        {dnn::CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
         dnn::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, dnn::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
         dnn::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, dnn::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
         dnn::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, dnn::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
        {dnn::CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
         dnn::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, dnn::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
         dnn::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, dnn::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
         dnn::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, dnn::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA},
    };
    const Names& names = kNames[static_cast<int>(product)];
    return Descriptor(call, names.kind)
        .set(names.geometry, geometry_)
        .set(names.images, images_)
        .set(names.filters, filters_)
        .set(names.result, result_)
        .set(names.alpha, dnn::CUDNN_TYPE_FLOAT, 1.0f)
        .set(names.beta, dnn::CUDNN_TYPE_FLOAT, 0.0f)
        .finalized();
  }

  const int first_;  // spatial dim: cuDNN has two or three
  const Descriptor images_, filters_, result_, geometry_, operation_;
  Descriptor graph_;
};

// ---- engines

// An engine of cuDNN's with what its knobs are set to. No engine: addax's own kernel.
struct Choice {
  static constexpr const char* kOurs = "ours";
  std::optional<int64_t> engine;
  std::vector<std::pair<int, int64_t>> knobs;

  bool operator==(const Choice& other) const { return engine == other.engine && knobs == other.knobs; }
  std::string text() const {
    if (!engine) return kOurs;
    std::string text = std::to_string(*engine);
    for (const auto& [knob, value] : knobs) text += ' ' + std::to_string(knob) + ' ' + std::to_string(value);
    return text;
  }
  static std::optional<Choice> of(const std::string& text) {
    Choice c;
    if (text == kOurs) return c;
    std::istringstream words(text);
    if (int64_t engine = 0; words >> engine) c.engine = engine;
    int knob = 0;
    for (int64_t value = 0; words >> knob >> value;) c.knobs.emplace_back(knob, value);
    return c.engine && words.eof() ? std::optional(c) : std::nullopt;
  }
};

// An engine is taken only if all that is noted of it is harmless: not that its bits vary, that it rounds its inputs, or
// sums in their type, or that it transforms images and filters first.
bool is_exact(const Descriptor& engine, bool tensor_cores) {
  const std::vector<int> notes = engine.get<int>(dnn::CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, dnn::CUDNN_TYPE_NUMERICAL_NOTE);
  return std::all_of(notes.begin(), notes.end(), [&](int note) {
    return note == dnn::CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP ||
           (note == dnn::CUDNN_NUMERICAL_NOTE_TENSOR_CORE && tensor_cores);
  });
}

// Of one thread at a time, as all that uses a handle.
std::mutex& execution() {
  static auto* m = new std::mutex;
  return *m;
}

// A convolution by an engine. Captured work may hold its kernels, so it is never freed.
class Plan {
 public:
  // Null where cuDNN does not take that, or addax does not.
  static std::shared_ptr<const Plan> of(const std::shared_ptr<const Graph>& graph, const Choice& choice) {
    std::shared_ptr<const Plan> plan(new Plan(graph, choice));
    if (!plan->plan_.is_good() || !is_exact(plan->engine_, graph->tensor_cores) || plan->workspace() > kMostWorkspace)
      return nullptr;
    return plan;
  }
  const Choice& choice() const { return choice_; }
  int64_t workspace() const { return workspace_; }

  void run(const void* images, const void* filters, const void* result, void* workspace, void* stream,
           const char* what) const {
    const std::lock_guard<std::mutex> one_at_a_time(execution());
    const auto check = [&](dnn::Status status, const char* function) {
      if (status)
        fail<Error>(what, ": ", function, " failed on cuda:", device_index(), ": ",
                    graph_->call.cudnnGetErrorString(status), " (", status, ")");
    };
    const int64_t names[] = {Graph::kImages, Graph::kFilters, Graph::kResult};
    const void* const addresses[] = {images, filters, result};
    check(graph_->call.cudnnSetStream(graph_->handle, stream), "cudnnSetStream");
    Descriptor pointers(graph_->call, dnn::CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    pointers.set(dnn::CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, dnn::CUDNN_TYPE_INT64, names, 3)
        .set(dnn::CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, dnn::CUDNN_TYPE_VOID_PTR, addresses, 3)
        .set(dnn::CUDNN_ATTR_VARIANT_PACK_WORKSPACE, dnn::CUDNN_TYPE_VOID_PTR, workspace)
        .finalized();
    check(pointers.status(), "giving pointers to cuDNN");
    check(graph_->call.cudnnBackendExecute(graph_->handle, plan_.get(), pointers.get()), "cudnnBackendExecute");
  }

 private:
  Plan(const std::shared_ptr<const Graph>& graph, const Choice& choice)
      : graph_(graph),
        choice_(choice),
        engine_(Descriptor(graph->call, dnn::CUDNN_BACKEND_ENGINE_DESCRIPTOR)
                    .set(dnn::CUDNN_ATTR_ENGINE_OPERATION_GRAPH, graph->get())
                    .set(dnn::CUDNN_ATTR_ENGINE_GLOBAL_INDEX, dnn::CUDNN_TYPE_INT64, *choice.engine)
                    .finalized()),
        config_(graph->call, dnn::CUDNN_BACKEND_ENGINECFG_DESCRIPTOR),
        plan_(graph->call, dnn::CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) {
    std::vector<void*> knobs;
    for (const auto& [knob, value] : choice.knobs)
      knobs.push_back(knobs_
                          .emplace_back(Descriptor(graph->call, dnn::CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR)
                                            .set(dnn::CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, dnn::CUDNN_TYPE_KNOB_TYPE, knob)
                                            .set(dnn::CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, dnn::CUDNN_TYPE_INT64, value)
                                            .finalized())
                          .get());
    config_.set(dnn::CUDNN_ATTR_ENGINECFG_ENGINE, engine_);
    if (!knobs.empty())
      config_.set(dnn::CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, dnn::CUDNN_TYPE_BACKEND_DESCRIPTOR, knobs.data(),
                  static_cast<int64_t>(knobs.size()));
    config_.finalized();
    plan_.set(dnn::CUDNN_ATTR_EXECUTION_PLAN_HANDLE, dnn::CUDNN_TYPE_HANDLE, graph->handle)
        .set(dnn::CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config_)
        .finalized();
    const auto sizes = plan_.get<int64_t>(dnn::CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, dnn::CUDNN_TYPE_INT64);
    if (!sizes.empty()) workspace_ = sizes[0];
  }

  const std::shared_ptr<const Graph> graph_;
  const Choice choice_;
  const Descriptor engine_;
  std::vector<Descriptor> knobs_;
  Descriptor config_, plan_;
  int64_t workspace_ = std::numeric_limits<int64_t>::max();
};

// The first of those that cuDNN expects to be fast. Where few are taken, others follow that merely work.
std::vector<std::shared_ptr<const Plan>> candidates(const std::shared_ptr<const Graph>& graph) {
  std::vector<std::shared_ptr<const Plan>> found;
  for (const int mode : {dnn::CUDNN_HEUR_MODE_A, dnn::CUDNN_HEUR_MODE_FALLBACK}) {
    const Descriptor search = Descriptor(graph->call, dnn::CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR)
                                  .set(dnn::CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph->get())
                                  .set(dnn::CUDNN_ATTR_ENGINEHEUR_MODE, dnn::CUDNN_TYPE_HEUR_MODE, mode)
                                  .finalized();
    for (const Descriptor& config :
         search.get_descriptors(dnn::CUDNN_ATTR_ENGINEHEUR_RESULTS, dnn::CUDNN_BACKEND_ENGINECFG_DESCRIPTOR)) {
      if (found.size() == kMostCandidates) return found;
      Choice choice;
      for (const Descriptor& engine :
           config.get_descriptors(dnn::CUDNN_ATTR_ENGINECFG_ENGINE, dnn::CUDNN_BACKEND_ENGINE_DESCRIPTOR))
        for (const int64_t index : engine.get<int64_t>(dnn::CUDNN_ATTR_ENGINE_GLOBAL_INDEX, dnn::CUDNN_TYPE_INT64))
          choice.engine = index;
      for (const Descriptor& knob :
           config.get_descriptors(dnn::CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, dnn::CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR)) {
        const auto type = knob.get<int>(dnn::CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, dnn::CUDNN_TYPE_KNOB_TYPE);
        const auto value = knob.get<int64_t>(dnn::CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, dnn::CUDNN_TYPE_INT64);
        if (!type.empty() && !value.empty()) choice.knobs.emplace_back(type[0], value[0]);
      }
      const bool known =
          std::any_of(found.begin(), found.end(), [&](const auto& plan) { return plan->choice() == choice; });
      if (!choice.engine || known) continue;
      if (auto plan = Plan::of(graph, choice)) found.push_back(std::move(plan));
    }
  }
  return found;
}

// ---- running and choosing

// Filters lie in cuDNN's order only meanwhile.
void run(const std::shared_ptr<const Plan>& plan, const ConvCall& c, const char* what) {
  const ConvSizes& s = c.sizes;
  const int64_t item = size_of(c.dtype);
  const Shape shape{s.filters, s.taps(), s.channels_of_group()};
  const Strides ours{1, s.channels_of_group() * s.filters, s.filters}, theirs = contiguous_strides(shape);
  const Temporary<char> filters(numel(shape) * item, what), workspace(std::max<int64_t>(1, plan->workspace()), what);
  const bool given = c.product != ConvProduct::FilterGrad;
  const void* const images = c.product == ConvProduct::InputGrad ? c.out : c.first;
  const void* const result = c.product == ConvProduct::Forward     ? c.out
                             : c.product == ConvProduct::InputGrad ? c.first
                                                                   : c.second;
  if (given) cuda::copy_strided(filters.get(), theirs, c.second, ours, shape, item);
  enqueue([=, filters = filters.get(), workspace = workspace.get()](void* stream) {
    plan->run(images, filters, result, workspace, stream, what);
  });
  if (!given) cuda::copy_strided(c.out, ours, filters.get(), theirs, shape, item);
}

// Null: ours is.
std::shared_ptr<const Plan> fastest(const std::vector<std::shared_ptr<const Plan>>& plans, const ConvCall& c,
                                    const std::function<void()>& ours, const char* what) {
  constexpr double kNone = std::numeric_limits<double>::infinity();
  std::vector<double> best(plans.size(), kNone);
  double best_of_ours = kNone;
  std::vector<bool> fails(plans.size());
  for (int round = 0; round < kRounds; ++round) {
    best_of_ours = std::min(best_of_ours, milliseconds_of(ours));
    for (size_t i = 0; i < plans.size(); ++i) {
      if (fails[i]) continue;
      try {
        best[i] = std::min(best[i], milliseconds_of([&] { run(plans[i], c, what); }));
      } catch (const Error&) {  // or there is too little memory
        fails[i] = true;
        best[i] = kNone;
      }
    }
  }
  const auto least = std::min_element(best.begin(), best.end());
  return least != best.end() && *least < best_of_ours ? plans[static_cast<size_t>(least - best.begin())] : nullptr;
}

// One device's.
struct Handle {
  void* at = nullptr;
  std::map<Key, std::shared_ptr<const Plan>> plans;  // null: addax's own kernel
};

struct State {
  std::mutex mutex;
  Library* library = nullptr;  // never freed: plans call it
  std::map<int, Handle> handles;
  int64_t least = least_work("ADDAX_CUDNN", kLeastWork);

  bool is_off() const { return least == kNever; }
  Library& opened() {
    if (library) return *library;
    library = new Library(open_library({"libcudnn.so.9"}));
    if (library->missing.empty()) {
      // cuDNN looks for it itself, and ends the process if it finds none.
      const std::string needed = "libcublasLt.so." + std::to_string(library->call.cudnnGetCudartVersion() / 1000);
      if (!open_library({needed.c_str()})) library->missing = "unusable without " + needed;
    }
    return *library;
  }

  // Null: the convolution is ours.
  std::shared_ptr<const Plan> plan(const ConvCall& c, const std::function<void()>& ours, const char* what) {
    const ConvSizes& s = c.sizes;
    if (is_off() || s.outputs() * s.filters * s.taps() * s.channels_of_group() < least) return nullptr;
    const std::optional<Problem> problem = problem_of(c);
    if (!problem || !opened().missing.empty()) return nullptr;
    Handle& handle = handles[device_index()];
    const Key key = key_of(*problem);
    if (const auto known = handle.plans.find(key); known != handle.plans.end()) return known->second;
    if (is_captured()) return nullptr;  // in a branch that was not taken before
    if (!handle.at)
      if (const dnn::Status status = opened().call.cudnnCreate(&handle.at)) {
        opened().missing = std::string("unusable: cudnnCreate: ") + opened().call.cudnnGetErrorString(status);
        return nullptr;
      }
    return handle.plans[key] = choose(handle.at, *problem, c, ours, what);
  }

  std::shared_ptr<const Plan> choose(void* handle, const Problem& problem, const ConvCall& c,
                                     const std::function<void()>& ours, const char* what) {
    const dnn::Functions& call = opened().call;
    const auto graph = std::make_shared<const Graph>(call, handle, problem);
    const auto planned = [&](const Choice& choice) { return choice.engine ? Plan::of(graph, choice) : nullptr; };
    std::string key = "addax " + std::string(addax_version()) + ", cuDNN " + std::to_string(call.cudnnGetVersion()) +
                      ", " + device_name() + ", convolution";
    for (const int64_t value : key_of(problem)) key += ' ' + std::to_string(value);
    const DiskCache cache(cache_folder("convolutions"));
    if (const auto kept = Choice::of(cache.find(key))) return planned(*kept);
    if (!cache.is_writable()) return nullptr;
    const std::shared_ptr<const Plan> best = fastest(candidates(graph), c, ours, what);
    const Choice found = best ? best->choice() : Choice{};
    const auto kept = Choice::of(cache.keep_first(key, found.text()));  // another process may have been before
    if (!kept) return nullptr;
    return *kept == found ? best : planned(*kept);
  }
};

// Never freed: work that is captured may end after all else.
State& state() {
  static auto* s = new State;
  return *s;
}

}  // namespace

bool dnn_conv(const ConvCall& conv, const std::function<void()>& ours, const char* what) {
  State& s = state();
  std::unique_lock<std::mutex> lock(s.mutex);
  const std::shared_ptr<const Plan> plan = s.plan(conv, ours, what);
  lock.unlock();
  if (plan) run(plan, conv, what);
  return plan != nullptr;
}

std::string dnn_state() {
  State& s = state();
  const std::lock_guard<std::mutex> lock(s.mutex);
  if (s.is_off()) return "off, by ADDAX_CUDNN";
  const Library& library = s.opened();
  if (!library.missing.empty()) return library.missing;
  const size_t version = library.call.cudnnGetVersion();
  return "version " + std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) +
         ", what is faster for which convolution in " + cache_folder("convolutions");
}

void use_dnn(void* library) {
  State& s = state();
  const std::lock_guard<std::mutex> lock(s.mutex);
  s.handles.clear();
  s.library = new Library(library);
  s.least = least_work("ADDAX_CUDNN", kLeastWork);
}

}  // namespace addax::cuda
