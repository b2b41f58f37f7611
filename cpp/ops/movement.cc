// movement: attributes, shape rules and gradients.
#include "ops/families.h"
#include "ops/op.h"

namespace addax {

void register_movement(OpTable&) {}

}  // namespace addax
