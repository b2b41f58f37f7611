#include <dlfcn.h>

#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "addax/device.h"
#include "cuda/cublaslt.h"
#include "cuda/cublaslt_abi.h"
#include "cuda/launch.h"
#include "cuda/library.h"

namespace addax::cuda {
namespace {

constexpr int64_t kLeastWork = 1 << 15;  // multiply-adds: a few tiles of our own take no longer than its calls
constexpr int64_t kAlignment = 16;       // what addresses are told apart by: the widest access to memory
constexpr size_t kMostPlans = 1024;

// How a matrix lies as cuBLASLt has it, whose lines are columns: pitch elements from line to line. Ours are rows, so
// its matrices are ours transposed.
struct Lines {
  bool transposed;
  int64_t pitch;
};

std::optional<Lines> lines_of(const LtMatrix& x, int64_t rows, int64_t columns) {
  const auto lie = [](int64_t lines, int64_t length, int64_t line_step, int64_t step) {
    return (length == 1 || step == 1) && (lines == 1 || line_step >= length);
  };
  if (lie(rows, columns, x.row_step, x.column_step)) return Lines{false, rows == 1 ? columns : x.row_step};
  if (lie(columns, rows, x.column_step, x.row_step)) return Lines{true, columns == 1 ? rows : x.column_step};
  return std::nullopt;
}

int64_t alignment_of(const void* data) {
  const auto address = reinterpret_cast<uintptr_t>(data);
  return std::min<int64_t>(kAlignment, static_cast<int64_t>(address & (~address + 1)));
}

// All that an algorithm is chosen by.
struct Problem {
  int64_t type, compute, scale, epilogue, batch, m, n, k;
  int64_t a_transposed, a_pitch, a_step, a_alignment, b_transposed, b_pitch, b_step, b_alignment, out_alignment;
};
using Key = std::array<int64_t, sizeof(Problem) / sizeof(int64_t)>;

Key key_of(const Problem& s) {
  Key key;
  std::memcpy(key.data(), &s, sizeof s);
  return key;
}

std::optional<Problem> problem_of(const LtProduct& p) {
  Problem s{};
  switch (p.dtype) {
    case Dtype::Float32:
      s.type = lt::CUDA_R_32F;
      break;
    case Dtype::Float64:
      s.type = lt::CUDA_R_64F;
      break;
    case Dtype::Float16:
      s.type = lt::CUDA_R_16F;
      break;
    case Dtype::BFloat16:
      s.type = lt::CUDA_R_16BF;
      break;
    default:
      return std::nullopt;
  }
  const bool wide = p.dtype == Dtype::Float64, rounded = p.dtype == Dtype::Float32 && tf32();
  s.compute = wide ? lt::CUBLAS_COMPUTE_64F : rounded ? lt::CUBLAS_COMPUTE_32F_FAST_TF32 : lt::CUBLAS_COMPUTE_32F;
  s.scale = wide ? lt::CUDA_R_64F : lt::CUDA_R_32F;
  s.epilogue = !p.bias.row   ? lt::CUBLASLT_EPILOGUE_DEFAULT
               : p.bias.relu ? lt::CUBLASLT_EPILOGUE_RELU_BIAS
                             : lt::CUBLASLT_EPILOGUE_BIAS;
  const auto a = lines_of(p.a, p.m, p.k), b = lines_of(p.b, p.k, p.n);
  constexpr int64_t kMost = INT32_MAX;
  if (!a || !b || std::max({p.batch, p.m * p.batch, p.n, p.k}) > kMost || p.a.item_step < 0 || p.b.item_step < 0)
    return std::nullopt;
  s.batch = p.batch, s.m = p.m, s.n = p.n, s.k = p.k;
  s.a_transposed = a->transposed, s.a_pitch = a->pitch, s.a_step = p.a.item_step;
  s.b_transposed = b->transposed, s.b_pitch = b->pitch, s.b_step = p.b.item_step;
  if (p.batch > 1 && p.b.item_step == 0 && !a->transposed) {  // the rows of all items are those of one matrix
    const int64_t pitch = p.m == 1 ? p.a.item_step : a->pitch;
    if (pitch >= p.k && p.a.item_step == p.m * pitch) s.m *= p.batch, s.batch = 1, s.a_pitch = pitch;
  }
  if (s.batch == 1) s.a_step = s.b_step = 0;
  s.a_alignment = alignment_of(p.a.data), s.b_alignment = alignment_of(p.b.data), s.out_alignment = alignment_of(p.out);
  return s;
}

// ---- the library

struct Library {
  lt::Functions call;
  std::string missing;  // empty: nothing

