# Language, warnings, sanitizers, and the optional speed-ups (ccache, mold) for our own code.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")

option(LATHE_SANITIZE "Build with AddressSanitizer and UndefinedBehaviorSanitizer" OFF)

# No fused multiply-add behind our back: kernels must give the same bits on every machine.
add_compile_options(-Wall -Wextra -Werror -ffp-contract=off)
add_link_options(-Wl,--as-needed)

if(LATHE_SANITIZE)
  # Optimizing checked code takes g++ three times as long as the tests take longer without. It takes the sanitizers'
  # own code for uses of what is not set.
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -O0 -g1
                      -Wno-maybe-uninitialized)
  add_link_options(-fsanitize=address,undefined)
endif()

find_program(LATHE_CCACHE ccache)
if(LATHE_CCACHE)
  # Paths are hashed relative to the source folder, so clones and worktrees share compiled objects.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros ${LATHE_CCACHE})
endif()

find_program(LATHE_MOLD mold)
if(LATHE_MOLD)
  add_link_options(-fuse-ld=mold)
endif()
