// What the rows of control flow do, on any device: the host walks through the steps and gives bodies their addresses.
// The index of a cond, and whether a while_loop goes on, are values on the device, whose runtime decides by them.
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

void copy(const KernelArgs& k, void* to, const void* from, const View& like) {
  const Strides strides = contiguous_strides(like.shape);
  copy_strided(k.device, to, strides, from, strides, like.shape, size_of(like.dtype));
}

// Places of carries beside their outputs, since a step never writes what it reads.
class CarryPlaces {
 public:
  CarryPlaces(const KernelArgs& k, size_t first, bool needed) : device_(k.device) {
    for (size_t i = first; i < k.out.size(); ++i) {
      place_.push_back(bytes_);
      if (needed) bytes_ += (bytes_of(k.out[i]) + 63) / 64 * 64;
    }
    memory_ = static_cast<char*>(device_.has_runtime() ? runtime_of(device_).allocate(device_.index, bytes_, k.op.name)
                                                       : cpu_allocate(bytes_, k.op.name));
  }
  CarryPlaces(const CarryPlaces&) = delete;
  CarryPlaces& operator=(const CarryPlaces&) = delete;
  ~CarryPlaces() {
    if (device_.has_runtime())
      runtime_of(device_).free(device_.index, memory_, bytes_);
    else
      cpu_free(memory_, bytes_);
  }
  void* operator[](size_t i) const { return memory_ + place_[i]; }
  int64_t bytes() const { return bytes_; }

 private:
  Device device_;
  List<int64_t> place_;
  int64_t bytes_ = 0;
  char* memory_;
};

// Captured steps have the same addresses in each pass: the carries go from one set of places to the other and back, all
// in one copy.
void run_while_on_device(const KernelArgs& k) {
  const WhileAttrs& a = k.attrs.as<WhileAttrs>();
  DeviceRuntime& runtime = runtime_of(k.device);
  const CarryPlaces before(k, 0, true), after(k, 0, true);
  List<void*> in, out;
  for (const View& v : k.in) in.push_back(v.data);
  for (size_t i = 0; i < k.out.size(); ++i) {
    copy(k, before[i], in[i], k.out[i]);
    in[i] = before[i];
    out.push_back(after[i]);
  }
  a.body->run(k.device, [&](Body::Run& body) {
    runtime.loop(k.device.index, static_cast<const bool*>(in[0]), a.maximum, [&] {
      body.call(in, out);
      copy_strided(k.device, before[0], {1}, after[0], {1}, {before.bytes()}, 1);
    });
  });
  for (size_t i = 0; i < k.out.size(); ++i) copy(k, k.out[i].data, before[i], k.out[i]);
}

}  // namespace

// The last step writes the outputs.
void run_scan(const KernelArgs& k) {
  const LoopAttrs& a = k.attrs.as<LoopAttrs>();
  const size_t sequences = static_cast<size_t>(a.sequences), carries = static_cast<size_t>(a.carries);
  const size_t stacks = k.out.size() - carries;
  const CarryPlaces other(k, stacks, a.length > 1);
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
  const int32_t* which = k.in[0].as<int32_t>();
  const int count = static_cast<int>(bodies.size());
  List<void*> in, out;
  for (size_t i = 1; i < k.in.size(); ++i) in.push_back(k.in[i].data);
  for (const View& v : k.out) out.push_back(v.data);
  const auto run = [&](int i) {
    bodies[static_cast<size_t>(i)]->run(k.device, [&](Body::Run& body) { body.call(in, out); });
  };
  if (k.device.has_runtime())
    runtime_of(k.device).branch(k.device.index, which, count, run);
  else
    run(std::clamp(*which, 0, count - 1));
}

// How many steps there are is not known before: what lies in the second places at the end is copied.
void run_while(const KernelArgs& k) {
  if (k.device.has_runtime()) return run_while_on_device(k);
  const WhileAttrs& a = k.attrs.as<WhileAttrs>();
  const CarryPlaces other(k, 0, a.maximum != 1);
  List<void*> in, out(k.out.size());
  for (const View& v : k.in) in.push_back(v.data);
  a.body->run(k.device, [&](Body::Run& body) {
    for (int64_t step = 0; step != a.maximum && *static_cast<const bool*>(in[0]); ++step) {
      for (size_t i = 0; i < out.size(); ++i) out[i] = step % 2 ? other[i] : k.out[i].data;
      body.call(in, out);
      std::copy(out.begin(), out.end(), in.begin());
    }
  });
  for (size_t i = 0; i < out.size(); ++i)
    if (in[i] != k.out[i].data) copy(k, k.out[i].data, in[i], k.out[i]);
}

}  // namespace addax
