#include "runner/container/log.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "runner/container/state.h"
#include "store/oci/json_fields.h"
#include "store/oci/timestamp.h"

namespace container {

namespace {

constexpr size_t kLongestLine = 16 << 10;

std::filesystem::path part(const std::filesystem::path& path, uint64_t number) {
  return number == 0 ? path : std::filesystem::path(base::str(path.string(), '.', number));
}

void append_escaped(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  while (!text.empty()) {
    const auto byte = static_cast<unsigned char>(text[0]);
    if (byte == '"' || byte == '\\') {
      out += '\\';
      out += text[0];
    } else if (byte == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else if (byte < 0x80) {
      out += text[0];
    } else {
      char32_t code = 0;
      const size_t size = base::decode_utf8(text, code);
      out += size == 0 ? std::string_view("\xef\xbf\xbd") : text.substr(0, size);
      text.remove_prefix(std::max<size_t>(size, 1));
      continue;
    }
    text.remove_prefix(1);
  }
}

std::optional<LogLine> parse_k8s_line(std::string_view text) {
  const size_t stream = text.find(' '), flag = text.find(' ', stream + 1);
  if (stream == std::string_view::npos || flag == std::string_view::npos || flag + 2 >= text.size())
    return std::nullopt;
  const auto time = oci::parse_timestamp(text.substr(0, stream));
  if (!time || text[flag + 2] != ' ') return std::nullopt;
  LogLine line;
  line.time = *time;
  line.is_error = text.substr(stream + 1, flag - stream - 1) == "stderr";
  line.text = std::string(text.substr(flag + 3)) + (text[flag + 1] == 'F' ? "\n" : "");
  return line;
}

std::optional<LogLine> parse_line(std::string_view text) {
  if (!text.starts_with('{')) return parse_k8s_line(text);
  const nlohmann::json object = nlohmann::json::parse(text, nullptr, false);
  if (!object.is_object()) return std::nullopt;  // torn by a power cut
  LogLine line;
  line.text = object.value("log", "");
  line.is_error = object.value("stream", "") == "stderr";
  line.time = oci::parse_timestamp(object.value("time", "")).value_or(Time{});
  return line;
}

/// Lines of one file as they are written.
class LineReader {
 public:
  explicit LineReader(const std::filesystem::path& path)
      : file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  explicit operator bool() const { return static_cast<bool>(file_); }

  std::optional<std::string> next() {
    for (;;) {
      const size_t end = buffer_.find('\n', searched_);
      if (end != std::string::npos) {
        std::string line = buffer_.substr(0, end);
        buffer_.erase(0, end + 1);
        searched_ = 0;
        return line;
      }
      searched_ = buffer_.size();
      char bytes[64 << 10];
      const ssize_t n = ::read(file_.get(), bytes, sizeof bytes);
      if (n <= 0) return std::nullopt;
      buffer_.append(bytes, static_cast<size_t>(n));
    }
  }
  ino_t inode() const {
    struct stat st = {};
    return ::fstat(file_.get(), &st) < 0 ? 0 : st.st_ino;
  }

 private:
  sys::UniqueFd file_;
  std::string buffer_;
  size_t searched_ = 0;
};

/// Wakes when the directory of a log changes.
class Watch {
 public:
  explicit Watch(const std::filesystem::path& directory)
      : fd_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
    if (fd_) ::inotify_add_watch(fd_.get(), directory.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO);
  }
  void wait() {
    // Now and then even without a change: its writer may have died.
    constexpr int kLongestMs = 250;
    pollfd entry = {fd_.get(), POLLIN, 0};
    if (::poll(&entry, 1, kLongestMs) <= 0) return;
    char events[4096];
    while (::read(fd_.get(), events, sizeof events) > 0) {
    }
  }

 private:
  sys::UniqueFd fd_;
};

}  // namespace

LogWriter::LogWriter(std::filesystem::path path, const LogConfig& config,
                     const std::string& journal)
    : path_(std::move(path)), config_(config) {
  if (config_.driver == "none") return;
  if (config_.driver == "journald") {
    journal_.emplace(Journal::kSocket, journal);
    return;
  }
  file_ = sys::UniqueFd(
      ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file_) base::throw_errno("open log " + path_.string());
  struct stat st = {};
  if (::fstat(file_.get(), &st) == 0) size_ = static_cast<uint64_t>(st.st_size);
}

void LogWriter::write(bool is_error, std::string_view bytes) {
  if (!file_ && !journal_) return;
  std::string& pending = pending_[is_error ? 1 : 0];
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    const size_t take = std::min(end == std::string_view::npos ? bytes.size() : end + 1,
                                 kLongestLine - pending.size());
    pending.append(bytes.substr(0, take));
    bytes.remove_prefix(take);
    if (pending.back() != '\n' && pending.size() < kLongestLine) break;
    write_line(is_error, pending);
    pending.clear();
  }
}

