// One column's kernels, family by family.
#include "cpu/kernels.h"

namespace addax::cpu::ADDAX_ISA {

void register_all(KernelSink& sink) {
  register_elementwise(sink);
  register_reduce(sink);
  register_movement(sink);
  register_index(sink);
  register_sort(sink);
  register_matmul(sink);
  register_conv(sink);
  register_pool(sink);
  register_norm(sink);
  register_attention(sink);
  register_loss(sink);
  register_rnn(sink);
  register_random(sink);
  register_optimizer(sink);
  register_fused(sink);
}

}  // namespace addax::cpu::ADDAX_ISA
