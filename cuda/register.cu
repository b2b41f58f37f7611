// The CUDA column's kernels, family by family. See docs/architecture.md for the rows that are still to come.
#include "cuda/kernels.h"

namespace addax::cuda {

void register_kernels() {
  OpTable& table = op_table();
  register_elementwise(table);
  register_reduce(table);
  register_movement(table);
  register_index(table);
  register_sort(table);
  register_matmul(table);
  register_conv(table);
  register_pool(table);
  register_norm(table);
  register_attention(table);
  register_loss(table);
  register_rnn(table);
  register_random(table);
  register_optimizer(table);
  register_fused(table);
}

}  // namespace addax::cuda
