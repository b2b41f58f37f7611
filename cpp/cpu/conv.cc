// CPU kernels of the conv family.
#include "cpu/kernels.h"

namespace addax::cpu::ADDAX_ISA {

void register_conv(KernelSink&) {}

}  // namespace addax::cpu::ADDAX_ISA
