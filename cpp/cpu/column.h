// How a kernel column is handed over: a sink that takes (op name, kernel).
#pragma once

namespace addax {
struct KernelArgs;
}

namespace addax::cpu {

struct KernelSink {
  virtual ~KernelSink() = default;
  virtual void set(const char* name, void (*kernel)(const KernelArgs&)) = 0;
};

}  // namespace addax::cpu
