#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/source_range.h"

namespace base {

/// Facts that work emits; progress screens, plain logs and JSON are readers of the same stream.
/// A new fact is a new struct here and a line in every reader's visitor.
namespace event {

struct BuildStart {
  std::string tag;       ///< first name asked for, may be empty
  std::string platform;  ///< "linux/amd64"
  std::string recipe;    ///< path as shown to the user
  int total_steps = 0;
};
/// One step of the plan; `step` numbers are unique in a build and count from 0.
struct StepPlanned {
  int step = 0;
  std::string stage;  ///< stage name, or its number
  int index = 0;      ///< 1.. within the stage
  int count = 0;      ///< steps in the stage
  std::string text;   ///< "RUN make -j8"
  SourceRange where;
  std::vector<int> needs = {};  ///< steps whose results it uses
};
/// The step is held up by something outside this build: another build that runs the same step, a
/// registry that asked for patience. Ends with StepStart, StepPhase or StepEnd.
struct StepWait {
  int step = 0;
  std::string waiting_for;  ///< "build 3f2a of pid 4711"
};
struct StepStart {
  int step = 0;
};
/// A step that is not remembered goes on from looking that up to the next part of its work. Ends
/// with the next phase, or with StepEnd.
struct StepPhase {
  enum class Phase {
    kFetch,   ///< asks other machines for the result
    kQueued,  ///< waits for a place among the steps that run at once
    kRun,
    kCommit,  ///< what it made becomes a layer
  };
  int step = 0;
  Phase phase = Phase::kRun;
};
/// A piece of what the step printed, as it came: any bytes, not necessarily whole lines.
struct StepLog {
  int step = 0;
  bool from_stderr = false;
  std::string bytes;
};
enum class StepResult { kDone, kCached, kFailed, kCancelled };
struct StepEnd {
  int step = 0;
  StepResult result = StepResult::kDone;
  int exit_status = 0;  ///< of the program, with kFailed
  std::string error;    ///< one line, with kFailed
};
/// Why a step was not answered from the cache: one changed component of its definition. Values of
/// variables whose names tell of secrets are masked.
struct CacheMiss {
  int step = 0;
  std::string reason;     ///< "changed input", "never built here", "forced"
  std::string component;  ///< name of the field of the definition
  std::string old_value;
  std::string new_value;
};
/// Bytes moving: a blob, a context scan, a layer being hashed.
struct Transfer {
  std::string id;    ///< unique while it moves
  std::string what;  ///< shown: "node:20", "context"
  uint64_t done_bytes = 0;
  uint64_t total_bytes = 0;  ///< 0 when unknown
  bool finished = false;
};
/// Work of the build beside its steps began or ended: "commit", "export to oci". One of a name at a
/// time.
struct Activity {
  std::string what;
  bool finished = false;
};
struct Warning {
  std::string id;  ///< check name, for example "StageNameCasing"
  std::string text;
  SourceRange where;
  bool from_check = false;  ///< found by reading the recipe (lint), not by the work itself
};
/// Something worth a line that is neither a warning nor a result.
struct Note {
  std::string text;
};
struct BuildEnd {
  bool succeeded = false;
  std::string image_id;  ///< "sha256:..." of the configuration
  std::string tag;
  uint64_t size_bytes = 0;
  uint64_t new_bytes = 0;
  int steps = 0;
  int cached = 0;
  int warnings = 0;
};

}  // namespace event

using Event =
    std::variant<event::BuildStart, event::StepPlanned, event::StepWait, event::StepStart,
                 event::StepPhase, event::StepLog, event::StepEnd, event::CacheMiss,
                 event::Transfer, event::Activity, event::Warning, event::Note, event::BuildEnd>;

/// Receives events. emit() is called from any thread; implementations serialise themselves.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void emit(const Event& event) = 0;
};

/// Forgets everything; for callers that want no progress.
class NullEvents : public EventSink {
 public:
  void emit(const Event&) override {}
};

/// Keeps everything; for tests.
class RecordedEvents : public EventSink {
 public:
  void emit(const Event& event) override;
  std::vector<Event> events() const;

 private:
  mutable std::mutex mutex_;
  std::vector<Event> events_;
};

}  // namespace base
