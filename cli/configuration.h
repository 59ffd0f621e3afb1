#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/source_range.h"
#include "cli/options.h"

namespace cli {

/// What a configuration file says of one flag.
struct Setting {
  const Command* command = nullptr;  ///< null: every command that has the flag
  const Flag* flag = nullptr;
  std::vector<std::string> values;  ///< as on the command line
  base::Place place;

  /// "build.jobs", as the file spells it.
  std::string key() const;
  /// "/etc/torte/config.toml:3".
  std::string origin() const;
};

/// Defaults for flags. A file is TOML: a table for each command, in it keys that are its flags
/// without dashes; keys outside of tables are for every command that has such a flag. [spec/ux.md
/// 10]
///
///     retry = 5
///     [build]
///     jobs = 4
///     secret = ["id=npm,src=/etc/npmrc"]
///     [cache.prune]
///     older-than = "30d"
class Configuration {
 public:
  /// Reads those of the files that exist, the most important one first.
  static Configuration load(const CommandTable& table,
                            const std::vector<std::filesystem::path>& files);

  /// A file that is less important than those before. Throws UsageError with its place: not TOML,
  /// no such command or flag, a value that the flag cannot take.
  void add(const CommandTable& table, const std::string& text, const std::string& name);

  /// Gives flags that are absent what the files say. Throws UsageError.
  void apply(Arguments& arguments) const;
  /// The most important first.
  const std::vector<Setting>& settings() const { return settings_; }

 private:
  std::vector<Setting> settings_;
};

/// --config, the user's, the machine's, the distribution's. Throws NotFound when --config names
/// none.
std::vector<std::filesystem::path> configuration_files(const Context& context,
                                                       const Arguments& arguments);

}  // namespace cli
