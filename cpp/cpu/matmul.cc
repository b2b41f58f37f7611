// CPU kernels of the matmul family.
#include "cpu/kernels.h"

namespace addax::cpu::ADDAX_ISA {

void register_matmul(KernelSink&) {}

}  // namespace addax::cpu::ADDAX_ISA
