// Libraries of CUDA's that are opened at run time, where they are installed.
#pragma once

#include <initializer_list>

namespace addax::cuda {

/// Opens the first of these that there is: in the system's search path, else in a folder of packages, where pip's
/// wheels of CUDA 13 put theirs. Null: there is none.
void* open_library(std::initializer_list<const char*> names);

}  // namespace addax::cuda
