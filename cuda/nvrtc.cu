#include <dlfcn.h>

#include <cstdio>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "cuda/disk_cache.h"
#include "cuda/launch.h"
#include "cuda/library.h"
#include "cuda/nvrtc.h"

namespace addax::cuda {
namespace {

// nvrtc.h's, as CUDA 12 and 13 have them. A result of 0 is success.
using Handle = void*;
#define ADDAX_NVRTC(X)                                                                                    \
  X(int, Version, (int*, int*))                                                                           \
  X(const char*, GetErrorString, (int))                                                                   \
  X(int, CreateProgram, (Handle*, const char*, const char*, int, const char* const*, const char* const*)) \
  X(int, DestroyProgram, (Handle*))                                                                       \
  X(int, CompileProgram, (Handle, int, const char* const*))                                               \
  X(int, GetCUBINSize, (Handle, size_t*))                                                                 \
  X(int, GetCUBIN, (Handle, char*))                                                                       \
  X(int, GetProgramLogSize, (Handle, size_t*))                                                            \
  X(int, GetProgramLog, (Handle, char*))

struct Library {
#define ADDAX_MEMBER(result, name, arguments) result(*name) arguments = nullptr;
  ADDAX_NVRTC(ADDAX_MEMBER)
#undef ADDAX_MEMBER
  std::string version;
};

std::unique_ptr<Library> library_of(void* opened) {
  if (!opened) return nullptr;
  auto lib = std::make_unique<Library>();
#define ADDAX_FIND(result, name, arguments)                                        \
  lib->name = reinterpret_cast<decltype(lib->name)>(dlsym(opened, "nvrtc" #name)); \
  if (!lib->name) return nullptr;
  ADDAX_NVRTC(ADDAX_FIND)
#undef ADDAX_FIND
  int major = 0, minor = 0;
  lib->Version(&major, &minor);
  lib->version = std::to_string(major) + "." + std::to_string(minor);
  return lib;
}

constexpr int64_t kLeastValues = 1 << 14;

int64_t least_values() { return least_work("ADDAX_NVRTC", kLeastValues); }
bool is_off() { return least_values() == kNever; }

struct Header {
  const char *name, *text;
};
constexpr Header kEmbedded[] = {
#include "embedded.inc"
};
constexpr const char* kStandard[] = {"cstdint", "math.h", "stdint.h", "type_traits"};  // all are cuda/freestanding.h

struct Headers {
  std::vector<const char*> names, texts;
  std::string all;  // for the cache's key

  Headers() {
    for (const Header& h : kEmbedded) add(h.name, h.text);
    for (const char* name : kStandard)
      for (const Header& h : kEmbedded)
        if (h.name == std::string("cuda/freestanding.h")) add(name, h.text);
  }

 private:
  void add(const char* name, const char* text) {
    names.push_back(name);
    texts.push_back(text);
    all.append(name).append(text);
  }
};

const char* const kKernel = "addax_generated";

// A kernel's binary. Empty where the text is refused: `log` says why.
std::string compile(const Library& lib, const Headers& headers, const std::string& text,
                    const std::vector<std::string>& options, std::string& log) {
  const auto failed = [&](int status) {
    if (status != 0) log += lib.GetErrorString(status);
    return status != 0;
  };
  Handle program = nullptr;
  if (failed(lib.CreateProgram(&program, text.c_str(), "addax_generated.cu", static_cast<int>(headers.names.size()),
                               headers.texts.data(), headers.names.data())))
    return "";
  const auto destroy = [&](Handle* p) { lib.DestroyProgram(p); };
  const std::unique_ptr<Handle, decltype(destroy)> owner(&program, destroy);
  std::vector<const char*> given;
  for (const std::string& option : options) given.push_back(option.c_str());
  std::string binary;
  size_t size = 0;
  if (failed(lib.CompileProgram(program, static_cast<int>(given.size()), given.data()))) {
    if (lib.GetProgramLogSize(program, &size) == 0 && size > 1) {
      std::string told(size, '\0');
      if (lib.GetProgramLog(program, told.data()) == 0) log += ":\n" + told;
    }
    return "";
  }
  if (failed(lib.GetCUBINSize(program, &size))) return "";
  binary.resize(size);
  return failed(lib.GetCUBIN(program, binary.data())) ? "" : binary;
}

// What was asked for, of one NVRTC.
class Compiler {
 public:
  template <class Open>
  explicit Compiler(const Open& open) : lib_(is_off() ? nullptr : library_of(open())) {}
  const Library* library() const { return lib_.get(); }
  bool compiles(int64_t values) const { return lib_ && values >= least_; }

  const void* get(const std::string& signature, const std::function<std::string()>& text) {
    const int capability = compute_capability();
    Entry* entry = nullptr;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      std::unique_ptr<Entry>& e = entries_[std::to_string(capability) + ' ' + signature];
      if (!e) e = std::make_unique<Entry>();
      entry = e.get();
    }
    std::call_once(entry->once, [&] { entry->kernel = make(capability, text()); });  // others need not wait
    return entry->kernel;
  }

 private:
  struct Entry {
    std::once_flag once;
    const void* kernel = nullptr;
  };

  const void* make(int capability, const std::string& text) const {
    const std::vector<std::string> options{"--std=c++17", "--gpu-architecture=sm_" + std::to_string(capability)};
    std::string key = lib_->version + '\n';
    for (const std::string& option : options) key += option + '\n';
    key += headers_.all + text;
    const DiskCache cache(cache_folder("kernels"));
    std::string problem;
    if (const std::string kept = cache.find(key); !kept.empty())
      if (const void* kernel = load_kernel(kept, kKernel, problem)) return kernel;
    std::string log;
    const std::string binary = compile(*lib_, headers_, text, options, log);
    const void* kernel = binary.empty() ? nullptr : load_kernel(binary, kKernel, log);
    if (kernel)
      cache.keep(key, binary);
    else
      std::fprintf(stderr, "addax: NVRTC %s does not compile a kernel for sm_%d, which is interpreted instead: %s\n%s",
                   lib_->version.c_str(), capability, log.c_str(), text.c_str());
    return kernel;
  }

  const int64_t least_ = least_values();
  const std::unique_ptr<Library> lib_;
  const Headers headers_;
  std::mutex mutex_;
  std::unordered_map<std::string, std::unique_ptr<Entry>> entries_;
};

std::unique_ptr<Compiler>& replacement() {
  static auto* r = new std::unique_ptr<Compiler>;
  return *r;
}
Compiler& compiler() {
  if (replacement()) return *replacement();
  static auto* c = new Compiler([] { return open_library({"libnvrtc.so.13", "libnvrtc.so.12"}); });
  return *c;
}

}  // namespace

bool compiles(int64_t values) { return compiler().compiles(values); }
const void* compiled(const std::string& signature, const std::function<std::string()>& text) {
  return compiler().get(signature, text);
}
std::string nvrtc_state() {
  if (const Library* lib = compiler().library())
    return lib->version + ", kernels of fused rows in " + cache_folder("kernels");
  return is_off() ? "off, by ADDAX_NVRTC" : "missing, for kernels of fused rows: pip install \"addax[cuda]\"";
}
void use_nvrtc(void* library) {
  replacement() = std::make_unique<Compiler>([=] { return library; });
}

}  // namespace addax::cuda
