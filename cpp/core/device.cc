// Devices and the choice of the CPU's instruction set.
#include "addax/device.h"

#include <cstdlib>
#include <string>

#include "addax/error.h"

namespace addax {

std::ostream& operator<<(std::ostream& out, Device device) {
  return out << (device.type == DeviceType::Cpu ? "cpu:" : "cuda:") << device.index;
}

}  // namespace addax
