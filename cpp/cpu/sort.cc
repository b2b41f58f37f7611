// CPU kernels of the sort family.
#include "cpu/kernels.h"

namespace addax::cpu::ADDAX_ISA {

void register_sort(KernelSink&) {}

}  // namespace addax::cpu::ADDAX_ISA