  explicit Library(void* library) {
    if (!library) {
      missing = "missing, products run on addax's own tiles: pip install \"addax[cuda]\"";
      return;
    }
#define ADDAX_OPEN(result, name, arguments)                                 \
  call.name = reinterpret_cast<decltype(call.name)>(dlsym(library, #name)); \
  if (!call.name) missing = "unusable: it has no " #name;
    ADDAX_CUBLASLT(ADDAX_OPEN)
#undef ADDAX_OPEN
  }
};

[[noreturn]] void refuse(const lt::Functions& call, lt::Status status, const char* function, const char* what) {
  fail<Error>(what, ": ", function, " failed on cuda:", device_index(), ": ", call.cublasLtGetStatusName(status), " (",
              status, ")");
}

// A descriptor of the library's.
class Descriptor {
 public:
  using Set = lt::Status (*)(void*, int, const void*, size_t);
  using Destroy = lt::Status (*)(void*);
  template <class Create>
  Descriptor(const lt::Functions& call, const char* what, Set set, Destroy destroy, Create create)
      : call_(call), what_(what), set_(set), destroy_(destroy) {
    if (const lt::Status status = create(&at_)) refuse(call, status, "making a descriptor of cuBLASLt's", what);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { destroy_(at_); }

  template <class T>
  void set(int attribute, T value) const {
    if (const lt::Status status = set_(at_, attribute, &value, sizeof value))
      refuse(call_, status, "setting an attribute of cuBLASLt's", what_);
  }
  void* get() const { return at_; }

 private:
  const lt::Functions& call_;
  const char* what_;
  const Set set_;
  const Destroy destroy_;
  void* at_ = nullptr;
};

// A product with its algorithm. The library's a is our b.
class Plan {
 public:
  Plan(const lt::Functions& call, void* handle, const Problem& s, const void* bias, const char* what)
      : call_(call),
        handle_(handle),
        wide_(s.scale == lt::CUDA_R_64F),
        operation_(call, what, call.cublasLtMatmulDescSetAttribute, call.cublasLtMatmulDescDestroy,
                   [&](void** at) { return call.cublasLtMatmulDescCreate(at, int(s.compute), int(s.scale)); }),
        a_(layout(s, what, s.b_transposed ? s.k : s.n, s.b_transposed ? s.n : s.k, s.b_pitch, s.b_step)),
        b_(layout(s, what, s.a_transposed ? s.m : s.k, s.a_transposed ? s.k : s.m, s.a_pitch, s.a_step)),
        d_(layout(s, what, s.n, s.m, s.n, s.m * s.n)) {
    operation_.set(lt::CUBLASLT_MATMUL_DESC_TRANSA, s.b_transposed ? lt::CUBLAS_OP_T : lt::CUBLAS_OP_N);
    operation_.set(lt::CUBLASLT_MATMUL_DESC_TRANSB, s.a_transposed ? lt::CUBLAS_OP_T : lt::CUBLAS_OP_N);
    operation_.set(lt::CUBLASLT_MATMUL_DESC_EPILOGUE, static_cast<uint32_t>(s.epilogue));
    if (bias) operation_.set(lt::CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);

    const Descriptor search(call, what, call.cublasLtMatmulPreferenceSetAttribute, call.cublasLtMatmulPreferenceDestroy,
                            [&](void** at) { return call.cublasLtMatmulPreferenceCreate(at); });
    search.set(lt::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, uint64_t{compute_capability() >= 90 ? 32u : 4u} << 20);
    // Parts of long sums are combined in a step of their own, in the type of sums. The other schemes add them to the
    // result as they come, or round them to its type before.
    search.set(lt::CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
               lt::CUBLASLT_REDUCTION_SCHEME_NONE | lt::CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE);
    search.set(lt::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, static_cast<uint32_t>(s.b_alignment));
    search.set(lt::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<uint32_t>(s.a_alignment));
    search.set(lt::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, static_cast<uint32_t>(s.out_alignment));
    search.set(lt::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, static_cast<uint32_t>(s.out_alignment));
    int found = 0;
    const lt::Status status = call.cublasLtMatmulAlgoGetHeuristic(
        handle, operation_.get(), a_->get(), b_->get(), d_->get(), d_->get(), search.get(), 1, &choice_, &found);
    const bool none = status == lt::CUBLAS_STATUS_NOT_SUPPORTED || status == lt::CUBLAS_STATUS_INVALID_VALUE;
    if (status && !none) refuse(call, status, "cublasLtMatmulAlgoGetHeuristic", what);
    found_ = !status && found > 0 && choice_.state == lt::CUBLAS_STATUS_SUCCESS;
  }

  bool found() const { return found_; }
  int64_t workspace() const { return static_cast<int64_t>(choice_.workspaceSize); }

  /// Of one thread at a time.
  void run(const LtProduct& p, void* workspace, void* stream, const char* what) const {
    if (p.bias.row) operation_.set(lt::CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias.row);
    const double one = 1, zero = 0;
    const float one_f = 1, zero_f = 0;
    const void *alpha = wide_ ? static_cast<const void*>(&one) : &one_f,
               *beta = wide_ ? static_cast<const void*>(&zero) : &zero_f;
    if (const lt::Status status = call_.cublasLtMatmul(handle_, operation_.get(), alpha, p.b.data, a_->get(), p.a.data,
                                                       b_->get(), beta, p.out, d_->get(), p.out, d_->get(),
                                                       &choice_.algo, workspace, choice_.workspaceSize, stream))
      refuse(call_, status, "cublasLtMatmul", what);
  }

 private:
  std::unique_ptr<Descriptor> layout(const Problem& s, const char* what, int64_t rows, int64_t columns, int64_t pitch,
                                     int64_t step) const {
    auto made = std::make_unique<Descriptor>(
        call_, what, call_.cublasLtMatrixLayoutSetAttribute, call_.cublasLtMatrixLayoutDestroy, [&](void** at) {
          return call_.cublasLtMatrixLayoutCreate(at, int(s.type), static_cast<uint64_t>(rows),
                                                  static_cast<uint64_t>(columns), pitch);
        });
    if (s.batch > 1) {
      made->set(lt::CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, static_cast<int32_t>(s.batch));
      made->set(lt::CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, step);
    }
    return made;
  }

  const lt::Functions& call_;
  void* const handle_;
  const bool wide_;
  const Descriptor operation_;
  const std::unique_ptr<Descriptor> a_, b_, d_;
  lt::HeuristicResult choice_{};
  bool found_ = false;
};

// One device's.
struct Handle {
  void* at = nullptr;
  std::map<Key, std::shared_ptr<const Plan>> plans;
};

struct State {
  std::mutex mutex;
  const Library* library = nullptr;  // never freed: plans call it
  std::map<int, Handle> handles;
  int64_t least_work = kLeastWork;

  const Library& opened() {
    if (!library) library = new Library(open_library({"libcublasLt.so.13", "libcublasLt.so.12"}));
    return *library;
  }
  std::shared_ptr<const Plan> plan(const Problem& s, const void* bias, const char* what) {
    const lt::Functions& call = opened().call;
    Handle& handle = handles[device_index()];
    if (!handle.at)
      if (const lt::Status status = call.cublasLtCreate(&handle.at)) refuse(call, status, "cublasLtCreate", what);
    if (handle.plans.size() >= kMostPlans) handle.plans.clear();
    std::shared_ptr<const Plan>& p = handle.plans[key_of(s)];
    if (!p) p = std::make_shared<const Plan>(call, handle.at, s, bias, what);
    return p;
  }
};

// Never freed: work that is captured may end after all else.
State& state() {
  static auto* s = new State;
  return *s;
}

}  // namespace

bool lt_product(const LtProduct& product, const char* what) {
  const std::optional<Problem> problem = problem_of(product);
  State& s = state();
  std::unique_lock<std::mutex> lock(s.mutex);
  if (!problem || product.batch * product.m * product.n * product.k < s.least_work || !s.opened().missing.empty())
    return false;
  const std::shared_ptr<const Plan> plan = s.plan(*problem, product.bias.row, what);
  lock.unlock();
  if (!plan->found()) return false;
  const Temporary<char> workspace(std::max<int64_t>(1, plan->workspace()), what);
  enqueue([&s, plan, product, data = workspace.get(), what](void* stream) {
    const std::lock_guard<std::mutex> one_at_a_time(s.mutex);
    plan->run(product, data, stream, what);
  });
  return true;
}

std::string lt_state() {
  State& s = state();
  const std::lock_guard<std::mutex> lock(s.mutex);
  const Library& library = s.opened();
  if (!library.missing.empty()) return library.missing;
  const size_t version = library.call.cublasLtGetVersion();
  return "version " + std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100);
}

void use_lt(void* library, int64_t least_work) {
  State& s = state();
  const std::lock_guard<std::mutex> lock(s.mutex);
  s.handles.clear();
  s.library = new Library(library);
  s.least_work = least_work;
}

}  // namespace addax::cuda
