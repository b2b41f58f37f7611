// A library with the part of cuDNN that cuda/cudnn_abi.h names, on the CPU, as NVIDIA documents it: descriptors that
// are set, finalized and read, engines with notes and knobs, and plans that do convolutions of any strides. It refuses
// what the real one refuses. Of its engines most are not what addax wants, and are fast.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "core/half.h"
#include "cuda/cudnn_abi.h"
#include "emulation.h"

namespace addax::cuda::dnn {
#define ADDAX_EXPORT(result, name, arguments) extern "C" __attribute__((visibility("default"))) result name arguments;
ADDAX_CUDNN(ADDAX_EXPORT)
#undef ADDAX_EXPORT

namespace {

enum : Status {
  NOT_INITIALIZED = 1001,
  BAD_PARAM = 2000,
  NULL_POINTER = 2002,
  MISALIGNED_POINTER = 2003,
  NOT_FINALIZED = 2004,
  SHAPE_MISMATCH = 2008,
  ATTRIBUTE_TYPE = 2010,
  NOT_SUPPORTED = 3000,
  NOT_SUPPORTED_LAYOUT = 3004,
  EXECUTION_FAILED = 5000
};

// ---- engines

enum : int { kReducedPrecision = 2, kFft = 3, kNondeterministic = 4, kDownConvert = 1, kWinograd = 5 };
constexpr int kSlices = 17;  // a knob: sums are of so many parts

struct Engine {
  std::vector<int> notes;
  double milliseconds;
  int64_t workspace = 1000;
  Status makes = CUDNN_STATUS_SUCCESS, runs = CUDNN_STATUS_SUCCESS;
  bool has_knob = false;
};
enum : int { kPlain, kTensorCores, kVaries, kHuge, kFails, kTransforms, kRounds, kSliced, kShortSums, kFourier };
std::vector<Engine> engines{
    {{}, 0.6},
    {{CUDNN_NUMERICAL_NOTE_TENSOR_CORE}, 0.1},
    {{kNondeterministic}, 0.1},
    {{}, 0.1, int64_t{1} << 30},
    {{}, 0.1, 0, CUDNN_STATUS_SUCCESS, EXECUTION_FAILED},
    {{kWinograd}, 0.1},
    {{CUDNN_NUMERICAL_NOTE_TENSOR_CORE, kDownConvert}, 0.1},
    {{CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP}, 0.5, 0, CUDNN_STATUS_SUCCESS, CUDNN_STATUS_SUCCESS, true},
    {{CUDNN_NUMERICAL_NOTE_TENSOR_CORE, kReducedPrecision}, 0.1},
    {{kFft}, 0.1},
};
const std::vector<Engine> kEngines = engines;

// An engine with its knob, 0 for none.
struct Config {
  int64_t engine, slices;
};
const std::vector<Config> kExpectedFast{{kVaries, 0},  {kRounds, 0},    {kTensorCores, 0}, {kTransforms, 0},
                                        {kFourier, 0}, {kShortSums, 0}, {kHuge, 0},        {kFails, 0},
                                        {kSliced, 2},  {kPlain, 0},     {kSliced, 3}};
const std::vector<Config> kWorking{{kPlain, 0}, {kSliced, 4}};

Status next_status = 0;    // of the next convolution
Status create_status = 0;  // of handles
int64_t convolutions = 0, searches = 0;
std::map<int64_t, int64_t> runs;  // of engines
Config last{-1, 0};
void (*visitor)() = nullptr;  // of convolutions that begin
std::recursive_mutex mutex;

// ---- descriptors

struct Rule {
  int kind, attribute, type;
  int64_t least, most;  // values; none may be unset
  int of = 0;           // the kind of the values, if they are descriptors
};
constexpr int kOperation = -1;  // any of the three
const std::vector<Rule> kRules = [] {
  const int D = CUDNN_TYPE_BACKEND_DESCRIPTOR, I = CUDNN_TYPE_INT64, F = CUDNN_TYPE_FLOAT;
  const int tensor = CUDNN_BACKEND_TENSOR_DESCRIPTOR, conv = CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR,
            graph = CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, engine = CUDNN_BACKEND_ENGINE_DESCRIPTOR,
            knob = CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, config = CUDNN_BACKEND_ENGINECFG_DESCRIPTOR,
            heuristic = CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, plan = CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR,
            pack = CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR;
  std::vector<Rule> rules{
      {tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID, I, 1, 1},
      {tensor, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, 1},
      {tensor, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, I, 1, 1},
      {tensor, CUDNN_ATTR_TENSOR_DIMENSIONS, I, 3, 8},
      {tensor, CUDNN_ATTR_TENSOR_STRIDES, I, 3, 8},
      {conv, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, 1},
      {conv, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, 1},
      {conv, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, I, 1, 1},
      {conv, CUDNN_ATTR_CONVOLUTION_DILATIONS, I, 1, 6},
      {conv, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, I, 1, 6},
      {conv, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, I, 1, 6},
      {conv, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, I, 1, 6},
      {graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, 1},
      {graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, D, 1, 1, kOperation},
      {engine, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, D, 1, 1, graph},
      {engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, I, 1, 1},
      {knob, CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1, 1},
      {knob, CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, I, 1, 1},
      {config, CUDNN_ATTR_ENGINECFG_ENGINE, D, 1, 1, engine},
      {config, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, D, 0, 46, knob},
      {heuristic, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, D, 1, 1, graph},
      {heuristic, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, 1},
      {plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, 1},
      {plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, D, 1, 1, config},
      {pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, I, 3, 3},
      {pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3, 3},
      {pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, 1},
  };
  // Alpha, beta, convolution, then three tensors.
  const int kinds[] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                       CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                       CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR};
  for (int i = 0; i < 3; ++i) {
    const int first = CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA + 6 * i;
    for (int a = 0; a < 6; ++a)
      rules.push_back({kinds[i], first + a, a < 2 ? F : D, 1, 1, a < 2 ? 0 : a == 2 ? conv : tensor});
  }
  return rules;
}();

struct Descriptor {
  int kind;
  bool finalized = false;
  std::map<int, std::vector<char>> values;

