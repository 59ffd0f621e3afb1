#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "builder/dockerfile/glob.h"

namespace dockerfile {

/// One pattern of an ignore file, as it takes effect.
struct IgnorePattern {
  std::string text;  ///< cleaned, without leading `/`; a re-include keeps its `!`
  int line = 0;      ///< in the ignore file, from 1; 0 when it came from elsewhere
  std::string file;  ///< the ignore file's name as the user knows it; may be empty
};

/// Reads an ignore file (G2). `name` is for messages. Never fails; a malformed pattern is reported
/// by IgnoreMatcher.
std::vector<IgnorePattern> read_ignore_file(std::string_view text, const std::string& name = {});

/// Decides which paths an ignore file, or a list of `--exclude` patterns, leaves out (G3-G5).
///
/// Two ways to ask. `ignores()` answers for one path on its own. During a directory walk use
/// `visit()`, which carries each pattern's result from a directory to its entries; that is what the
/// reference does, and odd lists such as `a`, `!a/b`, `a` come out differently (G4):
///
///   IgnoreMatcher::State root;                          // of the walk's top directory
///   auto dir = matcher.visit("src", root);              // dir.ignored, dir.state
///   if (!dir.ignored || matcher.may_reinclude_below("src"))
///     auto file = matcher.visit("src/a.c", dir.state);
///
/// A directory that is ignored but has a re-included entry comes back with it; the walker sees to
/// that. Paths are relative to the root, without leading or trailing `/`; the root itself is never
/// ignored. Immutable: may be shared between threads.
class IgnoreMatcher {
 public:
  /// Ignores nothing.
  IgnoreMatcher() = default;
  /// Throws Invalid, id "bad-pattern", naming the pattern and its line.
  explicit IgnoreMatcher(const std::vector<IgnorePattern>& patterns);
  /// Patterns of `--exclude`: blanks trimmed, cleaned.
  static IgnoreMatcher from_texts(const std::vector<std::string>& patterns);

  /// Whether `path` or a parent of it is left out.
  bool ignores(std::string_view path) const;

  /// What is known of a directory: which patterns it, or a parent, matched.
  struct State {
    std::vector<char> matched;  // empty at the root
  };
  struct Visit {
    bool ignored = false;
    int pattern = -1;  ///< index of the pattern that decided, -1 when none applied
    State state;       ///< for the entries below
  };
  /// The decision for `path`, an entry of the directory that `parent` belongs to.
  Visit visit(std::string_view path, const State& parent) const;

  /// Whether a `!` pattern could match something below the ignored directory `path`; when not, the
  /// directory need not be read (G5).
  bool may_reinclude_below(std::string_view path) const;
  bool has_reincludes() const { return reincludes_; }
  bool empty() const { return rules_.empty(); }
  /// The pattern behind Visit::pattern, for messages.
  const IgnorePattern& pattern(int index) const {
    return rules_[static_cast<size_t>(index)].source;
  }

 private:
  struct Rule {
    IgnorePattern source;
    Glob glob;
    bool reinclude;
    std::string literal;  // leading components without wildcards, joined; for may_reinclude_below
    bool literal_only;    // the whole pattern is `literal`
  };
  bool matches_path_or_parent(const Rule& rule, std::string_view path) const;

  std::vector<Rule> rules_;
  bool reincludes_ = false;
};

}  // namespace dockerfile
