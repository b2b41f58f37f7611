// CPU kernels of the elementwise family.
#include "cpu/kernels.h"

namespace addax::cpu::ADDAX_ISA {

void register_elementwise(KernelSink&) {}

}  // namespace addax::cpu::ADDAX_ISA