  template <class T>
  std::vector<T> all(int attribute) const {
    const auto found = values.find(attribute);
    std::vector<T> v(found == values.end() ? 0 : found->second.size() / sizeof(T));
    if (!v.empty()) std::memcpy(v.data(), found->second.data(), found->second.size());
    return v;
  }
  template <class T = int64_t>
  T one(int attribute) const {
    return all<T>(attribute).at(0);
  }
  const Descriptor& other(int attribute) const { return *one<Descriptor*>(attribute); }
  template <class T>
  void put(int attribute, const std::vector<T>& v) {
    const auto* bytes = reinterpret_cast<const char*>(v.data());
    values[attribute] = {bytes, bytes + v.size() * sizeof(T)};
  }
};

std::set<const Descriptor*> living;
int handle;

bool is_operation(int kind) {
  return kind >= CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR &&
         kind <= CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR;
}
bool is_living(const void* at) { return living.count(static_cast<const Descriptor*>(at)) > 0; }
// With all that it refers to.
bool is_whole(const Descriptor* d) {
  if (!is_living(d) || !d->finalized) return false;
  for (const Rule& rule : kRules)
    if (rule.kind == d->kind && rule.type == CUDNN_TYPE_BACKEND_DESCRIPTOR)
      for (const Descriptor* value : d->all<Descriptor*>(rule.attribute))
        if (!is_whole(value)) return false;
  return true;
}
Descriptor* made(int kind) {
  auto* d = new Descriptor{kind};
  living.insert(d);
  return d;
}

size_t size_of_attribute(int type) {
  switch (type) {
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR:
      return 8;
    default:
      return 4;
  }
}
int64_t size_of_element(int type) { return type == CUDNN_DATA_FLOAT ? 4 : 2; }

Status check_tensor(const Descriptor& d) {
  const auto sizes = d.all<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS), strides = d.all<int64_t>(CUDNN_ATTR_TENSOR_STRIDES);
  if (sizes.size() != strides.size()) return BAD_PARAM;
  for (size_t i = 0; i < sizes.size(); ++i)
    if (sizes[i] < 1 || strides[i] < 1) return BAD_PARAM;
  const int type = d.one<int>(CUDNN_ATTR_TENSOR_DATA_TYPE);
  if (type != CUDNN_DATA_FLOAT && type != CUDNN_DATA_HALF && type != CUDNN_DATA_BFLOAT16) return NOT_SUPPORTED;
  return d.one(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT) % size_of_element(type) == 0 ? CUDNN_STATUS_SUCCESS : BAD_PARAM;
}

