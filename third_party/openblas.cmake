# OpenBLAS (BSD-3-Clause) from the scipy-openblas32 wheel: shipped beside libaddax and opened at run time, never linked.
# -DADDAX_OPENBLAS=<file> names another build of it.
if(NOT ADDAX_OPENBLAS)
  find_package(Python 3.11 REQUIRED COMPONENTS Interpreter)
  execute_process(
    COMMAND ${Python_EXECUTABLE} -c "import os, scipy_openblas32 as b; print(os.path.join(b.get_lib_dir(), b.get_library(fullname=True)))"
    OUTPUT_VARIABLE ADDAX_OPENBLAS RESULT_VARIABLE failed OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(failed)
    message(FATAL_ERROR "scipy-openblas32 is missing: pip install scipy-openblas32, or give -DADDAX_OPENBLAS=<file>")
  endif()
endif()
if(NOT EXISTS "${ADDAX_OPENBLAS}")
  message(FATAL_ERROR "OpenBLAS not found at ${ADDAX_OPENBLAS}")
endif()
get_filename_component(ADDAX_OPENBLAS_NAME "${ADDAX_OPENBLAS}" NAME)
