// Devices and the choice of the CPU's instruction set.
#include "addax/device.h"

#include <cstdlib>
#include <string>

#include "addax/error.h"

namespace addax {

std::ostream& operator<<(std::ostream& out, Device device) {
  static const char* const names[] = {"cpu:", "cuda:", "jax:"};
  return out << names[static_cast<size_t>(device.type)] << device.index;
}

}  // namespace addax
