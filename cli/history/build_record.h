#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

/// Builds of a store: for each a directory builds/ID with record.json and step-N.log. `ID` begins
/// with the time, so that names sort by age; people are shown its last eight digits. Records last
/// 30 days, and there are at most 200. [spec/ux.md 7]
///
///     BuildRecorder (cli/build) ──▶ BuildRecord ──▶ record.json ──▶ trace, explanation, report
namespace cli {

/// One part of a step's work; it ends where the next begins, or the step.
struct PhaseRecord {
  std::string name;  ///< "fetch", "queued", "run" or "commit"
  double start = 0;
};

/// One reason why a step ran: what it saw the last time, and what now.
struct MissRecord {
  std::string reason;
  std::string component;  ///< field of the definition; empty: the reason says all
  std::string old_value;
  std::string new_value;
};

struct StepRecord {
  int step = 0;
  std::string stage;
  int index = 0;
  int count = 0;
  std::string text;
  uint64_t line = 0;
  std::string result = "not run";  ///< or "done", "cached", "failed", "cancelled"
  double start = 0;                ///< seconds since the build began; 0 with `seconds` 0: never
  double seconds = 0;
  int exit_status = 0;
  std::vector<int> needs;
  std::vector<PhaseRecord> phases;
  std::vector<MissRecord> misses;

  /// It was not enough to look it up. A step that was cancelled has misses if it came so far.
  bool ran() const {
    return result == "done" || result == "failed" || (result == "cancelled" && !misses.empty());
  }
  double end() const { return start + seconds; }
};

/// Something that took time beside the steps.
struct SpanRecord {
  std::string what;
  double start = 0;
  double seconds = 0;
  uint64_t bytes = 0;  ///< of a transfer
};

struct LayerRecord {
  std::string diff_id;
  uint64_t bytes = 0;  ///< of its tar
  std::string made_by;
  bool is_base = false;
  // Not kept in record.json: what a look at the layer tells.
  uint64_t hidden_bytes = 0;  ///< in files that later layers remove or replace
  struct File {
    std::string path;
    uint64_t bytes = 0;
    bool is_hidden = false;
  };
  std::vector<File> largest = {};
};

/// How much of the build context the steps asked for; known of builds with --report.
struct ContextUseRecord {
  uint64_t bytes = 0;  ///< of all files that the ignore file leaves; 0: nobody looked
  uint64_t used_bytes = 0;
  struct Entry {
    std::string path;
    uint64_t bytes = 0;
  };
  std::vector<Entry> unused = {};  ///< the largest at its top of which nothing is used
};

struct WarningRecord {
  std::string id;
  std::string text;
  uint64_t line = 0;  ///< 0: of no line
};

/// What is known of one build after it. Times are in seconds since it began. Records of older
/// versions lack fields, which then have their defaults.
struct BuildRecord {
  std::string id;
  std::string recipe;
  std::string context;
  std::string tag;
  std::string platform;
  std::string started;  ///< ISO 8601
  double seconds = 0;
  bool succeeded = false;
  std::string error;
  std::string error_id;
  std::string error_place;  ///< "Recipe:7"
  std::vector<std::string> error_facts;
  std::vector<std::string> error_helps;
  std::string image;
  uint64_t size_bytes = 0;
  uint64_t new_bytes = 0;
  int cached = 0;
  int warnings = 0;
  std::vector<StepRecord> steps;  ///< by number
  std::vector<SpanRecord> transfers;
  std::vector<SpanRecord> activities;
  std::vector<WarningRecord> warning_texts;
  std::map<std::string, std::string> images;   ///< "NAME PLATFORM" → identity
  std::map<std::string, std::string> sources;  ///< address → digest or commit
  std::vector<std::string> secrets;            ///< ids
  std::vector<std::string> arguments;          ///< names of build arguments
  std::vector<LayerRecord> layers;             ///< bottom first
  ContextUseRecord context_use;

  const StepRecord* find_step(int number) const;
};

/// record.json.
std::string record_text(const BuildRecord& record);
/// Fields that are missing or of another type have their defaults.
BuildRecord parse_record(const std::string& text);

/// The record of the build of this name. One without is running still, or was killed: it has its id
/// and the error "unfinished".
BuildRecord read_build(const std::filesystem::path& builds, const std::string& name);
/// The log of a step; there is none where the step printed nothing.
std::filesystem::path step_log_path(const std::filesystem::path& build, int step);

/// Names of the builds in `builds`, newest first.
std::vector<std::string> list_builds(const std::filesystem::path& builds);
/// The build a user means: "last", "^2" (the second last), the beginning of its digits, or its
/// whole name. Throws NotFound, Invalid when several match.
std::string find_build(const std::filesystem::path& builds, const std::string& text);
/// The eight digits of a build's name.
std::string short_build_id(const std::string& name);
/// Throws NotFound, id "step-missing".
const StepRecord& get_step(const BuildRecord& record, uint64_t number);

}  // namespace cli
