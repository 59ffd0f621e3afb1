# torte_room(NAME SOURCES ... [SEES rooms...] [USES libraries...]): one room, one library.
# A room publishes only its own headers; what it sees is linked publicly so that its headers work.
function(torte_room name)
  cmake_parse_arguments(ARG "" "" "SOURCES;SEES;USES" ${ARGN})
  add_library(torte_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(torte_${name} PUBLIC torte_options)
  foreach(room IN LISTS ARG_SEES)
    target_link_libraries(torte_${name} PUBLIC torte_${room})
  endforeach()
  target_link_libraries(torte_${name} PRIVATE ${ARG_USES})
endfunction()