Status check_convolution(const Descriptor& d) {
  const auto rank = static_cast<size_t>(d.one(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS));
  for (const int attribute : {CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES,
                              CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS}) {
    const auto values = d.all<int64_t>(attribute);
    const int64_t least = attribute <= CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES ? 1 : 0;
    if (values.size() != rank || *std::min_element(values.begin(), values.end()) < least) return BAD_PARAM;
  }
  return d.one<int>(CUDNN_ATTR_CONVOLUTION_CONV_MODE) == CUDNN_CROSS_CORRELATION &&
                 d.one<int>(CUDNN_ATTR_CONVOLUTION_COMP_TYPE) == CUDNN_DATA_FLOAT
             ? CUDNN_STATUS_SUCCESS
             : NOT_SUPPORTED;
}

// What an operation is made of.
struct Tensor {
  int64_t name, alignment;
  int type;
  std::vector<int64_t> size, stride;

  explicit Tensor(const Descriptor& d)
      : name(d.one(CUDNN_ATTR_TENSOR_UNIQUE_ID)),
        alignment(d.one(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT)),
        type(d.one<int>(CUDNN_ATTR_TENSOR_DATA_TYPE)),
        size(d.all<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS)),
        stride(d.all<int64_t>(CUDNN_ATTR_TENSOR_STRIDES)) {}
};
struct Convolution {
  int kind;
  float alpha, beta;
  std::vector<int64_t> stride, dilation, low, high;
  Tensor x, w, y;

  // Names of attributes are 6 apart from one kind to the next.
  explicit Convolution(const Descriptor& d)
      : Convolution(d, d.kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR         ? 0
                       : d.kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR ? 1
                                                                                                : 2) {}
  Convolution(const Descriptor& d, int which)
      : kind(which),
        alpha(d.one<float>(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA + 6 * which)),
        beta(d.one<float>(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA + 6 * which)),
        x(d.other(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X + 6 * which)),
        w(d.other(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W + 6 * which)),
        y(d.other(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y + 6 * which)) {
    const Descriptor& c = d.other(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC + 6 * which);
    stride = c.all<int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
    dilation = c.all<int64_t>(CUDNN_ATTR_CONVOLUTION_DILATIONS);
    low = c.all<int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS);
    high = c.all<int64_t>(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS);
  }
  Status check() const {
    const size_t rank = stride.size();
    if (x.size.size() != rank + 2 || w.size.size() != rank + 2 || y.size.size() != rank + 2) return SHAPE_MISMATCH;
    if (x.size[0] != y.size[0] || y.size[1] != w.size[0] || x.size[1] % w.size[1] != 0 ||
        w.size[0] % (x.size[1] / w.size[1]) != 0)
      return SHAPE_MISMATCH;
    for (size_t d = 0; d < rank; ++d) {
      const int64_t span = (w.size[d + 2] - 1) * dilation[d] + 1, padded = x.size[d + 2] + low[d] + high[d];
      if (span > padded || y.size[d + 2] != (padded - span) / stride[d] + 1) return SHAPE_MISMATCH;
    }
    if (x.name == w.name || x.name == y.name || w.name == y.name) return BAD_PARAM;
    return x.type == w.type && x.type == y.type ? CUDNN_STATUS_SUCCESS : NOT_SUPPORTED;
  }
  // Its engines read channels that lie next to each other, and spatial dims that follow each other.
  bool is_channels_last() const {
    for (const Tensor* t : {&x, &w, &y}) {
      int64_t stride = t->size[1];
      for (size_t d = t->size.size(); d-- > 2; stride *= t->size[d])
        if (t->stride[d] != stride) return false;
      if (t->stride[1] != 1 || t->stride[0] != stride) return false;
    }
    return true;
  }
};

