// Libraries of CUDA's that are opened at run time, where they are installed.
#pragma once

#include <cstdint>
#include <initializer_list>

namespace addax::cuda {

/// Opens the first of these that there is. Each is looked for in the system's search path, then in the folders of
/// packages, where pip's wheels put theirs: those of CUDA 13, and cuDNN's. Null: there is none.
void* open_library(std::initializer_list<const char*> names);

/// From how much work on a library is used: what an environment variable says, else `otherwise`. 0 stands for never.
int64_t least_work(const char* variable, int64_t otherwise);
inline constexpr int64_t kNever = INT64_MAX;

}  // namespace addax::cuda
