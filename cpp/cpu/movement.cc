// CPU kernels of the movement family.
#include "cpu/kernels.h"

namespace addax::cpu::ADDAX_ISA {

void register_movement(KernelSink&) {}

}  // namespace addax::cpu::ADDAX_ISA