const Descriptor& operation_of(const Descriptor& config) {
  return config.other(CUDNN_ATTR_ENGINECFG_ENGINE)
      .other(CUDNN_ATTR_ENGINE_OPERATION_GRAPH)
      .other(CUDNN_ATTR_OPERATIONGRAPH_OPS);
}
Config config_of(const Descriptor& d) {
  Config c{d.other(CUDNN_ATTR_ENGINECFG_ENGINE).one(CUDNN_ATTR_ENGINE_GLOBAL_INDEX), 0};
  for (const Descriptor* knob : d.all<Descriptor*>(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES))
    c.slices = knob->one(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE);
  return c;
}

Status check(const Descriptor& d) {
  switch (d.kind) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR:
      return check_tensor(d);
    case CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR:
      return check_convolution(d);
    case CUDNN_BACKEND_ENGINE_DESCRIPTOR: {
      const int64_t index = d.one(CUDNN_ATTR_ENGINE_GLOBAL_INDEX);
      return index >= 0 && index < static_cast<int64_t>(engines.size()) ? CUDNN_STATUS_SUCCESS : NOT_SUPPORTED;
    }
    case CUDNN_BACKEND_ENGINECFG_DESCRIPTOR: {
      const auto knobs = d.all<Descriptor*>(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES);
      const Config c = config_of(d);
      if (knobs.empty()) return CUDNN_STATUS_SUCCESS;
      const bool known = engines[static_cast<size_t>(c.engine)].has_knob && knobs.size() == 1 &&
                         knobs[0]->one<int>(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE) == kSlices;
      return known && c.slices >= 1 && c.slices <= 8 ? CUDNN_STATUS_SUCCESS : NOT_SUPPORTED;
    }
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR: {
      const Descriptor& config = d.other(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
      if (!Convolution(operation_of(config)).is_channels_last()) return NOT_SUPPORTED_LAYOUT;
      return engines[static_cast<size_t>(config_of(config).engine)].makes;
    }
    default:
      return is_operation(d.kind) ? Convolution(d).check() : CUDNN_STATUS_SUCCESS;
  }
}

// ---- the convolutions

float load(const void* data, int64_t at, int type) {
  if (type == CUDNN_DATA_FLOAT) return static_cast<const float*>(data)[at];
  if (type == CUDNN_DATA_HALF) return static_cast<float>(static_cast<const Float16*>(data)[at]);
  return static_cast<float>(static_cast<const BFloat16*>(data)[at]);
}
void store(void* data, int64_t at, int type, float x) {
  if (type == CUDNN_DATA_FLOAT)
    static_cast<float*>(data)[at] = x;
  else if (type == CUDNN_DATA_HALF)
    static_cast<Float16*>(data)[at] = Float16(x);
  else
    static_cast<BFloat16*>(data)[at] = BFloat16(x);
}

// 10 bits of mantissa.
float to_tf32(float x) {
  if (!std::isfinite(x) || x == 0) return x;
  int exponent;
  const float mantissa = std::frexp(x, &exponent);
  return std::ldexp(std::round(mantissa * 2048), exponent - 11);
}

