#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/sys/fd.h"

namespace solve {

/// The whole output of one step, kept in DIRECTORY/step-NUMBER.log. Without a directory nothing is
/// kept. A log that cannot be written is no reason to fail the step: it ends there, and problem()
/// says why. One thread.
class StepLog {
 public:
  StepLog(const std::filesystem::path& directory, int step);
  void write(std::string_view bytes);
  /// Why the log is not whole; empty when it is.
  const std::string& problem() const { return problem_; }

 private:
  void append(std::string_view bytes);
  std::filesystem::path path_;
  std::string problem_;
  sys::UniqueFd fd_;  // opened with the first byte: silent steps leave no file
};

}  // namespace solve
