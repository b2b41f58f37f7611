#include <dlfcn.h>

#include <cstdlib>
#include <string>

#include "core/runtime.h"
#include "cuda/library.h"

namespace addax::cuda {

void* open_library(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL)) return library;
    for (const std::string& folder : package_folders())
      for (const char* wheel : {"/nvidia/cu13/lib/", "/nvidia/cudnn/lib/"})
        if (void* library = dlopen((folder + wheel + name).c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
  }
  return nullptr;
}

int64_t least_work(const char* variable, int64_t otherwise) {
  const char* given = std::getenv(variable);
  const int64_t least = given ? std::strtoll(given, nullptr, 10) : otherwise;
  return least > 0 ? least : kNever;
}

}  // namespace addax::cuda
