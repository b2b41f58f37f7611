// CPU kernel of reduce_fused: a reduction that reads a program's tiles. It keeps its own pieces and order, so the bits
// are those of the rows run one after the other.
#include <vector>

#include "cpu/computed.h"
#include "cpu/kernels.h"
#include "ops/op.h"
#include "ops/reduce.h"

namespace addax::cpu::ADDAX_ISA {

void register_reduce_fused(KernelSink& sink) {
  sink.set("reduce_fused", [](const KernelArgs& k) {
    const auto& a = k.attrs.as<ReduceFusedAttrs>();
    const Dims& results = a.program.results;
    const FusedProgram& program = a.program.parsed();
    Shape shape;
    for (const View& v : k.in) shape = broadcast(shape, v.shape, k.op.name);
    std::vector<View> out(k.out.begin(), k.out.end());
    out[0] = {nullptr, program.steps[static_cast<size_t>(results[0]) - program.inputs.size()].out, shape,
              contiguous_strides(shape)};
    View x = out[0];
    for (int r = 1; r < results.rank(); ++r)
      if (results[r] == results[0]) x.data = out[static_cast<size_t>(r)].data;
    const FusedRun run(a.program, nullptr, k.in, out);
    reducer_of(a.reduction)({x, normalize_axes(a.attrs.axes, x.rank(), k.op.name), k.out[0].data, k.op.name, &run});
  });
}

}  // namespace addax::cpu::ADDAX_ISA
