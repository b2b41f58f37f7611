// The setting that lets devices round float32 products to TF32.
#include <atomic>
#include <cstdlib>
#include <string_view>

#include "addax/device.h"
#include "addax/error.h"

namespace addax {
namespace {

std::atomic<bool>& setting() {
  static std::atomic<bool> value = [] {
    const char* text = std::getenv("ADDAX_TF32");
    const std::string_view given = text ? text : "0";
    if (given != "0" && given != "1") fail<ValueError>("ADDAX_TF32: expected 0 or 1, got '", given, "'");
    return given == "1";
  }();
  return value;
}

}  // namespace

bool tf32() { return setting().load(std::memory_order_relaxed); }
void set_tf32(bool value) { setting().store(value, std::memory_order_relaxed); }

}  // namespace addax
