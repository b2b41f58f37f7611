// The explicit list of families; no static registrars, which vanish in static libraries.
#pragma once

namespace addax {

class OpTable;

void register_elementwise(OpTable& table);
void register_reduce(OpTable& table);
void register_movement(OpTable& table);
void register_index(OpTable& table);
void register_sort(OpTable& table);
void register_matmul(OpTable& table);
void register_conv(OpTable& table);
void register_pool(OpTable& table);
void register_norm(OpTable& table);
void register_attention(OpTable& table);
void register_loss(OpTable& table);
void register_rnn(OpTable& table);
void register_random(OpTable& table);
void register_optimizer(OpTable& table);
void register_fused(OpTable& table);
void register_control(OpTable& table);

}  // namespace addax
