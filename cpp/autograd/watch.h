// How a variable tells the tapes that it was read.
#pragma once

#include "addax/variable.h"

namespace addax {

/// Every active tape of this thread that watches variables by itself notes the value.
void watch_read(const Variable& variable, const Tensor& value);

}  // namespace addax
