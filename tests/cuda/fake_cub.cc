// What the sorts of cub/device/device_radix_sort.cuh share.
#include <mutex>
#include <string>

#include "cub/device/device_radix_sort.cuh"

namespace cub::fake {
namespace {

std::mutex mutex;
cudaError_t next_status = cudaSuccess;
std::string sorts;

}  // namespace

cudaError_t note(int key_bits, int first_bit, int last_bit) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (!sorts.empty()) sorts += ", ";
  sorts += std::to_string(last_bit - first_bit) + " of " + std::to_string(key_bits);
  return std::exchange(next_status, cudaSuccess);
}

}  // namespace cub::fake

extern "C" {

/// What the next sort returns; 0: as it should.
__attribute__((visibility("default"))) void fake_cub_fail(int status) {
  const std::lock_guard<std::mutex> lock(cub::fake::mutex);
  cub::fake::next_status = static_cast<cudaError_t>(status);
}
/// The sorts since the last call: "32 of 64" are those by 32 bits of 64.
__attribute__((visibility("default"))) const char* fake_cub_sorts() {
  thread_local std::string taken;
  const std::lock_guard<std::mutex> lock(cub::fake::mutex);
  taken = std::exchange(cub::fake::sorts, "");
  return taken.c_str();
}
}
