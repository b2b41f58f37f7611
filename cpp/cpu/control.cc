// CPU kernels of the control family: addresses, step after step.
#include "ops/control.h"

#include <vector>

#include "cpu/kernels.h"

namespace addax::cpu::ADDAX_ISA {
namespace {

char* at(const View& v, int64_t step, int64_t steps) {
  return v.as<char>() + (v.numel() / steps) * step * size_of(v.dtype);
}

// Carries move between their output and a second place, so that a step never writes what it reads; the last step
// writes the outputs.
void scan(const KernelArgs& k) {
  const LoopAttrs& a = k.attrs.as<LoopAttrs>();
  const size_t sequences = static_cast<size_t>(a.sequences), carries = static_cast<size_t>(a.carries);
  const size_t stacks = k.out.size() - carries;
  std::vector<int64_t> place(carries);
  int64_t bytes = 0;
  for (size_t i = 0; i < carries; ++i) {
    const View& v = k.out[stacks + i];
    place[i] = bytes;
    bytes += (v.numel() * size_of(v.dtype) + 63) / 64 * 64;
  }
  const Scratch<char> other(a.length > 1 ? bytes : 0, "scan");
  const std::unique_ptr<Body::Run> body = a.body->run();
  std::vector<void*> in(k.in.size()), out(k.out.size());
  for (size_t i = sequences; i < in.size(); ++i) in[i] = k.in[i].data;
  for (int64_t step = 0; step < a.length; ++step) {
    const int64_t slice = a.reverse ? a.length - 1 - step : step;
    for (size_t i = 0; i < sequences; ++i) in[i] = at(k.in[i], slice, a.length);
    for (size_t i = 0; i < stacks; ++i) out[i] = at(k.out[i], slice, a.length);
    const bool home = (a.length - step) % 2 == 1;
    for (size_t i = 0; i < carries; ++i) out[stacks + i] = home ? k.out[stacks + i].data : other.get() + place[i];
    body->call(in, out);
    for (size_t i = 0; i < carries; ++i) in[sequences + i] = out[stacks + i];
  }
}

}  // namespace

void register_control(KernelSink& sink) { sink.set("scan", scan); }

}  // namespace addax::cpu::ADDAX_ISA
