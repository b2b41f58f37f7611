// CPU kernels of the control family: addresses, step after step.
#include "ops/control.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "cpu/kernels.h"

namespace addax::cpu::ADDAX_ISA {
namespace {

char* at(const View& v, int64_t step, int64_t steps) {
  return v.as<char>() + (v.numel() / steps) * step * size_of(v.dtype);
}

int64_t bytes_of(const View& v) { return v.numel() * size_of(v.dtype); }

// Carries move between their output and a second place, so that a step never writes what it reads.
class SecondPlaces {
 public:
  SecondPlaces(const KernelArgs& k, size_t first, bool needed)
      : place_(layout(k, first)), memory_(needed ? place_.back() : 0, k.op.name) {}
  void* operator[](size_t i) const { return memory_.get() + place_[i]; }

 private:
  static std::vector<int64_t> layout(const KernelArgs& k, size_t first) {
    std::vector<int64_t> place = {0};
    for (size_t i = first; i < k.out.size(); ++i) place.push_back(place.back() + (bytes_of(k.out[i]) + 63) / 64 * 64);
    return place;
  }

  std::vector<int64_t> place_;
  Scratch<char> memory_;
};

// The last step writes the outputs.
void scan(const KernelArgs& k) {
  const LoopAttrs& a = k.attrs.as<LoopAttrs>();
  const size_t sequences = static_cast<size_t>(a.sequences), carries = static_cast<size_t>(a.carries);
  const size_t stacks = k.out.size() - carries;
  const SecondPlaces other(k, stacks, a.length > 1);
  const std::unique_ptr<Body::Run> body = a.body->run();
  std::vector<void*> in(k.in.size()), out(k.out.size());
  for (size_t i = sequences; i < in.size(); ++i) in[i] = k.in[i].data;
  for (int64_t step = 0; step < a.length; ++step) {
    const int64_t slice = a.reverse ? a.length - 1 - step : step;
    for (size_t i = 0; i < sequences; ++i) in[i] = at(k.in[i], slice, a.length);
    for (size_t i = 0; i < stacks; ++i) out[i] = at(k.out[i], slice, a.length);
    const bool home = (a.length - step) % 2 == 1;
    for (size_t i = 0; i < carries; ++i) out[stacks + i] = home ? k.out[stacks + i].data : other[i];
    body->call(in, out);
    for (size_t i = 0; i < carries; ++i) in[sequences + i] = out[stacks + i];
  }
}

void cond(const KernelArgs& k) {
  const Bodies& bodies = k.attrs.as<BranchAttrs>().bodies;
  const int64_t index = *k.in[0].as<int32_t>(), last = static_cast<int64_t>(bodies.size()) - 1;
  const std::unique_ptr<Body::Run> body = bodies[static_cast<size_t>(std::clamp<int64_t>(index, 0, last))]->run();
  std::vector<void*> in, out;
  for (size_t i = 1; i < k.in.size(); ++i) in.push_back(k.in[i].data);
  for (const View& v : k.out) out.push_back(v.data);
  body->call(in, out);
}

// How many steps there are is not known before: what lies in the second places at the end is copied.
void while_loop(const KernelArgs& k) {
  const WhileAttrs& a = k.attrs.as<WhileAttrs>();
  const SecondPlaces other(k, 0, a.maximum != 1);
  const std::unique_ptr<Body::Run> body = a.body->run();
  std::vector<void*> in, out(k.out.size());
  for (const View& v : k.in) in.push_back(v.data);
  for (int64_t step = 0; step != a.maximum && *static_cast<const bool*>(in[0]); ++step) {
    for (size_t i = 0; i < out.size(); ++i) out[i] = step % 2 ? other[i] : k.out[i].data;
    body->call(in, out);
    std::copy(out.begin(), out.end(), in.begin());
  }
  for (size_t i = 0; i < out.size(); ++i)
    if (in[i] != k.out[i].data) std::memcpy(k.out[i].data, in[i], static_cast<size_t>(bytes_of(k.out[i])));
}

}  // namespace

void register_control(KernelSink& sink) {
  sink.set("scan", scan);
  sink.set("cond", cond);
  sink.set("while_loop", while_loop);
}

}  // namespace addax::cpu::ADDAX_ISA
