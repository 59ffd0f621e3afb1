#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

/// The one command table (spec/ux.md 9): commands and flags are data, and parsing, help, and later
/// completion and manual pages all read that data.
///
/// Why not CLI11: the program has to start in a few milliseconds and a build of it in a few seconds
/// more; CLI11 builds its tree of objects at every start and costs every file that includes it
/// about ten seconds of compiling. What we need is these few hundred lines.
namespace cli {

struct Context;
class Arguments;

/// One flag. Text members refer to literals: they must outlive the program's run.
struct Flag {
  std::string_view name;        ///< long name without dashes: "build-arg"
  char letter = 0;              ///< short name, 0 for none
  std::string_view value = {};  ///< placeholder of its value, "NAME"; empty makes it a switch
  std::string_view help = {};   ///< one line, lower case, no full stop
  std::string_view implied =
      {};  ///< value when given bare; makes the value optional: `--pull[=always]`
  std::string_view group = {};                 ///< heading in --help; empty is the first group
  std::string_view environment = {};           ///< variable read when the flag is absent
  std::vector<std::string_view> aliases = {};  ///< other long names
  std::vector<std::string_view> choices = {};  ///< the only values allowed; empty allows any
  bool repeatable = false;                     ///< every value counts; otherwise the last one wins
  bool negatable = false;                      ///< a switch with a `--no-NAME` form
  bool hidden = false;                         ///< parsed, absent from help
  bool common = false;                         ///< among the few shown by -h

  bool is_switch() const { return value.empty(); }
};

struct Example {
  std::string_view command;  ///< the whole line, starting with "torte"
  std::string_view meaning;
};

/// How many words a command takes beside its flags.
struct Positionals {
  static constexpr size_t kAny = SIZE_MAX;
  size_t min = 0;
  size_t max = 0;
  /// Everything after this many words is taken as it stands, flags included: `run IMAGE ls -l` has
  /// 1. 0 lets flags and words mix freely.
  size_t verbatim_after = 0;
};

/// One command of the table; lives in cli/commands/NAME.cc.
struct Command {
  std::string_view name;                       ///< "build"; "image ls" for a command in a group
  std::vector<std::string_view> aliases = {};  ///< full names as well: "bud", "images"
  std::string_view summary;                    ///< one line, for the list of commands
  std::string_view usage = {};                 ///< after the name: "[FLAGS] [CONTEXT]"
  std::string_view about = {};                 ///< paragraphs of --help
  std::string_view group = {};                 ///< heading in the list of commands
  std::vector<Flag> flags = {};
  std::vector<Example> examples = {};
  Positionals positionals = {};
  int (*run)(Context&, const Arguments&) = nullptr;  ///< returns the exit status
  int failure_status = 1;  ///< exit status when run() throws: 125 for run and exec
  bool hidden = false;
  /// Works on layers, so an ordinary user runs it inside a user namespace of torte's own.
  bool in_user_namespace = true;
};

using CommandTable = std::vector<const Command*>;

/// The command line is wrong: exit status 2, no further work was done.
class UsageError : public base::Error {
 public:
  explicit UsageError(std::string message, std::string id = "usage")
      : Error(base::Code::kInvalid, std::move(message), std::move(id)) {}
};

/// What was given, checked against the table. Asking for a flag that the command does not declare
/// is a bug in torte and aborts; asking for an absent one is answered with the fallback.
class Arguments {
 public:
  explicit Arguments(const Command& command, std::span<const Flag> globals = {});

  /// The flag was given, or its environment variable is set.
  bool has(std::string_view name) const;
  /// A switch; the last one of `--x`, `--x=false`, `--no-x` wins.
  bool is_on(std::string_view name, bool fallback = false) const;
  /// The last value.
  std::optional<std::string> find(std::string_view name) const;
  std::string get(std::string_view name, std::string_view fallback = {}) const;
  /// Every value, in order.
  std::vector<std::string> all(std::string_view name) const;
  /// A decimal number. Throws UsageError naming the flag.
  std::optional<uint64_t> number(std::string_view name) const;
  /// "512m", "1.5g" in bytes. Throws UsageError naming the flag.
  std::optional<uint64_t> size_bytes(std::string_view name) const;
  /// "90s", "1h30m", "250ms", "3d"; a bare number is seconds. Throws UsageError naming the flag.
  std::optional<std::chrono::milliseconds> duration(std::string_view name) const;
  /// Several flags in the order they were given, for commands where order matters (--filter, -c).
  const std::vector<std::pair<std::string, std::string>>& in_order() const { return given_; }

  const std::vector<std::string>& words() const { return words_; }
  /// The word at `index`, or "".
  std::string word(size_t index) const { return index < words_.size() ? words_[index] : ""; }

  const Command& command() const { return *command_; }

  /// Where the value comes from, "" for the command line: "$TORTE_ROOT",
  /// "/etc/torte/config.toml:3".
  std::string origin(std::string_view name) const;

  /// Throws UsageError for a value that is not among the flag's choices.
  void add(const Flag& flag, std::string value, const std::string& origin = {});
  void add_word(std::string word) { words_.push_back(std::move(word)); }
  /// The declared flag of this name or alias: the command's own first, then the global ones.
  const Flag* find_flag(std::string_view name) const;
  const Flag* find_flag(char letter) const;
  /// Takes absent flags from their environment variables. `lookup` returns null for unset.
  void read_environment(const char* (*lookup)(const char*));
  std::vector<std::string> flag_names() const;

 private:
  const Flag& declared(std::string_view name) const;

  const Command* command_;
  std::span<const Flag> globals_;
  std::vector<std::pair<std::string, std::string>> given_;  ///< flag name, value
  std::map<std::string, std::string> origins_;  ///< by flag name, unless it is the command line
  std::vector<std::string> words_;
};

/// --root, --run-root, --config, --log-level, --quiet, --color, --help, --version: before or after
/// the command.
std::span<const Flag> global_flags();

enum class Help { kNone, kShort, kFull };

/// What a command line asks for.
struct Invocation {
  const Command* command = nullptr;  ///< null: only global flags were given
  Arguments arguments;
  Help help = Help::kNone;  ///< asked for with -h or --help; nothing else was checked
  std::string group;        ///< help was asked for the commands starting with this word
};

/// Finds the command and reads its flags. `words` excludes the program's name. Throws UsageError
/// with the nearest command or flag as help.
Invocation parse(const CommandTable& table, std::span<const std::string> words,
                 const char* (*lookup)(const char*));

/// The command of that full name or alias, or null.
const Command* find_command(const CommandTable& table, std::string_view name);

/// "1h30m", "250ms", "42": nothing when the text is not a duration.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

}  // namespace cli