// Places of all spatial dims, the last one first to change.
template <class F>
void each_place(const int64_t* sizes, size_t rank, F visit) {
  std::vector<int64_t> at(rank, 0);
  for (;;) {
    visit(at);
    size_t d = rank;
    while (d > 0 && ++at[d - 1] == sizes[d - 1]) at[--d] = 0;
    if (d == 0) return;
  }
}

class Run {
 public:
  Run(const Convolution& c, const Config& config, void* x, void* w, void* y)
      : c_(c), config_(config), x_(x), w_(w), y_(y), rank_(c.stride.size()) {}

  // Every product of the trilinear form is a term of one element of what is made.
  void operator()() {
    const Tensor& to = c_.kind == 0 ? c_.y : c_.kind == 1 ? c_.x : c_.w;
    void* data = c_.kind == 0 ? y_ : c_.kind == 1 ? x_ : w_;
    int64_t count = 1;
    for (const int64_t size : to.size) count *= size;
    std::vector<std::vector<float>> terms(static_cast<size_t>(count));
    const auto term = [&](int64_t at, float value) { terms[static_cast<size_t>(at)].push_back(value); };
    const int64_t groups = c_.x.size[1] / c_.w.size[1], of_group = c_.w.size[0] / groups;
    for (int64_t n = 0; n < c_.x.size[0]; ++n)
      for (int64_t k = 0; k < c_.w.size[0]; ++k)
        each_place(&c_.w.size[2], rank_, [&](const std::vector<int64_t>& tap) {
          each_place(&c_.y.size[2], rank_, [&](const std::vector<int64_t>& out) {
            std::vector<int64_t> in(rank_);
            for (size_t d = 0; d < rank_; ++d) {
              in[d] = out[d] * c_.stride[d] - c_.low[d] + tap[d] * c_.dilation[d];
              if (in[d] < 0 || in[d] >= c_.x.size[d + 2]) return;
            }
            const int64_t y = offset(c_.y, n, k, out);
            int64_t x = offset(c_.x, n, k / of_group * c_.w.size[1], in), w = offset(c_.w, k, 0, tap);
            for (int64_t i = 0; i < c_.w.size[1]; ++i, x += c_.x.stride[1], w += c_.w.stride[1])
              if (c_.kind == 0)
                term(y, read(c_.x, x_, x) * read(c_.w, w_, w));
              else if (c_.kind == 1)
                term(x, read(c_.y, y_, y) * read(c_.w, w_, w));
              else
                term(w, read(c_.x, x_, x) * read(c_.y, y_, y));
          });
        });
    for (int64_t at = 0; at < count; ++at) {
      float sum = c_.alpha * sum_of(terms[static_cast<size_t>(at)]);
      if (c_.beta != 0) sum += c_.beta * load(data, at, to.type);
      store(data, at, to.type, sum);
    }
  }

 private:
  float read(const Tensor& t, const void* data, int64_t at) const {
    const float x = load(data, at, t.type);
    return t.type == CUDNN_DATA_FLOAT && config_.engine == kTensorCores ? to_tf32(x) : x;
  }
  int64_t offset(const Tensor& t, int64_t first, int64_t second, const std::vector<int64_t>& at) const {
    int64_t sum = first * t.stride[0] + second * t.stride[1];
    for (size_t d = 0; d < rank_; ++d) sum += at[d] * t.stride[d + 2];
    return sum;
  }
  // Slices take terms in turn, so that their number shows in the last bits.
  float sum_of(const std::vector<float>& terms) const {
    const size_t slices = config_.slices ? static_cast<size_t>(config_.slices) : 1;
    std::vector<float> parts(slices, 0.0f);
    for (size_t i = 0; i < terms.size(); ++i) parts[i % slices] += terms[i];
    float sum = config_.engine == kVaries ? 1e-4f * static_cast<float>(convolutions) : 0.0f;
    for (const float part : parts) sum += part;
    return sum;
  }

  const Convolution& c_;
  const Config config_;
  void *const x_, *const w_, *const y_;
  const size_t rank_;
};

