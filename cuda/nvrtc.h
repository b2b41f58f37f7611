// Kernels compiled at run time by NVRTC, where it is installed.
#pragma once

#include <functional>
#include <string>

namespace addax::cuda {

/// Whether a program over so many values gets a kernel: there is an NVRTC, and they are as many as ADDAX_NVRTC says, or
/// 16384. Of fewer the launch takes longer than the interpreter. 0 switches it off.
bool compiles(int64_t values);
/// The kernel `addax_generated` of a text that may include the files of embedded.txt, for the architecture of the
/// current device: out of memory, out of the cache on disk, or compiled. `text` gives the text of that signature if it
/// is not in memory. Null: NVRTC does not take the text, which is logged once. Any thread may call it.
const void* compiled(const std::string& signature, const std::function<std::string()>& text);

/// The library's version, or how to get it.
std::string nvrtc_state();
/// For tests: the library to use, null for none. Forgets what was compiled.
void use_nvrtc(void* library);

}  // namespace addax::cuda
