// The device runtime over CUDA's: memory, copies, one stream per device, and the errors of kernels. The plugin's entry.
// Linked with the static runtime library, which opens the driver itself; nothing is needed at link time of addax.
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "addax/error.h"
#include "core/block_cache.h"
#include "core/runtime.h"
#include "cuda/captured.h"
#include "cuda/cublaslt.h"
#include "cuda/cudnn.h"
#include "cuda/kernels.h"
#include "cuda/nvrtc.h"

namespace addax {
namespace {

thread_local int current = 0;
thread_local const char* running = "copy";  // the op that errors name

using cuda::check;

class Segments final : public SegmentSource {
 public:
  explicit Segments(int index) : index_(index) {}
  void* take(int64_t bytes) override {
    void* data = nullptr;
    cudaSetDevice(index_);
    if (cudaMalloc(&data, static_cast<size_t>(bytes)) == cudaSuccess) return data;
    cudaGetLastError();
    return nullptr;
  }
  // cudaFree waits for the device, so nothing still reads what is given back.
  void give_back(void* data) override {
    cudaSetDevice(index_);
    cudaFree(data);
  }
  int64_t free_bytes() override {
    size_t free = 0, total = 0;
    cudaSetDevice(index_);
    return cudaMemGetInfo(&free, &total) == cudaSuccess ? static_cast<int64_t>(free) : -1;
  }

 private:
  int index_;
};

// One device: its stream, its memory, where its kernels report, and pinned memory through which host copies go, so that
// the source may be changed at once.
struct OneDevice {
  static constexpr int64_t kStaging = int64_t{4} << 20;
  static constexpr int kParts = 2;  // one is filled while the other is sent

  explicit OneDevice(int i)
      : index(i), segments(i), cache(segments, Device{DeviceType::Cuda, static_cast<int16_t>(i)}) {
    check(cudaSetDevice(index), "choosing the device");
    int major = 0, minor = 0;
    check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, index), "reading properties");
    check(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, index), "reading properties");
    capability = major * 10 + minor;
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream");
    check(cudaHostAlloc(reinterpret_cast<void**>(&fault), sizeof(cuda::Fault), cudaHostAllocMapped), "pinning memory");
    *fault = {};
    for (int p = 0; p < kParts; ++p) {
      check(cudaHostAlloc(reinterpret_cast<void**>(&staging[p]), kStaging, cudaHostAllocDefault), "pinning memory");
      check(cudaEventCreateWithFlags(&sent[p], cudaEventDisableTiming), "making an event");
    }
  }

  const int index;
  int capability = 0;
  Segments segments;
  BlockCache cache;
  cudaStream_t stream = nullptr;
  cuda::Fault* fault = nullptr;
  std::mutex copying;
  std::mutex one_captures;  // nor does anybody wait for the whole device meanwhile, which would end the capture
  char* staging[kParts] = {};
  cudaEvent_t sent[kParts] = {};
  int part = 0;
};

struct Captured {
  explicit Captured(BlockCache& cache) : memory(cache) {}
  Captured(const Captured&) = delete;
  Captured& operator=(const Captured&) = delete;
  ~Captured() {
    if (executable) cudaGraphExecDestroy(executable);
    if (graph) cudaGraphDestroy(graph);
  }

  cudaStream_t stream = nullptr;  // whose work is being written down
  cudaGraph_t graph = nullptr;    // conditional nodes are its own
  cudaGraphExec_t executable = nullptr;
  bool refused = false;  // by a driver that has no such nodes
  cuda::CapturedMemory memory;
};

thread_local Captured* capturing = nullptr;

// Writes down what this thread puts on a stream, which is one of its own, so that other threads' work does not get in.
class Recording {
 public:
  // Into the body of a conditional node, else into a new graph.
  explicit Recording(cudaGraph_t body = nullptr) : outer_(capturing->stream) {
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream");
    // Relaxed: meanwhile memory may come from the driver, and kernels be loaded that have not run before, as those of
    // a branch that is taken later.
    const cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
    const cudaError_t status = body ? cudaStreamBeginCaptureToGraph(stream_, body, nullptr, nullptr, 0, mode)
                                    : cudaStreamBeginCapture(stream_, mode);
    if (status != cudaSuccess) cudaStreamDestroy(stream_);
    check(status, "the capture");
    capturing->stream = stream_;
  }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
  ~Recording() {
    if (stream_ && end() != cudaSuccess) cudaGetLastError();  // what stopped the steps is told
  }

