// The pool family as C++ functions.
#pragma once

#include "addax/tensor.h"

namespace addax {}  // namespace addax
