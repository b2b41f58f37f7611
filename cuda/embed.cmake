# Writes the files that embedded.txt names, each under the name that it is included by, as string literals of C++.
# Usage: cmake -DTO=embedded.inc -P embed.cmake
cmake_minimum_required(VERSION 3.24)
file(STRINGS ${CMAKE_CURRENT_LIST_DIR}/embedded.txt paths)
set(text "")
foreach(path ${paths})
  file(READ ${CMAKE_CURRENT_LIST_DIR}/../${path} content)
  string(REGEX REPLACE "^cpp/(include/)?" "" name ${path})
  string(APPEND text "{\"${name}\", R\"addax(${content})addax\"},\n")
endforeach()
file(WRITE ${TO} "${text}")