  cudaError_t end() {
    cudaGraph_t graph = nullptr;
    const cudaError_t status = cudaStreamEndCapture(stream_, &graph);
    cudaStreamDestroy(std::exchange(stream_, nullptr));
    capturing->stream = outer_;
    if (!outer_) capturing->graph = graph;
    return status;
  }

 private:
  const cudaStream_t outer_;
  cudaStream_t stream_ = nullptr;
};

// False where the driver has nothing of the kind: no more of it is asked then.
bool takes(cudaError_t status, const char* doing) {
  if (status == cudaErrorNotSupported) {
    cudaGetLastError();
    capturing->refused = true;
  } else {
    check(status, doing);
  }
  return !capturing->refused;
}

// A node of a graph whose bodies run, behind what was captured before, as kernels set its handle.
class Conditional {
 public:
  Conditional() {
    cudaStreamCaptureStatus state;
    check(cudaStreamGetCaptureInfo(capturing->stream, &state, nullptr, &graph_), "the capture");
    taken_ = takes(cudaGraphConditionalHandleCreate(&handle_, graph_), "making a conditional node");
  }

  bool taken() const { return taken_; }
  cudaGraphConditionalHandle handle() const { return handle_; }

  // Behind the kernel that first sets the handle.
  void add(cudaGraphConditionalNodeType type, int count, FunctionRef<void(int)> body) const {
    cudaStreamCaptureStatus state;
    const cudaGraphNode_t* before = nullptr;
    size_t befores = 0;
    check(cudaStreamGetCaptureInfo(capturing->stream, &state, nullptr, nullptr, &before, nullptr, &befores),
          "the capture");
    cudaGraphNodeParams node{};
    node.type = cudaGraphNodeTypeConditional;
    node.conditional.handle = handle_;
    node.conditional.type = type;
    node.conditional.size = static_cast<unsigned>(count);
    cudaGraphNode_t added = nullptr;
    if (!takes(cudaGraphAddNode(&added, graph_, before, nullptr, befores, &node), "making a conditional node")) return;
    check(cudaStreamUpdateCaptureDependencies(capturing->stream, &added, nullptr, 1, cudaStreamSetCaptureDependencies),
          "the capture");
    for (int i = 0; i < count; ++i) {
      Recording recording(node.conditional.phGraph_out[i]);
      body(i);
      check(recording.end(), "the capture");
    }
  }

 private:
  cudaGraph_t graph_ = nullptr;
  cudaGraphConditionalHandle handle_ = 0;
  bool taken_ = false;
};

__global__ void choose(cudaGraphConditionalHandle handle, const int32_t* which, int count) {
  const int32_t chosen = *which < 0 ? 0 : *which;
  cudaGraphSetConditional(handle, static_cast<unsigned>(chosen < count ? chosen : count - 1));
}

// Before the first pass of a loop, then at the end of each.
__global__ void go_on(cudaGraphConditionalHandle handle, const bool* condition, int64_t* passes, int64_t maximum,
                      bool first) {
  const int64_t done = first ? 0 : *passes + 1;
  *passes = done;
  cudaGraphSetConditional(handle, *condition && done != maximum);
}

class Event {
 public:
  Event() { check(cudaEventCreate(&at_), "making an event"); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { cudaEventDestroy(at_); }
  void record(cudaStream_t stream) const { check(cudaEventRecord(at_, stream), "recording an event"); }
  double milliseconds_since(const Event& before) const {
    float found = 0;
    check(cudaEventSynchronize(at_), "waiting for kernels");
    check(cudaEventElapsedTime(&found, before.at_, at_), "reading the time");
    return found;
  }

 private:
  cudaEvent_t at_ = nullptr;
};

class CudaRuntime final : public DeviceRuntime {
 public:
  CudaRuntime() {
    if (cudaGetDeviceCount(&count_) != cudaSuccess) {
      cudaGetLastError();
      count_ = 0;
    }
    devices_.resize(static_cast<size_t>(count_));
  }
  int count() const override { return count_; }
  static std::string name(int index) {
    cudaDeviceProp properties;
    check(cudaGetDeviceProperties(&properties, index), "reading properties");
    return std::string(properties.name) + ", compute capability " + std::to_string(properties.major) + "." +
           std::to_string(properties.minor);
  }
  DeviceInfo info(int index) override {
    size_t free = 0, total = 0;
    cudaSetDevice(index);
    check(cudaMemGetInfo(&free, &total), "reading memory");
    return {name(index),
            static_cast<int64_t>(total),
            static_cast<int64_t>(free),
            {{"cuBLASLt", cuda::lt_state()}, {"cuDNN", cuda::dnn_state()}, {"NVRTC", cuda::nvrtc_state()}}};
  }

