// Chooses the CPU kernel column at start.
#pragma once

namespace addax {
class OpTable;
}

namespace addax::cpu {

/// Sets the CPU kernels of the best instruction set that was built and that the processor has; ADDAX_ISA names a lower
/// one. Throws ValueError for a set this build or this processor lacks.
void register_kernels(OpTable& table);

}  // namespace addax::cpu
