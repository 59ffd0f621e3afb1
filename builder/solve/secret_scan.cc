#include "builder/solve/secret_scan.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace solve {

namespace {

constexpr size_t kShortest = 6;
constexpr size_t kMostReported = 10;

using Secrets = std::map<std::string, std::string>;

// A file of its own often ends with a line break that its copies lack.
std::string_view significant(std::string_view value) { return base::trim(value, "\r\n"); }

class Scan {
 public:
  explicit Scan(const Secrets& secrets) : secrets_(secrets), buffer_(256 << 10, '\0') {}

  void directory(int fd, const std::string& path) {
    for (const std::string& name : sys::list_names(fd)) {
      if (found_.size() >= kMostReported) return;
      std::string below = path + "/" + name;
      struct stat st;
      if (::fstatat(fd, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) < 0) continue;
      if (S_ISDIR(st.st_mode)) {
        sys::UniqueFd child = sys::open_nofollow_at(fd, name.c_str(), O_RDONLY | O_DIRECTORY);
        directory(child.get(), below);
      } else if (S_ISREG(st.st_mode) && st.st_size > 0) {
        file(sys::open_nofollow_at(fd, name.c_str(), O_RDONLY | O_NONBLOCK), below);
      }
    }
  }

  std::vector<std::string> take() { return std::move(found_); }

 private:
  void file(const sys::UniqueFd& fd, const std::string& path) {
    SecretSearch search(secrets_);
    for (;;) {
      ssize_t n = ::read(fd.get(), buffer_.data(), buffer_.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) base::throw_errno("look for secrets in " + base::printable(path));
      if (n == 0) break;
      search.feed({buffer_.data(), static_cast<size_t>(n)});
    }
    for (const std::string& id : search.found())
      found_.push_back(base::str(base::printable(id), " in ", base::printable(path)));
  }

  const Secrets& secrets_;
  std::string buffer_;
  std::vector<std::string> found_;
};

}  // namespace

SecretSearch::SecretSearch(const Secrets& secrets) {
  for (const auto& [id, value] : secrets) {
    std::string_view bytes = significant(value);
    if (bytes.size() < kShortest) continue;
    values_.emplace_back(id, bytes);
    longest_ = std::max(longest_, bytes.size());
  }
}

void SecretSearch::feed(std::string_view bytes) {
  if (values_.empty()) return;
  std::string text = tail_;
  text.append(bytes);
  for (const auto& [id, value] : values_)
    if (text.find(value) != std::string::npos) found_.insert(id);
  tail_ = text.size() < longest_ ? text : text.substr(text.size() - (longest_ - 1));
}

SecretMask::SecretMask(const Secrets& secrets, Next next) : next_(std::move(next)) {
  for (const auto& [id, value] : secrets)
    if (std::string_view bytes = significant(value); bytes.size() >= kShortest)
      values_.emplace_back(id, bytes);
  std::stable_sort(values_.begin(), values_.end(),
                   [](const auto& a, const auto& b) { return a.second.size() > b.second.size(); });
}

// Bytes at the end of `text` that a secret begins with.
size_t SecretMask::possible_beginning(std::string_view text) const {
  const size_t longest = values_.front().second.size() - 1;
  for (size_t length = std::min(longest, text.size()); length > 0; --length)
    for (const auto& [id, value] : values_)
      if (length < value.size() && value.starts_with(text.substr(text.size() - length)))
        return length;
  return 0;
}

void SecretMask::feed(std::string_view bytes) {
  if (values_.empty()) return next_(bytes);
  const std::string text = std::exchange(waiting_, "") + std::string(bytes);
  std::string_view rest = text;
  std::string masked;
  for (;;) {
    size_t first = std::string_view::npos;
    const std::pair<std::string, std::string>* secret = nullptr;
    for (const auto& value : values_)
      if (size_t at = rest.find(value.second); at < first) {
        first = at;
        secret = &value;
      }
    if (secret == nullptr) break;
    found_.insert(secret->first);
    masked.append(rest.substr(0, first)).append("***");
    rest.remove_prefix(first + secret->second.size());
  }
  waiting_ = rest.substr(rest.size() - possible_beginning(rest));
  masked.append(rest.substr(0, rest.size() - waiting_.size()));
  if (!masked.empty()) next_(masked);
}

void SecretMask::finish() {
  if (const std::string last = std::exchange(waiting_, ""); !last.empty()) next_(last);
}

std::vector<std::string> find_secrets(const sys::Root& tree, const Secrets& secrets) {
  if (!SecretSearch(secrets).is_needed()) return {};
  Scan scan(secrets);
  sys::UniqueFd root = sys::open_nofollow_at(tree.fd(), ".", O_RDONLY | O_DIRECTORY);
  scan.directory(root.get(), "");
  return scan.take();
}

}  // namespace solve
