// CPU kernels of the norm family.
#include "cpu/kernels.h"

namespace addax::cpu::ADDAX_ISA {

void register_norm(KernelSink&) {}

}  // namespace addax::cpu::ADDAX_ISA
