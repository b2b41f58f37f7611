// CPU kernels of the random family.
#include "cpu/kernels.h"

namespace addax::cpu::ADDAX_ISA {

void register_random(KernelSink&) {}

}  // namespace addax::cpu::ADDAX_ISA
