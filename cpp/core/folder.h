// Where libaddax lies: what is opened at run time lies beside it.
#pragma once

#include <string>

namespace addax {

std::string folder_of_libaddax();

}  // namespace addax
