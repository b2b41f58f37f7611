// Whether requests to a model may be joined.
#pragma once

#include <addax/model.h>

namespace serve {

/// Whether all inputs and outputs are rows of one open size, and each row of the outputs follows from its row of the
/// inputs alone. The latter is tried: three rows together, and apart.
bool has_independent_rows(const addax::Model& model);

}  // namespace serve
