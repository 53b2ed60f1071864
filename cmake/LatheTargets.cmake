# The few kinds of target that lathe has. Sources are found by folder, so adding a file edits no list here.

# lathe_library(<target> <folder> [EXCLUDE <regex>]): a static library of every .cpp below the folder.
function(lathe_library target folder)
  cmake_parse_arguments(arg "" "EXCLUDE" "" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.cpp)
  if(arg_EXCLUDE)
    list(FILTER sources EXCLUDE REGEX "${arg_EXCLUDE}")
  endif()
  if(NOT sources)  # keeps an empty folder configurable
    set(sources ${CMAKE_BINARY_DIR}/${target}_empty.cpp)
    file(TOUCH ${sources})
  endif()
  add_library(${target} STATIC ${sources})
  target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR})
endfunction()

# lathe_programs(<folder>): each <folder>/onnx_<name>.cpp becomes bin/onnx-<name>.
function(lathe_programs folder)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/onnx_*.cpp)
  foreach(source IN LISTS sources)
    get_filename_component(stem ${source} NAME_WE)
    string(REPLACE "_" "-" program ${stem})
    add_executable(${program} ${source})
    target_link_libraries(${program} PRIVATE lathe_tools)
  endforeach()
endfunction()

# lathe_assets(<folder> <source>): every file of the folder as an element {name, text} of <folder's name>.inc, which the
# source includes.
function(lathe_assets folder source)
  file(GLOB assets CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*)
  set(lines)
  foreach(asset IN LISTS assets)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${asset})
    get_filename_component(name ${asset} NAME)
    file(READ ${asset} text)
    string(APPEND lines "{\"${name}\", R\"~~~(${text})~~~\"},\n")
  endforeach()
  get_filename_component(stem ${folder} NAME)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/${stem}.inc CONTENT "@lines@" @ONLY)
  set_property(SOURCE ${CMAKE_SOURCE_DIR}/${source} PROPERTY INCLUDE_DIRECTORIES ${CMAKE_BINARY_DIR}/generated)
endfunction()

# lathe_benchmarks(<folder>): all of <folder>/*.cpp in one Google Benchmark program.
function(lathe_benchmarks folder)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.cpp)
  if(sources)
    find_package(benchmark REQUIRED)
    add_executable(lathe_bench ${sources})
    target_link_libraries(lathe_bench PRIVATE lathe_tools benchmark::benchmark_main)
  endif()
endfunction()

# lathe_gtest(<target> <folder of tests/>): one GoogleTest program per folder and one ctest entry, run from the
# repository's root with the programs' folder in LATHE_BIN. A process a test would take minutes.
function(lathe_gtest target folder)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${folder}/*.cpp)
  if(NOT sources)
    return()
  endif()
  add_executable(${target} ${sources})
  target_link_libraries(${target} PRIVATE lathe_tools GTest::gmock GTest::gtest_main)
  add_test(NAME ${target} COMMAND ${target} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${target} PROPERTIES ENVIRONMENT "LATHE_BIN=${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
endfunction()
