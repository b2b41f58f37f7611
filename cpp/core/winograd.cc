// The setting that lets convolutions use Winograd's filtering; cpu/winograd.h says where it pays.
#include <atomic>
#include <cstdlib>
#include <string_view>

#include "addax/device.h"
#include "addax/error.h"

namespace addax {
namespace {

std::atomic<int>& setting() {
  static std::atomic<int> value = [] {
    const char* text = std::getenv("ADDAX_WINOGRAD");
    const std::string_view given = text ? text : "4";
    if (given != "0" && given != "2" && given != "4")
      fail<ValueError>("ADDAX_WINOGRAD: expected 0, 2 or 4, got '", given, "'");
    return given[0] - '0';
  }();
  return value;
}

}  // namespace

int winograd() { return setting().load(std::memory_order_relaxed); }

void set_winograd(int m) {
  if (m != 0 && m != 2 && m != 4) fail<ValueError>("set_winograd: expected 0, 2 or 4, got ", m);
  setting().store(m, std::memory_order_relaxed);
}

}  // namespace addax
