// Runs a fuzz target without libFuzzer: over the files of folders, and over `-random=N` inputs that are the same each
// time. `op_fuzzer -random=1000 corpus`.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string_view>
#include <vector>

#include "fuzz/fuzzer.h"

// For mutators, which nobody calls here.
extern "C" size_t LLVMFuzzerMutate(uint8_t*, size_t size, size_t) { return size; }

int main(int argc, char** argv) {
  LLVMFuzzerInitialize(&argc, &argv);
  std::vector<std::filesystem::path> files;
  long random = 0;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]).rfind("-random=", 0) == 0) {
      random = std::atol(argv[i] + 8);
      continue;
    }
    if (!std::filesystem::is_directory(argv[i])) {
      files.emplace_back(argv[i]);
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator(argv[i]))
      if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const auto& path : files) {
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    std::fprintf(stderr, "%s: %zu bytes\n", path.c_str(), bytes.size());
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  }
  std::mt19937 bits(0);
  std::vector<uint8_t> input(256);
  for (long i = 0; i < random; ++i) {
    for (uint8_t& byte : input) byte = static_cast<uint8_t>(bits() >> 24);
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::fprintf(stderr, "%zu files, %ld random inputs\n", files.size(), random);
  return files.empty() && random == 0 ? 1 : 0;
}
