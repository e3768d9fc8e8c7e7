# emd: the library as other programs get it: public headers and what they declare, static, or shared with
# -DBUILD_SHARED_LIBS=ON. Where it is installed: also what find_package(emd) and pkg-config read.
include(GNUInstallDirs)
add_library(emd $<TARGET_OBJECTS:emd_core>)
add_library(emd::emd ALIAS emd)
set_target_properties(emd PROPERTIES LINKER_LANGUAGE CXX VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
target_compile_features(emd PUBLIC cxx_std_20)
target_include_directories(emd INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
  $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(emd PRIVATE Threads::Threads)
set_target_properties(emd PROPERTIES EXCLUDE_FROM_ALL ON)
if(NOT EMD_INSTALL)
  return()
endif()
set_target_properties(emd PROPERTIES EXCLUDE_FROM_ALL OFF)

include(CMakePackageConfigHelpers)
set(EMD_CMAKE_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/emd")
configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/emdConfig.cmake.in" "${PROJECT_BINARY_DIR}/emdConfig.cmake"
  INSTALL_DESTINATION "${EMD_CMAKE_DIR}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/emdConfigVersion.cmake" COMPATIBILITY SameMajorVersion)
# The prefix is where emd.pc lies: `cmake --install --prefix` may choose another one than was configured.
file(RELATIVE_PATH EMD_PC_TO_PREFIX "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" EMD_PC_TO_PREFIX "${EMD_PC_TO_PREFIX}")
configure_file("${CMAKE_CURRENT_LIST_DIR}/emd.pc.in" "${PROJECT_BINARY_DIR}/emd.pc" @ONLY)

install(TARGETS emd EXPORT emdTargets
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(EXPORT emdTargets NAMESPACE emd:: DESTINATION "${EMD_CMAKE_DIR}")
install(FILES "${PROJECT_BINARY_DIR}/emdConfig.cmake" "${PROJECT_BINARY_DIR}/emdConfigVersion.cmake"
  DESTINATION "${EMD_CMAKE_DIR}")
install(FILES "${PROJECT_BINARY_DIR}/emd.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
install(DIRECTORY include/emd "${PROJECT_BINARY_DIR}/include/emd" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILES_MATCHING PATTERN "*.h")
