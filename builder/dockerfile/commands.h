#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "builder/dockerfile/heredoc.h"
#include "builder/dockerfile/mount.h"
#include "builder/dockerfile/parser.h"

/// Instructions with meaning: text → Recipe (parser.h) → one Command each (here) → the plan.
///
///   dockerfile::Recipe recipe = dockerfile::parse_and_validate(text, "Dockerfile");
///   for (const Instruction& i : recipe.instructions)
///     std::visit(..., dockerfile::interpret(i));
///
/// Fields marked [expand] still hold `$names`, quotes and escapes: expanding them is the planner's
/// work (V1), with expand() of word.h and the recipe's escape character. All others are final.
namespace dockerfile {

/// The command of RUN, CMD, ENTRYPOINT and HEALTHCHECK.
struct CommandLine {
  bool json = false;              ///< args is an argv; otherwise one text for the shell (I1)
  std::vector<std::string> args;  ///< empty only for `CMD []` and `ENTRYPOINT []`, which clear
};

struct From {
  std::string image;  ///< [expand] with global arguments only
  std::string name;   ///< lower case; empty without AS
  std::string name_as_written;
  std::string as_as_written;            ///< "AS", "as"; empty without
  std::optional<std::string> platform;  ///< [expand] with global arguments only
  base::SourceRange platform_where;
  std::vector<std::string> resets;  ///< addition: what of the base's configuration is dropped
  std::string description;          ///< from the doc comment "name text" (L14)
};

enum class Network { kDefault, kNone, kHost };

struct Device {
  std::string name;
  bool required = false;
};

struct Run {
  CommandLine command;
  std::vector<Heredoc> heredocs;     ///< never expanded (R2)
  std::vector<MountOptions> mounts;  ///< [expand] by resolve_mount()
  Network network = Network::kDefault;
  bool insecure = false;  ///< --security=insecure
  std::vector<Device> devices;
  std::chrono::nanoseconds timeout{0};  ///< addition; 0: none of its own
  int retries = 0;                      ///< addition: how often it is run again when it fails

  /// Whether the whole shell text is one heredoc start, so that its body is the command or a script
  /// (R2). The body is heredocs[0].body().
  bool is_single_heredoc() const;
};

/// One source of COPY or ADD: a path, URL or git reference, or a here-document.
struct CopySource {
  std::string text;  ///< [expand]; the file name for a here-document
  /// Null for other sources. body() is [expand] when `expand`, quotes as text, escape `\`. Sources
  /// that name one body share it.
  std::shared_ptr<const Heredoc> heredoc;
  base::SourceRange where;
};

struct Copy {
  bool add = false;
  std::vector<CopySource> sources;  ///< at least one
  std::string dest;                 ///< [expand]
  base::SourceRange dest_where;
  std::optional<std::string> from;  ///< stage, index, named context or image; no variables
  base::SourceRange from_where;
  std::optional<std::string> chown;  ///< [expand]
  std::optional<std::string> chmod;  ///< [expand]; then FileMode (mode.h)
  bool link = false;
  bool parents = false;                 ///< COPY only
  std::vector<std::string> excludes;    ///< for IgnoreMatcher::from_texts
  bool if_exists = false;               ///< addition: sources that are not there are left out
  std::optional<std::string> checksum;  ///< ADD only, [expand]
  std::optional<bool> keep_git_dir;  ///< ADD only; nothing: argument BUILDKIT_CONTEXT_KEEP_GIT_DIR
  std::optional<bool> unpack;        ///< ADD only; nothing: true for files, false for URLs
};

struct Pair {
  std::string name;   ///< [expand]
  std::string value;  ///< [expand]
};
struct Env {
  std::vector<Pair> pairs;
  bool legacy = false;  ///< `ENV name value`; the value may hold blanks
};
struct Label {
  std::vector<Pair> pairs;
  bool legacy = false;
};

struct ArgDefinition {
  std::string name;                  ///< never expanded (A3)
  std::optional<std::string> value;  ///< [expand]
  std::string description;           ///< from the doc comment "name text" (L14)
  base::SourceRange where;
};
struct Arg {
  std::vector<ArgDefinition> args;
};

struct Workdir {
  std::string path;  ///< [expand]
};
struct User {
  std::string user;  ///< [expand]
};
struct Cmd {
  CommandLine command;
};
struct Entrypoint {
  CommandLine command;
};
struct Shell {
  std::vector<std::string> shell;  ///< never empty
};
struct Expose {
  std::vector<std::string> ports;  ///< [expand] with expand_words (V5); then parse_port (ports.h)
};
struct Volume {
  std::vector<std::string> paths;  ///< [expand]
};
struct StopSignal {
  std::string signal;  ///< [expand]; then is_signal (signal.h)
};

struct Healthcheck {
  bool none = false;    ///< HEALTHCHECK NONE
  CommandLine command;  ///< empty with none; SHELL does not apply
  /// 0 inherits.
  std::chrono::nanoseconds interval{0}, timeout{0}, start_period{0}, start_interval{0};
  int retries = 0;
};

struct Onbuild {
  std::shared_ptr<const Instruction> trigger;  ///< its own grammar is checked when it runs
  std::string text;                            ///< what the image configuration stores (S8)
};
struct Maintainer {
  std::string name;
};

using Command = std::variant<From, Run, Copy, Env, Label, Arg, Workdir, User, Cmd, Entrypoint,
                             Shell, Expose, Volume, StopSignal, Healthcheck, Onbuild, Maintainer>;

/// Gives an instruction its meaning and checks its grammar (sections 5 to 7.1). Values without
/// variables are checked too. Throws RecipeError with every mistake of the instruction.
Command interpret(const Instruction& instruction);

/// Parts of a base's configuration that FROM --reset drops.
inline constexpr std::string_view kResettable[] = {
    "cmd",     "entrypoint", "env",        "expose", "healthcheck", "labels",
    "onbuild", "shell",      "stopsignal", "user",   "volumes",     "workdir"};

/// What kind of source an expanded COPY or ADD source names (7.2).
enum class SourceKind { kPath, kHttp, kGit };
SourceKind source_kind(std::string_view text);

/// "1m30s", "1.5h", "0": a Go-style duration; nothing when malformed or out of range.
std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);

}  // namespace dockerfile
