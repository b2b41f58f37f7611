// The CPU kernel column. The files of this folder are compiled once per instruction set, each time inside a namespace
// of its own (ADDAX_ISA), and registered by explicit call; the best set that the processor has is chosen at start.
//
// Invariant: nothing outside namespace addax::cpu::ADDAX_ISA is defined here, so that no code built for a newer
// instruction set can be picked by the linker for an older one. Baseline objects are linked first for the same reason.
#pragma once

#include "core/dispatch.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "cpu/column.h"
#include "ops/kernel.h"

#ifndef ADDAX_ISA
#define ADDAX_ISA baseline
#endif

namespace addax::cpu::ADDAX_ISA {

/// All of the below.
void register_all(KernelSink& sink);

void register_elementwise(KernelSink& sink);
void register_reduce(KernelSink& sink);
void register_movement(KernelSink& sink);
void register_index(KernelSink& sink);
void register_sort(KernelSink& sink);
void register_matmul(KernelSink& sink);
void register_conv(KernelSink& sink);
void register_pool(KernelSink& sink);
void register_norm(KernelSink& sink);
void register_attention(KernelSink& sink);
void register_loss(KernelSink& sink);
void register_rnn(KernelSink& sink);
void register_random(KernelSink& sink);
void register_optimizer(KernelSink& sink);
void register_fused(KernelSink& sink);

}  // namespace addax::cpu::ADDAX_ISA