void LogWriter::flush() {
  for (const bool is_error : {false, true}) {
    std::string& pending = pending_[is_error ? 1 : 0];
    if (!pending.empty()) write_line(is_error, pending);
    pending.clear();
    pending.shrink_to_fit();
  }
}

void LogWriter::write_line(bool is_error, std::string_view text) {
  if (journal_) return journal_->write(is_error, text);
  const char* stream = is_error ? "stderr" : "stdout";
  const std::string time = oci::format_timestamp(now());
  std::string line;
  if (config_.driver == "k8s-file") {
    const bool is_whole = text.ends_with('\n');
    if (is_whole) text.remove_suffix(1);
    line = base::str(time, " ", stream, is_whole ? " F " : " P ", text, "\n");
  } else {
    line = "{\"log\":\"";
    append_escaped(line, text);
    line += base::str("\",\"stream\":\"", stream, "\",\"time\":\"", time, "\"}\n");
  }
  if (config_.max_bytes > 0 && size_ > 0 && size_ + line.size() > config_.max_bytes) put_aside();
  // One write a line: a reader, or a crash, sees whole lines.
  if (::write(file_.get(), line.data(), line.size()) == static_cast<ssize_t>(line.size()))
    size_ += line.size();
}

void LogWriter::put_aside() {
  for (uint64_t n = config_.files - 1; n > 0; --n)
    ::rename(part(path_, n - 1).c_str(), part(path_, n).c_str());
  if (config_.files <= 1) ::unlink(path_.c_str());
  sys::UniqueFd fresh(
      ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fresh) return;
  file_ = std::move(fresh);
  size_ = 0;
}

void read_log(const std::filesystem::path& path, const LogOptions& options,
              const std::function<bool()>& alive, const std::function<void(const LogLine&)>& line) {
  std::optional<Watch> watch;
  if (options.follow) watch.emplace(path.parent_path());
  std::deque<LogLine> last;
  bool ended = false;
  auto take = [&](const std::string& text) {
    const std::optional<LogLine> parsed = parse_line(text);
    if (!parsed || parsed->time < options.since) return;
    if (options.until != Time{} && parsed->time > options.until) {
      ended = true;
      return;
    }
    if (!options.tail) return line(*parsed);
    last.push_back(*parsed);
    if (last.size() > *options.tail) last.pop_front();
  };
  uint64_t oldest = 0;
  while (std::filesystem::exists(part(path, oldest + 1))) ++oldest;
  for (; oldest > 0; --oldest) {
    LineReader reader(part(path, oldest));
    while (const auto text = reader ? reader.next() : std::nullopt) take(*text);
  }
  LineReader reader(path);
  if (!reader) return;
  while (const auto text = reader.next()) take(*text);
  for (const LogLine& each : last) line(each);
  if (!options.follow) return;
  LogOptions rest = options;
  rest.tail.reset();
  auto show = [&](const std::string& text) {
    const std::optional<LogLine> parsed = parse_line(text);
    if (!parsed) return;
    if (options.until != Time{} && parsed->time > options.until)
      ended = true;
    else
      line(*parsed);
  };
  while (!ended) {
    const bool last_look = !alive();
    while (const auto text = reader.next()) show(*text);
    LineReader current(path);
    if (current && current.inode() != reader.inode()) {  // put aside
      reader = std::move(current);
      continue;
    }
    if (last_look) return;
    watch->wait();
  }
}

}  // namespace container
