#include "ops/scalar_math.h"

namespace addax::scalar {

#define ADDAX_BOUND(name, value) const float name = value;
ADDAX_BOUNDS(ADDAX_BOUND)
#undef ADDAX_BOUND

}  // namespace addax::scalar
