// Runs `debug parse FILE`, `debug expand` and `debug ignore` without the rest of the program, for the
// language part of the conformance cases.
#include <cstdio>
#include <iostream>
#include <string>

#include "cli/debug_language.h"

int main(int argc, char** argv) {
  std::string verb = argc > 2 && std::string(argv[1]) == "debug" ? argv[2] : "";
  try {
    if (verb == "parse" && argc == 4) return cli::debug_parse(argv[3], std::cout);
    if (verb == "expand") return cli::debug_expand(std::cin, std::cout);
    if (verb == "ignore") return cli::debug_ignore(std::cin, std::cout);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 1;
  }
  std::fprintf(stderr, "usage: torte_debug debug parse FILE | debug expand | debug ignore\n");
  return 2;
}
