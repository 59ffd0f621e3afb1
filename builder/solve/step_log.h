#pragma once

#include <filesystem>
#include <string_view>

#include "base/sys/fd.h"

namespace solve {

/// The whole output of one step, kept in DIRECTORY/step-NUMBER.log. Without a directory nothing is
/// kept. One thread.
class StepLog {
 public:
  StepLog(const std::filesystem::path& directory, int step);
  void write(std::string_view bytes);

 private:
  std::filesystem::path path_;
  sys::UniqueFd fd_;  // opened with the first byte: silent steps leave no file
};

}  // namespace solve
