#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/sys/fd.h"
#include "store/layout.h"
#include "store/oci/timestamp.h"

/// What happened to containers and images, for `torte events`: a file of JSON lines that commands
/// append to and nobody needs. At 1 MiB it is put aside, and what was put aside before goes.
///
///     events
///     {"time":"...","type":"container","action":"start","id":"..","name":"..","attributes":{..}}
///     events.1      the older ones
///     events.lock   flock: while it is put aside
namespace store {

struct LoggedEvent {
  oci::Timestamp time = {};
  std::string type;    ///< "container", "image"
  std::string action;  ///< "start"
  std::string id;      ///< of the container, or the digest of the image's configuration
  std::string name;
  std::map<std::string, std::string> attributes;  ///< "exitCode": "0"

  /// One line, without its end.
  std::string to_json() const;
  /// nullopt for a line that is none, torn by a power cut for example.
  static std::optional<LoggedEvent> parse(std::string_view line);
};

/// Appends it, with the time of now. Never fails: what it tells of has happened, whether or not
/// there is room on the disk to say so. Any thread.
void log_event(const Layout& layout, LoggedEvent event) noexcept;

/// Reads the log from the oldest event on. One thread at a time.
class EventReader {
 public:
  explicit EventReader(Layout layout);
  /// nullopt when there is no more for now; later there may be.
  std::optional<LoggedEvent> next();

 private:
  std::optional<std::string> next_line();
  /// Goes on with the file behind the one that is read to its end; false when there is none.
  bool open_next();

  Layout layout_;
  sys::UniqueFd file_;
  bool is_old_ = false;  ///< `file_` was put aside
  std::string buffer_;
};

}  // namespace store
