#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/events.h"
#include "cli/history/build_record.h"

namespace cli {

/// Passes the events of a build on and keeps what is worth keeping. Thread-safe.
class BuildRecorder : public base::EventSink {
 public:
  /// `builds` is the directory of all of them.
  BuildRecorder(base::EventSink& next, const std::filesystem::path& builds);
  /// Why steps run is kept in any case; passed on only if `shown`. Before the first event.
  void show_misses(bool shown) { shows_misses_ = shown; }
  void emit(const base::Event& event) override;

  /// Where the logs of the steps go.
  const std::filesystem::path& directory() const { return directory_; }
  std::chrono::system_clock::time_point started() const { return started_; }
  /// The eight digits.
  std::string short_id() const;
  /// Number of the first step that failed and left a log.
  std::optional<int> failed_step_with_log() const;

  struct Inputs {
    std::string context;
    std::map<std::string, std::string> images;   ///< "NAME PLATFORM" → identity
    std::map<std::string, std::string> sources;  ///< address → digest or commit
    std::vector<std::string> secrets;            ///< ids
    std::vector<std::string> arguments;          ///< names: values may be secret
  };
  void set_inputs(Inputs inputs);
  void set_layers(std::vector<LayerRecord> layers);
  void set_context_use(ContextUseRecord use);

  /// The build ended, with `error` if it failed. Null: well.
  void end(const base::Error* error);
  /// Writes the record and removes old ones; failing to is no failure of the build.
  void keep();
  BuildRecord record() const;

 private:
  double now() const;
  void note(const base::Event& event);
  StepRecord& step(int number);
  void note_end(const base::event::StepEnd& end);
  void note_miss(const base::event::CacheMiss& miss);
  void note_transfer(const base::event::Transfer& transfer);
  void note_activity(const base::event::Activity& activity);
  void end_activities();

  base::EventSink& next_;
  std::filesystem::path builds_;
  std::filesystem::path directory_;
  std::chrono::system_clock::time_point started_ = std::chrono::system_clock::now();
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  bool shows_misses_ = false;
  mutable std::mutex mutex_;  // of what follows
  BuildRecord record_;        // without its steps
  std::map<int, StepRecord> steps_;
  std::map<std::string, size_t> moving_;  // id of a transfer → where in record_.transfers
  std::map<std::string, size_t> active_;  // the same for activities
  std::optional<int> failed_;
  bool is_begun_ = false;
};

/// Tells the reader of a build's events of one activity, for as long as it lives.
class ActivityScope {
 public:
  ActivityScope(base::EventSink& events, std::string what)
      : events_(events), what_(std::move(what)) {
    events_.emit(base::event::Activity{what_, false});
  }
  ActivityScope(const ActivityScope&) = delete;
  ~ActivityScope() { events_.emit(base::event::Activity{what_, true}); }

 private:
  base::EventSink& events_;
  std::string what_;
};

}  // namespace cli
