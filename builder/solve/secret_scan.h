#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/sys/root.h"

namespace solve {

/// Looks for the bytes of secrets in a stream that comes in pieces. Values of fewer than six bytes
/// are not looked for: they are everywhere. One thread.
class SecretSearch {
 public:
  /// `secrets` by id; borrowed.
  explicit SecretSearch(const std::map<std::string, std::string>& secrets);
  bool is_needed() const { return !values_.empty(); }
  void feed(std::string_view bytes);
  /// A new stream; what was found stays.
  void restart() { tail_.clear(); }
  /// Ids of the secrets found so far.
  const std::set<std::string>& found() const { return found_; }

 private:
  std::vector<std::pair<std::string, std::string>> values_;  // id, bytes
  size_t longest_ = 0;
  std::string tail_;  // the end of what came before
  std::set<std::string> found_;
};

/// Passes on a stream that comes in pieces with each secret in it replaced by "***", so that no log
/// has one. What may be the beginning of one waits for what follows. As above: values of fewer than
/// six bytes are not looked for. One thread.
class SecretMask {
 public:
  using Next = std::function<void(std::string_view)>;
  SecretMask(const std::map<std::string, std::string>& secrets, Next next);
  void feed(std::string_view bytes);
  /// The stream ended: passes on what waits.
  void finish();
  /// Ids of the secrets found so far.
  const std::set<std::string>& found() const { return found_; }

 private:
  size_t possible_beginning(std::string_view text) const;

  std::vector<std::pair<std::string, std::string>> values_;  // id, bytes; the longest first
  Next next_;
  std::string waiting_;
  std::set<std::string> found_;
};

/// Files of a layer tree that hold a secret: "ID in /path", at most ten. Links are not followed.
std::vector<std::string> find_secrets(const sys::Root& tree,
                                      const std::map<std::string, std::string>& secrets);

}  // namespace solve
