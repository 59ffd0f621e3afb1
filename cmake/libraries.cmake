# Libraries from Debian, linked statically where Debian ships an archive: a short list of shared
# objects keeps the start of the program near that of a static one.
find_package(Threads REQUIRED)
find_package(nlohmann_json REQUIRED)

# torte_static(NAME LIB...): interface target for the first archive, else the shared object.
function(torte_static target)
  add_library(${target} INTERFACE)
  foreach(lib IN LISTS ARGN)
    find_library(${target}_${lib} NAMES lib${lib}.a ${lib} REQUIRED)
    target_link_libraries(${target} INTERFACE ${${target}_${lib}})
  endforeach()
endfunction()
torte_static(torte_crypto crypto)
target_link_libraries(torte_crypto INTERFACE ${CMAKE_DL_LIBS} Threads::Threads)
torte_static(torte_sqlite sqlite3)
target_link_libraries(torte_sqlite INTERFACE m ${CMAKE_DL_LIBS} Threads::Threads)
torte_static(torte_compress z zstd lzma bz2 isal)
torte_static(torte_seccomp seccomp)
# Only its low-level half is linked in: requests from and answers to a descriptor.
torte_static(torte_fuse fuse3)
target_link_libraries(torte_fuse INTERFACE ${CMAKE_DL_LIBS} Threads::Threads)
