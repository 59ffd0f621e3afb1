# What `cmake --install` puts where, and the Debian package that `cpack` makes of it.
include(GNUInstallDirs)

install(TARGETS torte RUNTIME)
install(FILES LICENSE README.md TYPE DOC)
install(DIRECTORY docs/ TYPE DOC)

# Made by the program itself, from the same table as --help.
set(generated ${CMAKE_BINARY_DIR}/generated)
install(CODE "
  file(REMOVE_RECURSE ${generated})
  file(MAKE_DIRECTORY ${generated})
  execute_process(COMMAND $<TARGET_FILE:torte> debug manual ${generated}/man1 COMMAND_ERROR_IS_FATAL ANY)
  foreach(shell bash zsh fish)
    execute_process(COMMAND $<TARGET_FILE:torte> completion \${shell} OUTPUT_FILE ${generated}/\${shell}
                    COMMAND_ERROR_IS_FATAL ANY)
  endforeach()")
install(DIRECTORY ${generated}/man1 TYPE MAN)
install(FILES ${generated}/bash RENAME torte DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${generated}/zsh RENAME _torte DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(FILES ${generated}/fish RENAME torte.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME torte)
set(CPACK_PACKAGE_CONTACT "The torte authors <torte@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "image build and layered rootfs engine")
set(CPACK_PACKAGE_DESCRIPTION "torte builds container images from Dockerfiles, moves them to and from registries,
 and runs them, without a daemon, as root and as an ordinary user.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libcurl4, libpsl5")  # loaded when they are needed
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "uidmap, passt | slirp4netns, libnftables1, ca-certificates")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
include(CPack)
