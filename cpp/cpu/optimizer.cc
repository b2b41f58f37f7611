// CPU kernels of the optimizer family.
#include "cpu/kernels.h"

namespace addax::cpu::ADDAX_ISA {

void register_optimizer(KernelSink&) {}

}  // namespace addax::cpu::ADDAX_ISA
