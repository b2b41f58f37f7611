// CPU kernels of the index family.
#include "cpu/kernels.h"

namespace addax::cpu::ADDAX_ISA {

void register_index(KernelSink&) {}

}  // namespace addax::cpu::ADDAX_ISA
