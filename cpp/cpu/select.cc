// The instruction sets of this build and the choice among them.
#include "cpu/select.h"

#include <cstdlib>
#include <string>
#include <vector>

#include "addax/device.h"
#include "cpu/column.h"
#include "ops/op.h"

namespace addax {
namespace cpu {

#define ADDAX_DECLARE(isa)             \
  namespace isa {                      \
  void register_all(KernelSink& sink); \
  }
ADDAX_DECLARE(baseline)
#ifdef ADDAX_HAVE_AVX2
ADDAX_DECLARE(avx2)
#endif
#ifdef ADDAX_HAVE_AVX512
ADDAX_DECLARE(avx512)
#endif
#ifdef ADDAX_HAVE_NEON
ADDAX_DECLARE(neon)
#endif
#undef ADDAX_DECLARE

namespace {

struct Isa {
  const char* name;
  bool present;
  void (*register_all)(KernelSink&);
};

// Best first.
std::vector<Isa> built() {
  std::vector<Isa> sets;
#ifdef ADDAX_HAVE_AVX512
  sets.push_back({"avx512",
                  __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("fma"),
                  avx512::register_all});
#endif
#ifdef ADDAX_HAVE_AVX2
  sets.push_back({"avx2", __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"), avx2::register_all});
#endif
#ifdef ADDAX_HAVE_NEON
  sets.push_back({"neon", true, neon::register_all});
#endif
  sets.push_back({"baseline", true, baseline::register_all});
  return sets;
}

Isa choose() {
  const std::vector<Isa> sets = built();
  const char* wanted = std::getenv("ADDAX_ISA");
  if (!wanted || !*wanted) {
    for (const Isa& isa : sets)
      if (isa.present) return isa;
  }
  std::string known;
  for (const Isa& isa : sets) {
    if (isa.name == std::string(wanted ? wanted : "")) {
      if (!isa.present) fail<ValueError>("ADDAX_ISA: this processor does not have '", wanted, "'");
      return isa;
    }
    known += (known.empty() ? "" : ", ") + std::string(isa.name);
  }
  fail<ValueError>("ADDAX_ISA: this build has no '", wanted, "'; expected one of ", known);
}

const Isa& chosen() {
  static const Isa isa = choose();
  return isa;
}

}  // namespace

void register_kernels(OpTable& table) {
  struct Sink final : KernelSink {
    OpTable& table;
    explicit Sink(OpTable& t) : table(t) {}
    void set(const char* name, void (*kernel)(const KernelArgs&)) override {
      table.set_kernel(name, DeviceType::Cpu, kernel);
    }
  } sink(table);
  chosen().register_all(sink);
}

}  // namespace cpu

const char* cpu_isa() { return cpu::chosen().name; }

}  // namespace addax
