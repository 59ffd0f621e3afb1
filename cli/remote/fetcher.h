#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/events.h"
#include "builder/dockerfile/git_reference.h"
#include "cli/remote/source_policy.h"
#include "store/oci/digest.h"
#include "store/registry/patience.h"
#include "store/store.h"

namespace cli {

/// A file that was fetched; its bytes are a blob of the store.
struct Download {
  std::string name;  ///< last element of the URL's path, or empty
  oci::Digest digest;
  int64_t modified = 0;  ///< Last-Modified in seconds since 1970, else 0
  bool has_modified = false;
};

/// A commit of a repository, checked out.
struct Checkout {
  std::filesystem::path directory;  ///< the part that was asked for
  std::string commit;
  int64_t commit_time = 0;
};

/// Fetches what a build takes from elsewhere and turns it into directories, which live as long as
/// the fetcher does. What was fetched is kept in the store (a blob, and a note of where it came
/// from that may be lost at any time), so that the same thing costs one conditional request the
/// next time, and none when its digest or commit is known beforehand. One thread.
class Fetcher {
 public:
  struct Options {
    std::map<std::string, std::string> secrets;  ///< HTTP_AUTH_..., GIT_AUTH_... by id
    std::string ssh_agent;                       ///< socket for git over ssh, or empty
    /// What earlier builds found (a lock file): URL → digest, git reference → commit.
    std::map<std::string, std::string> pinned;
    bool locked = false;                   ///< everything must be pinned
    const SourcePolicy* policy = nullptr;  ///< asked before anything is fetched; borrowed
    base::EventSink* events = nullptr;
    std::stop_token stop;
    registry::Retries retries = {};
    registry::WaitNotice waiting = {};
  };
  Fetcher(store::Store& store, Options options) : store_(store), options_(std::move(options)) {}

  /// Throws NotFound, Denied or Unavailable (id "download-failed") by what the server said, Corrupt
  /// (id "checksum-mismatch").
  Download download(const std::string& url, const std::string& checksum = {});
  /// A directory with the file alone in it: 0600, of the time the server said. [spec 7.9]
  std::filesystem::path as_tree(const Download& file);
  /// The bytes, at most `limit` of them.
  std::string as_text(const Download& file, uint64_t limit);
  /// The files of an archive; nullopt when it is none.
  std::optional<std::filesystem::path> unpack(const Download& file);
  /// The same for any stream of an archive.
  std::filesystem::path unpack(base::Source& archive, const std::string& name);
  Checkout check_out(const dockerfile::GitReference& reference, bool keep_git_dir);

  /// What everything asked for so far was: URL → digest, git reference → commit.
  const std::map<std::string, std::string>& resolved() const { return resolved_; }

 private:
  std::filesystem::path make_directory();
  std::string secret(const std::string& name, const std::string& host) const;
  std::optional<std::string> pin_of(const std::string& address) const;

  store::Store& store_;
  Options options_;
  std::vector<store::StagingDir> directories_;
  std::map<std::string, std::string> resolved_;
};

}  // namespace cli
