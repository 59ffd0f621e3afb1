# Language level, warnings, sanitizers: one interface target that every room links.
option(TORTE_TESTS "Build the tests" ON)
option(TORTE_WERROR "Warnings are errors (presets turn this on)" OFF)
option(TORTE_FUZZ "Build the fuzz targets with libFuzzer (clang)" OFF)
set(TORTE_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize=")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

find_program(TORTE_CCACHE ccache)
if(TORTE_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${TORTE_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${TORTE_CCACHE})
endif()

add_library(torte_options INTERFACE)
target_include_directories(torte_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_definitions(torte_options INTERFACE _FILE_OFFSET_BITS=64
                           TORTE_VERSION="${PROJECT_VERSION}")
target_compile_options(torte_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
                       -Wold-style-cast -Woverloaded-virtual -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # Two false alarms of GCC 12's optimiser on std::string: overlap in every `string = "literal"` it
  # inlines (GCC bug 105651), and the members of nested aggregates in a braced list.
  target_compile_options(torte_options INTERFACE
                         $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict;-Wno-maybe-uninitialized>)
  if(TORTE_SANITIZE MATCHES thread)
    target_compile_options(torte_options INTERFACE -Wno-stringop-overflow)  # the same, instrumented
  endif()
endif()
if(TORTE_WERROR)
  target_compile_options(torte_options INTERFACE -Werror)
endif()
if(TORTE_SANITIZE)
  target_compile_options(torte_options INTERFACE -fsanitize=${TORTE_SANITIZE} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all)
  target_link_options(torte_options INTERFACE -fsanitize=${TORTE_SANITIZE})
endif()
if(TORTE_FUZZ)
  # Coverage of the rooms themselves guides the fuzzer, not only that of its target.
  target_compile_options(torte_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
