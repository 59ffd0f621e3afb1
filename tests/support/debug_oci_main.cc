// Runs `debug ref` and `debug validate` without the rest of the program, for the conformance
// tables.
#include <cstdio>
#include <iostream>
#include <string>

#include "cli/debug_oci.h"

int main(int argc, char** argv) {
  std::string verb = argc == 3 && std::string(argv[1]) == "debug" ? argv[2] : "";
  if (verb == "ref") return cli::debug_ref(std::cin, std::cout);
  if (verb == "validate") return cli::debug_validate(std::cin, std::cout);
  std::fprintf(stderr, "usage: torte_debug_oci debug ref | debug validate\n");
  return 2;
}
