// The CUDA column, family by family.
#pragma once

#include "cuda/launch.h"

namespace addax::cuda {

/// All of the below, into the op table.
void register_kernels();

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

/// The strided copy of core/copy.h on the current device.
void copy_strided(void* dst, const Strides& dst_strides, const void* src, const Strides& src_strides,
                  const Shape& shape, int64_t item);
inline void copy_strided(const View& dst, const View& src) {
  cuda::copy_strided(dst.data, dst.strides, src.data, src.strides, dst.shape, size_of(dst.dtype));
}

/// Sets one kernel of the CUDA column.
inline void set(OpTable& table, const char* name, Kernel kernel) { table.set_kernel(name, DeviceType::Cuda, kernel); }

}  // namespace addax::cuda
