# Sets XXHASH_INCLUDE_DIR to the folder of xxhash.h: the system's (Debian: libxxhash-dev), or else the
# header out of the source distribution of the Python package `xxhash`, fetched by name with pip.
find_path(XXHASH_INCLUDE_DIR xxhash.h HINTS "${CMAKE_BINARY_DIR}/xxhash")
if(NOT XXHASH_INCLUDE_DIR)
  message(STATUS "xxhash.h not found on the system; asking pip for the package xxhash")
  find_package(Python 3.10 REQUIRED COMPONENTS Interpreter)
  execute_process(
    COMMAND "${Python_EXECUTABLE}" "${CMAKE_CURRENT_LIST_DIR}/fetch_xxhash.py" "${CMAKE_BINARY_DIR}/xxhash"
    RESULT_VARIABLE fetched)
  unset(XXHASH_INCLUDE_DIR CACHE)
  find_path(XXHASH_INCLUDE_DIR xxhash.h PATHS "${CMAKE_BINARY_DIR}/xxhash" NO_DEFAULT_PATH)
  if(NOT XXHASH_INCLUDE_DIR)
    message(FATAL_ERROR "xxhash.h was not found. Install it (Debian: apt-get install libxxhash-dev) and build again.")
  endif()
endif()
