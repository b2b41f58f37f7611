#include <cstddef>
#include <sstream>
#include <string>

#include "cuda/generate.h"
#include "cuda/generated.h"
#include "cuda/nvrtc.h"

namespace addax::cuda {
namespace {

// An array as the text of a kernel has it.
struct How {
  Access access;
  uint8_t axes;
};

How how_of(const ProgramArray& array, int values) {
  const Walk<1>& walk = array.walk;
  const auto axes = static_cast<uint8_t>(walk.rank);
  if (walk.is_single(0)) return {Access::Single, 0};
  const int64_t item = size_of(array.dtype), aligned = std::min<int64_t>(16, values * item);
  bool vector = walk.step[0][0] == 1 && reinterpret_cast<uintptr_t>(array.data) % static_cast<uintptr_t>(aligned) == 0;
  if (vector && walk.rank == 1) return {Access::Dense, axes};
  vector = vector && walk.size[0] % values == 0;
  for (int d = 1; d < walk.rank; ++d) vector = vector && walk.step[0][d] * item % aligned == 0;
  return {vector ? Access::Line : Access::Strided, axes};
}

struct Kernel {
  const Program& program;
  int sources, results, values;
  bool wide;  // places need 64 bits
  How source[kMaxSources], result[kMaxResults];

  // Vectors of so many values.
  Kernel(const Program& p, int source_count, int result_count, int64_t count, int vector)
      : program(p), sources(source_count), results(result_count), values(vector), wide(count >= int64_t{1} << 31) {
    for (int k = 0; k < sources; ++k) source[k] = how_of(p.source[k], values);
    for (int k = 0; k < results; ++k) {
      result[k] = how_of(p.result[k], values);
      if (result[k].access == Access::Single) result[k].access = Access::Strided;  // of one value
    }
  }

  int strided() const {
    int n = 0;
    for (int k = 0; k < sources; ++k) n += source[k].access == Access::Strided;
    for (int k = 0; k < results; ++k) n += result[k].access == Access::Strided;
    return n;
  }
  bool has_narrow() const {
    for (int k = 0; k < sources; ++k)
      if (source[k].access != Access::Single && size_of(program.source[k].dtype) < 4) return true;
    for (int k = 0; k < results; ++k)
      if (size_of(program.result[k].dtype) < 4) return true;
    return false;
  }

  std::string signature() const;
  std::string text() const;
};

// All that the text depends on.
std::string Kernel::signature() const {
  std::string s{static_cast<char>(values), static_cast<char>(wide), static_cast<char>(sources)};
  const auto add = [&](const How& how) {
    s += static_cast<char>(how.access);
    s += static_cast<char>(how.axes);
  };
  for (int k = 0; k < sources; ++k) add(source[k]);
  for (int k = 0; k < results; ++k) add(result[k]);
  static_assert(sizeof(ProgramLine) == 6 + kMaxIn, "a line is compared by its bytes, so it has no others");
  return s.append(reinterpret_cast<const char*>(program.line),
                  static_cast<size_t>(program.lines) * sizeof(ProgramLine));
}

const char* text_of(Dtype dtype) {
  switch (dtype) {
#define ADDAX_CASE(name, type) \
  case Dtype::name:            \
    return #type;
    ADDAX_DTYPES(ADDAX_CASE)
#undef ADDAX_CASE
    default:
      return nullptr;
  }
}
const char* text_of(Access access) {
  constexpr const char* kTexts[] = {"Access::Single", "Access::Dense", "Access::Line", "Access::Strided"};
  return kTexts[static_cast<size_t>(access)];
}

// Those behind the last that is not the first again, which a line has in place of what its row does not read.
int operands_of(const ProgramLine& line) {
  int n = kMaxIn;
  while (n > 1 && line.in[n - 1] == line.in[0]) --n;
  return n;
}

// A value has the number of the line that makes it, since cells change their types.
std::string Kernel::text() const {
  std::vector<int> value(static_cast<size_t>(program.cells), -1);  // of a cell
  std::ostringstream s;
  s << "namespace addax {\ninline constexpr int kMaxRank = " << kMaxRank << ";\n}\n"
    << "#include \"cuda/generated.h\"\nusing namespace addax;\nusing namespace addax::cuda;\n"
    << "ADDAX_GENERATED(GeneratedArgs<" << sources + results << ">) {\n  constexpr int kV = " << values
    << ";\n  for_vectors<kV, " << (wide ? "uint64_t" : "uint32_t") << ">(args.count, [&](auto i, int n) {\n";
  for (int l = 0; l < program.lines; ++l) {
    const ProgramLine& line = program.line[l];
    const auto operand = [&](int k) { return "v" + std::to_string(value[line.in[k]]); };
    if (line.what == ProgramLine::Store) {
      s << "    write<" << text_of(line.type) << ", " << text_of(result[line.out].access) << ", kV>(args.array["
        << sources + line.out << "], " << operand(0) << ", i, n);\n";
      continue;
    }
    s << "    const auto v" << l << " = ";
    switch (line.what) {
      case ProgramLine::Load: {
        const How& how = source[line.in[0]];
        s << "read<" << text_of(line.type) << ", " << text_of(how.access) << ", " << int{how.axes}
          << ", kV>(args.array[" << int{line.in[0]} << "], i, n)";
        break;
      }
      case ProgramLine::Cast:
        s << "cast<" << text_of(line.rounded) << ">(" << operand(0) << ")";
        break;
      case ProgramLine::Where:
        s << "choose(" << operand(0) << ", " << operand(1) << ", " << operand(2) << ")";
        break;
      default:
        s << "row<" << name_of(line.row) << "_value, " << text_of(line.rounded) << ">(args.zero";
        for (int k = 0; k < operands_of(line); ++k) s << ", " << operand(k);
        s << ")";
    }
    s << ";\n";
    value[line.out] = l;
  }
  s << "  });\n}\n";
  return s.str();
}

// Of 8 values if that makes whole vectors of narrow dtypes and costs no other array its own.
Kernel kernel_of(const Program& program, int sources, int results, int64_t count) {
  const Kernel four(program, sources, results, count, 4);
  if (!four.has_narrow()) return four;
  const Kernel eight(program, sources, results, count, 8);
  return eight.strided() > four.strided() ? four : eight;
}

}  // namespace

bool run_generated(const Program& program, int sources, int results, int64_t count) {
  if (!compiles(count)) return false;
  const Kernel kernel = kernel_of(program, sources, results, count);
  const void* loaded = compiled(kernel.signature(), [&] { return kernel.text(); });
  if (!loaded) return false;
  using Args = GeneratedArgs<kMaxSources + kMaxResults>;
  Args args;
  args.count = count;
  args.zero = 0;
  for (int k = 0; k < sources; ++k) args.array[k] = {program.source[k].data, program.source[k].walk};
  for (int k = 0; k < results; ++k) args.array[sources + k] = {program.result[k].data, program.result[k].walk};
  launch_loaded(loaded, grid_for(ceil_div(count, kernel.values)), kThreads, &args,
                offsetof(Args, array) + static_cast<size_t>(sources + results) * sizeof(GeneratedArray));
  return true;
}

}  // namespace addax::cuda
