// CPU kernels of the loss family.
#include "cpu/kernels.h"

namespace addax::cpu::ADDAX_ISA {

void register_loss(KernelSink&) {}

}  // namespace addax::cpu::ADDAX_ISA