  void* allocate(int index, int64_t bytes, const char* what) override {
    return capturing ? capturing->memory.take(bytes, what) : at(index).cache.allocate(bytes, what);
  }
  void free(int index, void* data, int64_t) noexcept override {
    if (!capturing || !capturing->memory.give_back(data)) at(index).cache.free(data);
  }
  MemoryStats memory_stats(int index) override { return at(index).cache.stats(); }
  void reset_peak_memory(int index) override { at(index).cache.reset_peak(); }
  void empty_cache(int index) override {
    synchronize(index);
    at(index).cache.empty();
  }
  void set_memory_limit(int index, int64_t bytes) override { at(index).cache.set_limit(bytes); }

  void from_host(int index, void* dst, const void* src, int64_t bytes) override {
    OneDevice& d = enter(index, "copy to the device");
    const std::lock_guard<std::mutex> lock(d.copying);
    for (int64_t done = 0; done < bytes;) {
      const int64_t n = std::min(bytes - done, OneDevice::kStaging);
      const int p = d.part;
      d.part = (p + 1) % OneDevice::kParts;
      check(cudaEventSynchronize(d.sent[p]), "waiting for a copy");
      std::memcpy(d.staging[p], static_cast<const char*>(src) + done, static_cast<size_t>(n));
      check(cudaMemcpyAsync(static_cast<char*>(dst) + done, d.staging[p], static_cast<size_t>(n),
                            cudaMemcpyHostToDevice, d.stream),
            "copying");
      check(cudaEventRecord(d.sent[p], d.stream), "recording an event");
      done += n;
    }
  }
  void to_host(int index, void* dst, const void* src, int64_t bytes) override {
    OneDevice& d = enter(index, "copy to the CPU");
    {
      const std::lock_guard<std::mutex> lock(d.copying);
      for (int64_t done = 0; done < bytes; done += OneDevice::kStaging) {
        const int64_t n = std::min(bytes - done, OneDevice::kStaging);
        check(cudaStreamSynchronize(d.stream), "waiting for kernels");  // the staging memory is free now
        check(cudaMemcpyAsync(d.staging[0], static_cast<const char*>(src) + done, static_cast<size_t>(n),
                              cudaMemcpyDeviceToHost, d.stream),
              "copying");
        check(cudaStreamSynchronize(d.stream), "waiting for kernels");
        std::memcpy(static_cast<char*>(dst) + done, d.staging[0], static_cast<size_t>(n));
      }
    }
    report(d);
  }
  void between(int to, void* dst, int from, const void* src, int64_t bytes) override {
    OneDevice &source = enter(from, "copy between devices"), &target = at(to);
    check(cudaStreamSynchronize(target.stream), "waiting for kernels");  // who used the memory before is done
    check(cudaMemcpyPeerAsync(dst, to, src, from, static_cast<size_t>(bytes), source.stream), "copying");
    check(cudaStreamSynchronize(source.stream), "copying");
  }
  void copy_strided(int index, void* dst, const Strides& dst_strides, const void* src, const Strides& src_strides,
                    const Shape& shape, int64_t item) override {
    enter(index, "copy");
    cuda::copy_strided(dst, dst_strides, src, src_strides, shape, item);
  }
  void synchronize(int index) override {
    OneDevice& d = enter(index, "synchronize");
    const std::lock_guard<std::mutex> lock(d.one_captures);
    check(cudaDeviceSynchronize(), "waiting for kernels");  // others' too, whose memory may have come in by DLPack
    report(d);
  }
  void run(int index, void (*kernel)(const KernelArgs&), const KernelArgs& args) override {
    enter(index, args.op.name);
    kernel(args);
  }

  void branch(int index, const int32_t* which, int count, FunctionRef<void(int)> body) override {
    if (!capturing) return DeviceRuntime::branch(index, which, count, body);
    const Conditional node;
    if (!node.taken()) return;
    cuda::launch(choose, {1}, 1, node.handle(), which, count);
    node.add(cudaGraphCondTypeSwitch, count, body);
  }
  void loop(int index, const bool* condition, int64_t maximum, FunctionRef<void()> body) override {
    if (!capturing) return DeviceRuntime::loop(index, condition, maximum, body);
    const Conditional node;
    if (!node.taken()) return;
    const char* const op = running;
    const cuda::Temporary<int64_t> passes(1, op);
    cuda::launch(go_on, {1}, 1, node.handle(), condition, passes.get(), maximum, true);
    node.add(cudaGraphCondTypeWhile, 1, [&](int) {
      body();
      running = op;
      cuda::launch(go_on, {1}, 1, node.handle(), condition, passes.get(), maximum, false);
    });
  }

