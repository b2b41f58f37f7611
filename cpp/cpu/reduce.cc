// CPU kernels of the reduce family.
#include "cpu/kernels.h"

namespace addax::cpu::ADDAX_ISA {

void register_reduce(KernelSink&) {}

}  // namespace addax::cpu::ADDAX_ISA