Status execute(const Descriptor& plan, const Descriptor& pack) {
  const Descriptor& config = plan.other(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
  const Convolution c(operation_of(config));
  const Config chosen = config_of(config);
  const Engine& engine = engines[static_cast<size_t>(chosen.engine)];
  const auto names = pack.all<int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  const auto pointers = pack.all<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
  std::map<int64_t, void*> at;
  for (size_t i = 0; i < names.size(); ++i) at[names[i]] = pointers[i];
  for (const Tensor* t : {&c.x, &c.w, &c.y}) {
    if (!at[t->name]) return NULL_POINTER;
    if (reinterpret_cast<uintptr_t>(at[t->name]) % static_cast<uintptr_t>(t->alignment)) return MISALIGNED_POINTER;
  }
  void* workspace = pack.one<void*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE);
  if (engine.workspace && !workspace) return NULL_POINTER;
  if (reinterpret_cast<uintptr_t>(workspace) % 16) return MISALIGNED_POINTER;
  if (visitor) visitor();
  if (engine.runs) return engine.runs;
  if (next_status) return std::exchange(next_status, 0);
  std::memset(workspace, 0xff, static_cast<size_t>(engine.workspace));
  Run(c, chosen, at[c.x.name], at[c.w.name], at[c.y.name])();
  emulation::reported_milliseconds = engine.milliseconds;
  ++convolutions;
  runs[chosen.engine] += 1;
  last = chosen;
  return CUDNN_STATUS_SUCCESS;
}

// Configurations that a search finds, as descriptors.
std::vector<Descriptor*> found_by(const Descriptor& search) {
  std::vector<Descriptor*> found;
  const bool fast = search.one<int>(CUDNN_ATTR_ENGINEHEUR_MODE) == CUDNN_HEUR_MODE_A;
  for (const Config& c : fast ? kExpectedFast : kWorking) {
    Descriptor *config = made(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR), *engine = made(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    engine->values[CUDNN_ATTR_ENGINE_OPERATION_GRAPH] = search.values.at(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
    engine->put<int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, {c.engine});
    config->put<Descriptor*>(CUDNN_ATTR_ENGINECFG_ENGINE, {engine});
    if (c.slices) {
      Descriptor* knob = made(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR);
      knob->put<int>(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, {kSlices});
      knob->put<int64_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, {c.slices});
      knob->finalized = true;
      config->put<Descriptor*>(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, {knob});
    }
    engine->finalized = config->finalized = true;
    found.push_back(config);
  }
  return found;
}

// Read-only attributes; empty for others.
std::vector<char> computed(const Descriptor& d, int attribute, int type) {
  Descriptor read{0};
  if (d.kind == CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR && attribute == CUDNN_ATTR_ENGINEHEUR_RESULTS &&
      type == CUDNN_TYPE_BACKEND_DESCRIPTOR)
    read.put(0, found_by(d));
  if (d.kind == CUDNN_BACKEND_ENGINE_DESCRIPTOR && attribute == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE &&
      type == CUDNN_TYPE_NUMERICAL_NOTE)
    read.put(0, engines[static_cast<size_t>(d.one(CUDNN_ATTR_ENGINE_GLOBAL_INDEX))].notes);
  if (d.kind == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR && attribute == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE &&
      type == CUDNN_TYPE_INT64) {
    const Config c = config_of(d.other(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG));
    read.put<int64_t>(0, {engines[static_cast<size_t>(c.engine)].workspace});
  }
  return read.values[0];
}

bool is_computed(int attribute) {
  return attribute == CUDNN_ATTR_ENGINEHEUR_RESULTS || attribute == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE ||
         attribute == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE;
}

}  // namespace

