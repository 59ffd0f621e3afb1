#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/sys/fd.h"
#include "runner/container/config.h"
#include "runner/container/journal.h"

namespace container {

/// One line of a container's log.
struct LogLine {
  Time time = {};
  bool is_error = false;  ///< from standard error
  std::string text;       ///< with its line break, unless it was cut or is the last
};

/// Writes what a container says to ID/log, one JSON object a line as docker's json-file driver has
/// it: {"log":"text\n","stream":"stdout","time":"..."}. Text that has no line break yet is kept
/// until it has one, fills 16 KiB, or the container ends. Bytes that are not UTF-8 become U+FFFD.
/// The driver k8s-file writes "TIME stdout F text" instead, P for a text without its line break,
/// bytes as they are; journald sends lines to systemd's journal and writes no file.
class LogWriter {
 public:
  /// Appends to `path`; put aside as path.1, path.2 ... when `config` says so. A driver "none"
  /// writes nothing. `journal`: see journal_fields().
  LogWriter(std::filesystem::path path, const LogConfig& config, const std::string& journal = {});
  /// Never throws for a full disk: the container goes on, and the log lacks lines.
  void write(bool is_error, std::string_view bytes);
  /// Writes what has no line break.
  void flush();

 private:
  void write_line(bool is_error, std::string_view text);
  void put_aside();

  std::filesystem::path path_;
  LogConfig config_;
  std::optional<Journal> journal_;
  sys::UniqueFd file_;
  uint64_t size_ = 0;
  std::string pending_[2];
};

struct LogOptions {
  std::optional<uint64_t> tail;  ///< only so many of the last lines
  Time since = {};
  Time until = {};  ///< the beginning of time: no end
  bool follow = false;
};

/// Reads a log with the parts put aside, oldest first, and calls `line` for each. With `follow`
/// waits for more until `alive` says no.
void read_log(const std::filesystem::path& path, const LogOptions& options,
              const std::function<bool()>& alive, const std::function<void(const LogLine&)>& line);

}  // namespace container
