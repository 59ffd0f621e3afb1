#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "builder/dockerfile/git_reference.h"

namespace cli {

/// How git may authenticate itself.
struct GitAccess {
  std::string authorization;  ///< value of an HTTP Authorization header, or empty
  std::string ssh_agent;      ///< socket of an agent, or empty
};

/// The commit a reference leads to, and how the remote calls it.
struct GitCommit {
  std::string id;    ///< 40 or 64 hex digits
  std::string name;  ///< "refs/tags/v1", "HEAD"; empty when it was named by id
};

/// Asks the remote which commit is meant (one round trip, none for a full commit id). Throws
/// NotFound (id "git-ref-missing"), Corrupt when the reference's checksum is another commit,
/// Unavailable, Unsupported when git is not installed.
GitCommit resolve_git(const dockerfile::GitReference& reference, const GitAccess& access);

/// Time of the last commit of the work tree that holds `directory`; nullopt when there is none.
std::optional<int64_t> work_tree_time(const std::filesystem::path& directory);

struct GitCheckoutOptions {
  bool keep_git_dir = false;
  GitAccess access;
  /// Asked before a submodule is fetched, with its address; returns the one to take, or throws.
  std::function<std::string(const std::string& remote)> submodule = {};
};

/// Fetches one commit, shallow where the server can do that, and its submodules into the empty
/// `directory`. Files get mode 0644 or 0755, directories 0755. Returns the time of the commit.
///
/// This is the one foreign program that a build may start by itself. It runs without the user's and
/// the system's configuration, hooks, prompts and pagers, and speaks http, https, ssh and git only:
/// what a repository says must not make it run or read anything of this machine.
int64_t check_out_git(const dockerfile::GitReference& reference, const GitCommit& commit,
                      const std::filesystem::path& directory, const GitCheckoutOptions& options);

}  // namespace cli
