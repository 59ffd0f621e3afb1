#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/events.h"

namespace cli {

/// Builds of a store: for each a directory builds/ID with record.json and step-N.log. `ID` begins
/// with the time, so that names sort by age; people are shown its last eight digits. Records last
/// 30 days, and there are at most 200. [spec/ux.md 7]
///
/// Passes events on and keeps what is worth keeping. Thread-safe.
class BuildRecorder : public base::EventSink {
 public:
  /// `builds` is the directory of all of them.
  BuildRecorder(base::EventSink& next, const std::filesystem::path& builds);
  void emit(const base::Event& event) override;

  /// Where the logs of the steps go.
  const std::filesystem::path& directory() const { return directory_; }
  std::chrono::system_clock::time_point started() const { return started_; }
  /// The eight digits.
  std::string short_id() const;
  /// Number of the first step that failed and left a log.
  std::optional<int> failed_step_with_log() const;
  /// Writes the record and removes old ones; failing to is no failure of the build.
  void finish(const std::string& error);

 private:
  struct Step {
    base::event::StepPlanned planned;
    std::string result = "not run";
    int exit_status = 0;
    std::chrono::steady_clock::time_point start;
    double seconds = 0;
  };
  std::string text(const std::string& error) const;

  base::EventSink& next_;
  std::filesystem::path builds_;
  std::filesystem::path directory_;
  std::chrono::system_clock::time_point started_ = std::chrono::system_clock::now();
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  mutable std::mutex mutex_;
  base::event::BuildStart build_;
  std::optional<base::event::BuildEnd> end_;
  std::map<int, Step> steps_;
  std::optional<int> failed_;
};

/// Names of the builds in `builds`, newest first.
std::vector<std::string> list_builds(const std::filesystem::path& builds);
/// The build a user means: "last", "^2" (the second last), the beginning of its digits, or its
/// whole name. Throws NotFound, Invalid when several match.
std::string find_build(const std::filesystem::path& builds, const std::string& text);
/// The eight digits of a build's name.
std::string short_build_id(const std::string& name);

}  // namespace cli