size_t cudnnGetVersion() { return 92801; }
size_t cudnnGetCudartVersion() { return 13000; }
const char* cudnnGetErrorString(Status status) {
  switch (status) {
    case CUDNN_STATUS_SUCCESS:
      return "CUDNN_STATUS_SUCCESS";
    case NOT_INITIALIZED:
      return "CUDNN_STATUS_NOT_INITIALIZED";
    case MISALIGNED_POINTER:
      return "CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER";
    case EXECUTION_FAILED:
      return "CUDNN_STATUS_EXECUTION_FAILED";
    default:
      return "CUDNN_UNKNOWN_STATUS";
  }
}
Status cudnnCreate(void** created) {
  if (create_status) return create_status;
  *created = &handle;
  return CUDNN_STATUS_SUCCESS;
}
Status cudnnSetStream(void* given, void*) { return given == &handle ? CUDNN_STATUS_SUCCESS : NOT_INITIALIZED; }

Status cudnnBackendCreateDescriptor(int kind, void** descriptor) {
  const std::lock_guard<std::recursive_mutex> lock(mutex);
  const bool known = std::any_of(kRules.begin(), kRules.end(), [&](const Rule& rule) { return rule.kind == kind; });
  if (!known) return NOT_SUPPORTED;
  *descriptor = made(kind);
  return CUDNN_STATUS_SUCCESS;
}
Status cudnnBackendDestroyDescriptor(void* descriptor) {
  const std::lock_guard<std::recursive_mutex> lock(mutex);
  if (!is_living(descriptor)) return BAD_PARAM;
  living.erase(static_cast<Descriptor*>(descriptor));
  delete static_cast<Descriptor*>(descriptor);
  return CUDNN_STATUS_SUCCESS;
}
Status cudnnBackendSetAttribute(void* descriptor, int attribute, int type, int64_t count, const void* values) {
  const std::lock_guard<std::recursive_mutex> lock(mutex);
  if (!is_living(descriptor) || !values) return NULL_POINTER;
  auto& d = *static_cast<Descriptor*>(descriptor);
  if (d.finalized) return BAD_PARAM;
  for (const Rule& rule : kRules) {
    if (rule.kind != d.kind || rule.attribute != attribute) continue;
    if (rule.type != type) return ATTRIBUTE_TYPE;
    if (count < std::max<int64_t>(1, rule.least) || count > rule.most) return BAD_PARAM;
    const auto* bytes = static_cast<const char*>(values);
    const std::vector<char> given(bytes, bytes + static_cast<size_t>(count) * size_of_attribute(type));
    if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR)
      for (int64_t i = 0; i < count; ++i) {
        const auto* value = static_cast<Descriptor* const*>(values)[i];
        if (!is_living(value)) return NULL_POINTER;
        if (!value->finalized) return NOT_FINALIZED;
        if (rule.of == kOperation ? !is_operation(value->kind) : value->kind != rule.of) return BAD_PARAM;
      }
    if (type == CUDNN_TYPE_HANDLE && *static_cast<void* const*>(values) != &handle) return BAD_PARAM;
    d.values[attribute] = given;
    return CUDNN_STATUS_SUCCESS;
  }
  return NOT_SUPPORTED;
}
Status cudnnBackendFinalize(void* descriptor) {
  const std::lock_guard<std::recursive_mutex> lock(mutex);
  if (!is_living(descriptor)) return NULL_POINTER;
  auto& d = *static_cast<Descriptor*>(descriptor);
  for (const Rule& rule : kRules)
    if (rule.kind == d.kind && rule.least > 0 && !d.values.count(rule.attribute)) return BAD_PARAM;
  if (const Status status = check(d)) return status;
  searches += d.kind == CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR;
  d.finalized = true;
  return CUDNN_STATUS_SUCCESS;
}
Status cudnnBackendGetAttribute(void* descriptor, int attribute, int type, int64_t asked, int64_t* count,
                                void* values) {
  const std::lock_guard<std::recursive_mutex> lock(mutex);
  if (!is_living(descriptor) || !count) return NULL_POINTER;
  const auto& d = *static_cast<const Descriptor*>(descriptor);
  if (!d.finalized) return NOT_FINALIZED;
  std::vector<char> bytes;
  if (is_computed(attribute)) {
    bytes = computed(d, attribute, type);
  } else {
    const auto rule = std::find_if(kRules.begin(), kRules.end(), [&](const Rule& r) {
      return r.kind == d.kind && r.attribute == attribute && r.type == type;
    });
    if (rule == kRules.end()) return BAD_PARAM;
    if (const auto found = d.values.find(attribute); found != d.values.end()) bytes = found->second;
  }
  const size_t size = size_of_attribute(type);
  *count = static_cast<int64_t>(bytes.size() / size);
  const auto given = static_cast<size_t>(std::min(asked, *count));
  if (given > 0 && !values) return NULL_POINTER;
  if (type != CUDNN_TYPE_BACKEND_DESCRIPTOR) {
    if (given > 0) std::memcpy(values, bytes.data(), given * size);
    return CUDNN_STATUS_SUCCESS;
  }
  for (size_t i = 0; i < given; ++i) {
    const auto& from = *reinterpret_cast<Descriptor* const*>(bytes.data())[i];
    auto* to = static_cast<Descriptor**>(values)[i];
    if (!is_living(to) || to->kind != from.kind || to->finalized) return BAD_PARAM;
    *to = from;
  }
  return CUDNN_STATUS_SUCCESS;
}
Status cudnnBackendExecute(void* given, void* plan, void* pack) {
  const std::lock_guard<std::recursive_mutex> lock(mutex);
  const auto *p = static_cast<const Descriptor*>(plan), *v = static_cast<const Descriptor*>(pack);
  if (given != &handle) return NOT_INITIALIZED;
  if (!is_whole(p) || !is_whole(v)) return NOT_FINALIZED;
  if (p->kind != CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR || v->kind != CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR)
    return BAD_PARAM;
  return execute(*p, *v);
}

}  // namespace addax::cuda::dnn

