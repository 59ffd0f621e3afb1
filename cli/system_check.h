#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace cli {

/// One thing of the machine that torte uses.
struct Feature {
  std::string name;
  bool works = false;
  bool needed = false;  ///< without it nothing can be run
  std::string why;      ///< why not; or how well
  std::string fix;      ///< what to do about it, a command where there is one; empty when it works
};

/// Tries what torte needs of this machine, in a staging directory of the store below `root` where
/// it takes a file system. Makes the store when there is none. Failures are findings: it throws
/// only what is a fault of torte's. For a process with one thread: an ordinary user's moves into
/// the user namespace. [spec/ux.md 11]
std::vector<Feature> check_system(const std::filesystem::path& root);

/// 1 when something needed does not work, else 0.
int check_status(const std::vector<Feature>& features);

}  // namespace cli
