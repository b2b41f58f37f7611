// What the rows of control flow do, on any device: the host walks through the steps and gives bodies their addresses.
// Of values on a device it reads only the index of a cond and whether a while_loop goes on.
#include <algorithm>

#include "core/copy.h"
#include "core/runtime.h"
#include "core/scratch.h"
#include "ops/control.h"
#include "ops/kernel.h"

namespace addax {
namespace {

char* at(const View& v, int64_t step, int64_t steps) {
  return v.as<char>() + (v.numel() / steps) * step * size_of(v.dtype);
}

int64_t bytes_of(const View& v) { return v.numel() * size_of(v.dtype); }

template <class T>
T fetch(const void* address, Device device) {
  T value;
  if (device.has_runtime())
    runtime_of(device).to_host(device.index, &value, address, sizeof(T));
  else
    value = *static_cast<const T*>(address);
  return value;
}

// Carries move between their output and a second place, so that a step never writes what it reads.
class SecondPlaces {
 public:
  SecondPlaces(const KernelArgs& k, size_t first, bool needed) : device_(k.device) {
    for (size_t i = first; i < k.out.size(); ++i) {
      place_.push_back(bytes_);
      if (needed) bytes_ += (bytes_of(k.out[i]) + 63) / 64 * 64;
    }
    memory_ = static_cast<char*>(device_.has_runtime() ? runtime_of(device_).allocate(device_.index, bytes_, k.op.name)
                                                       : cpu_allocate(bytes_, k.op.name));
  }
  SecondPlaces(const SecondPlaces&) = delete;
  SecondPlaces& operator=(const SecondPlaces&) = delete;
  ~SecondPlaces() {
    if (device_.has_runtime())
      runtime_of(device_).free(device_.index, memory_, bytes_);
    else
      cpu_free(memory_, bytes_);
  }
  void* operator[](size_t i) const { return memory_ + place_[i]; }

 private:
  Device device_;
  List<int64_t> place_;
  int64_t bytes_ = 0;
  char* memory_;
};

}  // namespace

// The last step writes the outputs.
void run_scan(const KernelArgs& k) {
  const LoopAttrs& a = k.attrs.as<LoopAttrs>();
  const size_t sequences = static_cast<size_t>(a.sequences), carries = static_cast<size_t>(a.carries);
  const size_t stacks = k.out.size() - carries;
  const SecondPlaces other(k, stacks, a.length > 1);
  List<void*> in(k.in.size()), out(k.out.size());
  for (size_t i = sequences; i < in.size(); ++i) in[i] = k.in[i].data;
  a.body->run(k.device, [&](Body::Run& body) {
    for (int64_t step = 0; step < a.length; ++step) {
      const int64_t slice = a.reverse ? a.length - 1 - step : step;
      for (size_t i = 0; i < sequences; ++i) in[i] = at(k.in[i], slice, a.length);
      for (size_t i = 0; i < stacks; ++i) out[i] = at(k.out[i], slice, a.length);
      const bool home = (a.length - step) % 2 == 1;
      for (size_t i = 0; i < carries; ++i) out[stacks + i] = home ? k.out[stacks + i].data : other[i];
      body.call(in, out);
      for (size_t i = 0; i < carries; ++i) in[sequences + i] = out[stacks + i];
    }
  });
}

void run_cond(const KernelArgs& k) {
  const Bodies& bodies = k.attrs.as<BranchAttrs>().bodies;
  const int64_t index = fetch<int32_t>(k.in[0].data, k.device), last = static_cast<int64_t>(bodies.size()) - 1;
  List<void*> in, out;
  for (size_t i = 1; i < k.in.size(); ++i) in.push_back(k.in[i].data);
  for (const View& v : k.out) out.push_back(v.data);
  bodies[static_cast<size_t>(std::clamp<int64_t>(index, 0, last))]->run(k.device,
                                                                        [&](Body::Run& body) { body.call(in, out); });
}

// How many steps there are is not known before: what lies in the second places at the end is copied.
void run_while(const KernelArgs& k) {
  const WhileAttrs& a = k.attrs.as<WhileAttrs>();
  const SecondPlaces other(k, 0, a.maximum != 1);
  List<void*> in, out(k.out.size());
  for (const View& v : k.in) in.push_back(v.data);
  a.body->run(k.device, [&](Body::Run& body) {
    for (int64_t step = 0; step != a.maximum && fetch<bool>(in[0], k.device); ++step) {
      for (size_t i = 0; i < out.size(); ++i) out[i] = step % 2 ? other[i] : k.out[i].data;
      body.call(in, out);
      std::copy(out.begin(), out.end(), in.begin());
    }
  });
  for (size_t i = 0; i < out.size(); ++i) {
    const View& v = k.out[i];
    if (in[i] != v.data)
      copy_strided(k.device, v.data, v.strides, in[i], contiguous_strides(v.shape), v.shape, size_of(v.dtype));
  }
}

}  // namespace addax
