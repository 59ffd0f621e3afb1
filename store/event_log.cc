#include "store/event_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/sys/lock.h"
#include "store/oci/json_fields.h"

namespace store {

namespace {

constexpr off_t kMostBytes = 1 << 20;

sys::UniqueFd open_to_append(const Layout& layout) {
  return sys::UniqueFd(::open(layout.events().c_str(),
                              O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600));
}

bool is_full(int fd) {
  struct stat st = {};
  return ::fstat(fd, &st) == 0 && st.st_size >= kMostBytes;
}

/// By one process; the others go on writing to what was put aside a moment ago.
void put_aside(const Layout& layout) {
  const auto lock =
      sys::FileLock::try_acquire(layout.events_lock(), sys::FileLock::Mode::kExclusive);
  if (!lock) return;
  const sys::UniqueFd current = open_to_append(layout);
  if (current && is_full(current.get()))
    ::rename(layout.events().c_str(), layout.old_events().c_str());
}

ino_t inode_of(int fd) {
  struct stat st = {};
  return ::fstat(fd, &st) < 0 ? 0 : st.st_ino;
}

}  // namespace

std::string LoggedEvent::to_json() const {
  nlohmann::ordered_json object = {{"time", oci::format_timestamp(time)},
                                   {"type", type},
                                   {"action", action},
                                   {"id", id},
                                   {"name", name},
                                   {"attributes", attributes}};
  return oci::dump_json(object);
}

std::optional<LoggedEvent> LoggedEvent::parse(std::string_view line) {
  const nlohmann::json object = nlohmann::json::parse(line, nullptr, false);
  if (!object.is_object()) return std::nullopt;
  try {
    const oci::Fields fields(object, "event");
    const auto time = oci::parse_timestamp(fields.text("time"));
    if (!time) return std::nullopt;
    return LoggedEvent{*time,
                       fields.text("type"),
                       fields.text("action"),
                       fields.text("id"),
                       fields.text("name"),
                       fields.text_map("attributes")};
  } catch (const base::Error&) {
    return std::nullopt;  // not one of ours
  }
}

void log_event(const Layout& layout, LoggedEvent event) noexcept {
  try {
    event.time =
        std::chrono::time_point_cast<oci::Timestamp::duration>(std::chrono::system_clock::now());
    const std::string line = event.to_json() + "\n";
    const sys::UniqueFd file = open_to_append(layout);
    // One write a line: those of several commands do not mix.
    if (!file || ::write(file.get(), line.data(), line.size()) < 0) return;
    if (is_full(file.get())) put_aside(layout);
  } catch (const std::exception&) {
    // No memory, or a lock that cannot be had: then this is not told.
  }
}

EventReader::EventReader(Layout layout) : layout_(std::move(layout)) {
  file_ = sys::UniqueFd(::open(layout_.old_events().c_str(), O_RDONLY | O_CLOEXEC));
  is_old_ = static_cast<bool>(file_);
}

bool EventReader::open_next() {
  sys::UniqueFd current(::open(layout_.events().c_str(), O_RDONLY | O_CLOEXEC));
  if (!current || (file_ && inode_of(current.get()) == inode_of(file_.get()))) return false;
  // What was written to ours between its end and now is read first.
  if (file_ && !is_old_) {
    is_old_ = true;
    return true;
  }
  file_ = std::move(current);
  is_old_ = false;
  buffer_.clear();
  return true;
}

std::optional<std::string> EventReader::next_line() {
  for (;;) {
    if (const size_t end = buffer_.find('\n'); end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    char bytes[64 << 10];
    const ssize_t n = file_ ? ::read(file_.get(), bytes, sizeof bytes) : 0;
    if (n > 0)
      buffer_.append(bytes, static_cast<size_t>(n));
    else if (!open_next())
      return std::nullopt;
  }
}

std::optional<LoggedEvent> EventReader::next() {
  while (const std::optional<std::string> line = next_line())
    if (auto event = LoggedEvent::parse(*line)) return event;
  return std::nullopt;
}

}  // namespace store