  void* capture(int index, FunctionRef<void()> steps) override {
    OneDevice& d = enter(index, "capture");
    const std::lock_guard<std::mutex> lock(d.one_captures);
    auto captured = std::make_unique<Captured>(d.cache);
    struct Scope {
      explicit Scope(Captured* c) { capturing = c; }
      ~Scope() { capturing = nullptr; }
    } const scope(captured.get());
    Recording recording;
    steps();
    check(recording.end(), "the capture");
    running = "capture";
    if (captured->refused || !takes(cudaGraphInstantiate(&captured->executable, captured->graph, 0), "making a graph"))
      return nullptr;
    return captured.release();
  }
  bool is_capturing() const override { return capturing; }
  void launch(int index, void* captured) override {
    OneDevice& d = enter(index, "compiled function");
    check(cudaGraphLaunch(static_cast<Captured*>(captured)->executable, d.stream), "the launch");
  }
  void destroy(int index, void* captured) noexcept override {
    cudaSetDevice(index);
    cudaStreamSynchronize(at(index).stream);  // a launch may still run
    delete static_cast<Captured*>(captured);
  }

  OneDevice& at(int index) {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::unique_ptr<OneDevice>& d = devices_[static_cast<size_t>(index)];
    if (!d) d = std::make_unique<OneDevice>(index);
    return *d;
  }

 private:
  OneDevice& enter(int index, const char* what) {
    OneDevice& d = at(index);
    current = index;
    running = what;
    check(cudaSetDevice(index), "choosing the device");
    return d;
  }
  // What a kernel found wrong.
  void report(OneDevice& d) {
    if (!d.fault->found) return;
    const cuda::Fault f = *d.fault;
    *d.fault = {};
    cuda::fail_index(f);
  }

  int count_ = 0;
  std::mutex mutex_;
  std::vector<std::unique_ptr<OneDevice>> devices_;
};

CudaRuntime& runtime() {
  static auto* r = new CudaRuntime;
  return *r;
}

}  // namespace

namespace cuda {

void* scratch(int64_t bytes, const char* what) { return runtime().allocate(current, bytes, what); }
void free_scratch(void* data) noexcept { runtime().free(current, data, 0); }
Fault* fault() { return runtime().at(current).fault; }
cudaStream_t stream() { return capturing ? capturing->stream : runtime().at(current).stream; }
void copy_bytes(void* dst, const void* src, int64_t bytes) {
  check(cudaMemcpyAsync(dst, src, static_cast<size_t>(bytes), cudaMemcpyDeviceToDevice, stream()), "copying");
}
void check(cudaError_t status, const char* doing) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // the error has been told
  fail<Error>(running, ": ", doing, " failed on cuda:", current, ": ", cudaGetErrorString(status), " (",
              cudaGetErrorName(status), ")");
}
int device_index() { return current; }
int compute_capability() { return runtime().at(current).capability; }
std::string device_name() { return CudaRuntime::name(current); }
bool is_captured() { return capturing != nullptr; }
double milliseconds_of(const std::function<void()>& work) {
  const Event before, after;
  before.record(stream());
  work();
  after.record(stream());
  return after.milliseconds_since(before);
}

const void* load_kernel(const std::string& binary, const char* name, std::string& problem) {
  cudaLibrary_t library = nullptr;
  cudaKernel_t kernel = nullptr;
  cudaError_t status = cudaLibraryLoadData(&library, binary.data(), nullptr, nullptr, 0, nullptr, nullptr, 0);
  if (status == cudaSuccess) status = cudaLibraryGetKernel(&kernel, library, name);
  if (status == cudaSuccess) return reinterpret_cast<const void*>(kernel);
  cudaGetLastError();  // nobody else need hear of it
  problem = cudaGetErrorString(status);
  return nullptr;
}
void launch_loaded(const void* kernel, Grid grid, int threads, const void* parameter, size_t) {
  const dim3 blocks(static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y), static_cast<unsigned>(grid.z));
  void* parameters[] = {const_cast<void*>(parameter)};
  cudaLaunchKernel(kernel, blocks, dim3(static_cast<unsigned>(threads)), parameters, 0, stream());
  check(cudaGetLastError(), "the launch");
}

}  // namespace cuda
}  // namespace addax

extern "C" __attribute__((visibility("default"))) void addax_open() {
  addax::cuda::register_kernels();
  addax::register_runtime(addax::DeviceType::Cuda, &addax::runtime());
}
