#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace dockerfile {

/// A git repository as recipes and command lines name it (spec 9.2): where it is, and which part of
/// it at which commit is meant. A value; nothing is contacted.
///
///   https://host/project.git#v1.2:docs    git@host:project.git    https://host/p.git?tag=v1.2
struct GitReference {
  enum class RefKind { kAny, kBranch, kTag };

  std::string remote;  ///< what git is given: without query and fragment
  std::string ref;     ///< branch, tag, "refs/..." or commit; empty is the remote's HEAD
  RefKind ref_kind = RefKind::kAny;
  std::string subdirectory;          ///< as written; empty is the whole tree
  std::string checksum;              ///< lower-case hex, a prefix of the commit; empty is any
  std::optional<bool> submodules;    ///< default: true
  std::optional<bool> keep_git_dir;  ///< default: the caller's
  bool commit_times = false;         ///< mtime=commit: files carry the time of the commit
  bool fetch_by_commit = false;      ///< ask the server for the checksum's commit itself

  /// Throws Invalid, id "git-reference": unknown or repeated keys, fragment and query that
  /// disagree, a branch together with a tag, names git could take for options.
  static GitReference parse(std::string_view text);
};

/// Whether the main context `text` names a repository; unlike in ADD, "github.com/..." does too.
bool is_git_context(std::string_view text);

/// The last non-empty element of a URL's path, decoded; empty when it has none that can be the name
/// of a file. [spec 7.9]
std::string url_file_name(std::string_view url);

/// `text` without the user and password of a URL, for messages. [spec/security.md 6]
std::string without_userinfo(std::string_view text);
/// The same for each word of a text.
std::string words_without_userinfo(std::string_view text);

}  // namespace dockerfile
