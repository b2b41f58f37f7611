# doctest (MIT): the C++ tests' framework, one header, from the system (Debian: doctest-dev) or -DDOCTEST_INCLUDE=<dir>.
find_path(DOCTEST_INCLUDE doctest/doctest.h)
if(NOT DOCTEST_INCLUDE)
  message(FATAL_ERROR "doctest/doctest.h not found: install doctest-dev, or give -DDOCTEST_INCLUDE=<dir>")
endif()
add_library(doctest INTERFACE)
target_include_directories(doctest SYSTEM INTERFACE ${DOCTEST_INCLUDE})
