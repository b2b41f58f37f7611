#include "fuzz/fuzzer.h"
extern "C" int LLVMFuzzerInitialize(int*, char***) { return 0; }
extern "C" int LLVMFuzzerTestOneInput(const uint8_t*, size_t) { return 0; }