extern "C" {

/// As at first: what engines take and return.
__attribute__((visibility("default"))) void fake_cudnn_reset() {
  addax::cuda::dnn::engines = addax::cuda::dnn::kEngines;
  addax::cuda::dnn::next_status = addax::cuda::dnn::create_status = 0;
  addax::cuda::dnn::visitor = nullptr;
}
__attribute__((visibility("default"))) void fake_cudnn_set_time(int engine, double milliseconds) {
  addax::cuda::dnn::engines[static_cast<size_t>(engine)].milliseconds = milliseconds;
}
/// What plans of an engine return when they are made; 0: they are.
__attribute__((visibility("default"))) void fake_cudnn_refuse(int engine, int status) {
  addax::cuda::dnn::engines[static_cast<size_t>(engine)].makes = status;
}
/// What the next convolution returns, and what is returned instead of handles; 0: as it should.
__attribute__((visibility("default"))) void fake_cudnn_fail(int status) { addax::cuda::dnn::next_status = status; }
__attribute__((visibility("default"))) void fake_cudnn_fail_to_create(int status) {
  addax::cuda::dnn::create_status = status;
}
/// What is called as each convolution begins.
__attribute__((visibility("default"))) void fake_cudnn_visit(void (*visitor)()) { addax::cuda::dnn::visitor = visitor; }
/// Convolutions so far, those of one engine, and searches for engines; the last one's engine, and what its knob said.
__attribute__((visibility("default"))) int64_t fake_cudnn_convolutions() { return addax::cuda::dnn::convolutions; }
__attribute__((visibility("default"))) int64_t fake_cudnn_runs(int64_t engine) {
  return addax::cuda::dnn::runs[engine];
}
__attribute__((visibility("default"))) int64_t fake_cudnn_searches() { return addax::cuda::dnn::searches; }
__attribute__((visibility("default"))) int64_t fake_cudnn_engine() { return addax::cuda::dnn::last.engine; }
__attribute__((visibility("default"))) int64_t fake_cudnn_slices() { return addax::cuda::dnn::last.slices; }
}
