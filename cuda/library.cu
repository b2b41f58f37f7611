#include <dlfcn.h>

#include <string>

#include "core/runtime.h"
#include "cuda/library.h"

namespace addax::cuda {

void* open_library(std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL)) return library;
  for (const std::string& folder : package_folders())
    for (const char* name : names)
      if (void* library = dlopen((folder + "/nvidia/cu13/lib/" + name).c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
  return nullptr;
}

}  // namespace addax::cuda
