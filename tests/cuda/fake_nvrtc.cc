// NVRTC's functions by the host's compiler: what is given as kernels for a device becomes a library against
// emulation.h.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

struct Program {
  std::string text, log, binary;
  std::vector<std::string> names, headers;
};
Program last;  // what was given last
int compilations = 0;
bool refuses = false;

void write(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}
std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

int compile(Program& p) {
  std::string folder = (fs::temp_directory_path() / "addax_nvrtc_XXXXXX").string();
  if (!mkdtemp(folder.data())) return 1;
  for (size_t h = 0; h < p.names.size(); ++h)
    if (p.names[h].find('/') != std::string::npos) write(fs::path(folder) / p.names[h], p.headers[h]);  // not libc's
  write(folder + "/kernel.cc", p.text + "\n#include \"" ADDAX_ROOT "/cpp/ops/scalar_math.cc\"\n");
  const char* compiler = std::getenv("CXX");
  const std::string command =
      std::string(compiler ? compiler : "c++") +
      " -std=c++17 -O1 -g0 -fPIC -shared -fwrapv -fvisibility=hidden -ffp-contract=off -w -DADDAX_EMULATED"
      " -D__CUDACC_RTC__ -I" +
      folder + " -I" ADDAX_ROOT "/tests/cuda " + folder + "/kernel.cc -o " + folder + "/kernel.so 2> " + folder +
      "/log";
  const int status = std::system(command.c_str());
  p.log = read(folder + "/log");
  if (status == 0) p.binary = read(folder + "/kernel.so");
  fs::remove_all(folder);
  return status == 0 ? 0 : 6;
}

void copy(const std::string& from, char* to) { std::copy(from.begin(), from.end(), to); }

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

int nvrtcVersion(int* major, int* minor) {
  *major = 13;
  *minor = 0;
  return 0;
}
const char* nvrtcGetErrorString(int status) { return status == 6 ? "NVRTC_ERROR_COMPILATION" : "NVRTC_ERROR"; }
int nvrtcCreateProgram(void** program, const char* text, const char*, int count, const char* const* headers,
                       const char* const* names) {
  auto* p = new Program{text, "", "", {names, names + count}, {headers, headers + count}};
  last = *p;
  *program = p;
  return 0;
}
int nvrtcDestroyProgram(void** program) {
  delete static_cast<Program*>(*program);
  return 0;
}
int nvrtcCompileProgram(void* program, int, const char* const*) {
  ++compilations;
  Program& p = *static_cast<Program*>(program);
  if (!refuses) return compile(p);
  p.log = "error: refused";
  return 6;
}
int nvrtcGetCUBINSize(void* program, size_t* size) {
  *size = static_cast<Program*>(program)->binary.size();
  return 0;
}
int nvrtcGetCUBIN(void* program, char* to) {
  copy(static_cast<Program*>(program)->binary, to);
  return 0;
}
int nvrtcGetProgramLogSize(void* program, size_t* size) {
  *size = static_cast<Program*>(program)->log.size() + 1;
  return 0;
}
int nvrtcGetProgramLog(void* program, char* to) {
  copy(static_cast<Program*>(program)->log + '\0', to);
  return 0;
}

/// Whether it takes no text.
void nvrtc_refuse(int refuse) { refuses = refuse != 0; }
int nvrtc_compilations() { return compilations; }
/// What it was given last: the text, header h's name and text; null behind the last.
const char* nvrtc_text() { return last.text.c_str(); }
const char* nvrtc_header_name(int h) {
  return h < static_cast<int>(last.names.size()) ? last.names[static_cast<size_t>(h)].c_str() : nullptr;
}
const char* nvrtc_header(int h) { return last.headers[static_cast<size_t>(h)].c_str(); }
}
#pragma GCC visibility pop
