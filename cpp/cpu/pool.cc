// CPU kernels of the pool family.
#include "cpu/kernels.h"

namespace addax::cpu::ADDAX_ISA {

void register_pool(KernelSink&) {}

}  // namespace addax::cpu::ADDAX_ISA
