# Everything that comes from others. The onnx library is built by `./dev setup`; the rest are system packages.

find_package(Boost 1.74 CONFIG REQUIRED COMPONENTS program_options)
find_package(fmt REQUIRED)
find_package(LibArchive REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(Protobuf REQUIRED)
find_package(spdlog REQUIRED)
find_package(TBB REQUIRED)
find_package(tinyxml2 REQUIRED)
find_package(Threads REQUIRED)

add_library(lathe_eigen INTERFACE)
add_library(lathe::eigen ALIAS lathe_eigen)
find_path(LATHE_EIGEN_INCLUDE Eigen/Core PATH_SUFFIXES eigen3 REQUIRED)
target_include_directories(lathe_eigen SYSTEM INTERFACE ${LATHE_EIGEN_INCLUDE})

# The serial flavour: threads are ours (oneTBB), and its results do not depend on their number.
find_path(LATHE_CBLAS_INCLUDE cblas.h
  PATH_SUFFIXES ${CMAKE_LIBRARY_ARCHITECTURE}/openblas-serial openblas-serial openblas REQUIRED)
find_library(LATHE_OPENBLAS openblas
  PATH_SUFFIXES ${CMAKE_LIBRARY_ARCHITECTURE}/openblas-serial openblas-serial REQUIRED)
add_library(lathe_openblas INTERFACE)
add_library(lathe::openblas ALIAS lathe_openblas)
target_include_directories(lathe_openblas SYSTEM INTERFACE ${LATHE_CBLAS_INCLUDE})
target_link_libraries(lathe_openblas INTERFACE ${LATHE_OPENBLAS})

# onnx lies in a cache outside the build folder, shared by clones and worktrees; `dev` names it by the same rule.
if(NOT "$ENV{LATHE_CACHE}" STREQUAL "")
  set(lathe_cache $ENV{LATHE_CACHE})
elseif(NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
  set(lathe_cache $ENV{XDG_CACHE_HOME}/lathe)
else()
  set(lathe_cache $ENV{HOME}/.cache/lathe)
endif()
file(STRINGS ${CMAKE_SOURCE_DIR}/third_party/onnx.txt onnx_pin REGEX "^onnx==")
string(REGEX REPLACE "^onnx==([0-9.]+).*" "\\1" onnx_version "${onnx_pin}")
set(onnx_root ${lathe_cache}/onnx-${onnx_version})
if(NOT EXISTS ${onnx_root}/.done)
  message(FATAL_ERROR "onnx ${onnx_version} is not built yet (looked in ${onnx_root}): run ./dev setup")
endif()
find_library(LATHE_ONNX onnx PATHS ${onnx_root}/lib NO_DEFAULT_PATH NO_CACHE REQUIRED)
find_library(LATHE_ONNX_PROTO onnx_proto PATHS ${onnx_root}/lib NO_DEFAULT_PATH NO_CACHE REQUIRED)
add_library(lathe_onnx INTERFACE)
add_library(lathe::onnx ALIAS lathe_onnx)
target_include_directories(lathe_onnx SYSTEM INTERFACE ${onnx_root}/include)
target_compile_definitions(lathe_onnx INTERFACE ONNX_NAMESPACE=onnx ONNX_ML=1)
target_link_libraries(lathe_onnx INTERFACE ${LATHE_ONNX} ${LATHE_ONNX_PROTO} protobuf::libprotobuf Threads::Threads)
