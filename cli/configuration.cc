#include "cli/configuration.h"

#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "cli/context.h"

namespace cli {

namespace {

constexpr uint64_t kMostBytes = 1 << 20;

// What a file cannot set: they make no default.
constexpr std::string_view kNever[] = {"config", "help", "version"};

std::vector<std::string> names_of(std::span<const Flag> flags) {
  std::vector<std::string> names;
  for (const Flag& flag : flags)
    if (!flag.hidden) names.emplace_back(flag.name);
  return names;
}

const Flag* find_flag(std::span<const Flag> flags, std::string_view name) {
  if (std::find(std::begin(kNever), std::end(kNever), name) != std::end(kNever)) return nullptr;
  auto found = std::find_if(flags.begin(), flags.end(), [&](const Flag& flag) {
    return flag.name == name ||
           std::find(flag.aliases.begin(), flag.aliases.end(), name) != flag.aliases.end();
  });
  return found == flags.end() ? nullptr : &*found;
}

std::string shortest(double number) {
  char text[64];
  return {text, std::to_chars(std::begin(text), std::end(text), number).ptr};
}

class FileReader {
 public:
  FileReader(const CommandTable& table, const std::string& text, const std::string& name)
      : table_(table), text_(std::make_shared<const std::string>(text)), name_(name) {}

  std::vector<Setting> read() {
    toml::table document;
    try {
      document = toml::parse(*text_, name_);
    } catch (const toml::parse_error& e) {
      fail(e.source(), base::printable(e.description(), 200));
    }
    read_tables(document, "");
    // What is said of one command counts more than what is said of all.
    for (const auto& [key, node] : document)
      if (!node.is_table()) add(nullptr, key, node);
    return std::move(settings_);
  }

 private:
  [[noreturn]] void fail(const toml::source_region& where, const std::string& message,
                         const std::string& help = {}) const {
    UsageError error(message, "bad-config");
    error.set_place(place(where));
    if (!help.empty()) error.add_help(help);
    throw error;
  }

  base::Place place(const toml::source_region& where) const {
    const int line = static_cast<int>(where.begin.line);
    return {{name_, line, line, static_cast<int>(where.begin.column), 0}, text_, "", ""};
  }

  void read_tables(const toml::table& table, const std::string& prefix) {
    for (const auto& [key, node] : table)
      if (const toml::table* below = node.as_table())
        read_table(prefix + std::string(key.str()), key, *below);
  }

  void read_table(const std::string& name, const toml::key& key, const toml::table& table) {
    const Command* command = find_command(table_, name);
    read_tables(table, name + " ");
    for (const auto& [flag, node] : table) {
      if (node.is_table()) continue;
      if (command == nullptr)
        fail(key.source(), base::str("torte has no command \"", base::printable(name), "\""),
             near_command(name));
      add(command, flag, node);
    }
  }

  std::string near_command(const std::string& name) const {
    std::vector<std::string> names;
    for (const Command* command : table_)
      if (!command->hidden) names.emplace_back(command->name);
    std::string near = base::nearest(name, names);
    if (near.empty()) return near;
    std::replace(near.begin(), near.end(), ' ', '.');
    return base::str("did you mean [", near, "]?");
  }

  void add(const Command* command, const toml::key& key, const toml::node& node) {
    const Flag* flag =
        command == nullptr ? find_anywhere(key.str()) : find_flag(command->flags, key.str());
    if (flag == nullptr) unknown(command, key);
    settings_.push_back({command, flag, values(*flag, key, node), place(key.source())});
  }

  const Flag* find_anywhere(std::string_view name) const {
    if (const Flag* flag = find_flag(global_flags(), name)) return flag;
    for (const Command* command : table_)
      if (const Flag* flag = find_flag(command->flags, name)) return flag;
    return nullptr;
  }

  [[noreturn]] void unknown(const Command* command, const toml::key& key) const {
    std::vector<std::string> names = names_of(command == nullptr ? global_flags() : command->flags);
    std::string near = base::nearest(key.str(), names);
    fail(key.source(),
         command == nullptr
             ? base::str("no command has a flag --", base::printable(key.str()),
                         " that a file can set")
             : base::str("torte ", command->name, " has no flag --", base::printable(key.str())),
         near.empty() ? near : base::str("did you mean ", near, "?"));
  }

  std::vector<std::string> values(const Flag& flag, const toml::key& key,
                                  const toml::node& node) const {
    const toml::array* list = node.as_array();
    if (list == nullptr) return {value(flag, key, node)};
    if (!flag.repeatable) fail(key.source(), base::str(flag.name, " takes one value, not a list"));
    std::vector<std::string> all;
    for (const toml::node& one : *list) all.push_back(value(flag, key, one));
    return all;
  }

  std::string value(const Flag& flag, const toml::key& key, const toml::node& node) const {
    if (const auto on = node.value_exact<bool>()) {
      if (flag.is_switch()) return *on ? "true" : "false";
      if (!flag.implied.empty()) return *on ? std::string(flag.implied) : "false";
    }
    if (!flag.is_switch()) {
      if (auto text = node.value_exact<std::string>()) return *text;
      if (auto number = node.value_exact<int64_t>()) return std::to_string(*number);
      if (auto number = node.value_exact<double>()) return shortest(*number);
    }
    fail(key.source(), base::str(flag.name, flag.is_switch() ? " is either true or false"
                                                             : " takes a text or a number"));
  }

  const CommandTable& table_;
  std::shared_ptr<const std::string> text_;
  const std::string& name_;
  std::vector<Setting> settings_;
};

bool has_flag(const Arguments& arguments, const Setting& setting) {
  if (setting.command != nullptr) return setting.command == &arguments.command();
  return arguments.find_flag(setting.flag->name) != nullptr;
}

}  // namespace

std::string Setting::key() const {
  if (command == nullptr) return std::string(flag->name);
  std::string text(command->name);
  std::replace(text.begin(), text.end(), ' ', '.');
  return base::str(text, ".", flag->name);
}

std::string Setting::origin() const {
  return base::str(place.where.file, ":", place.where.first_line);
}

Configuration Configuration::load(const CommandTable& table,
                                  const std::vector<std::filesystem::path>& files) {
  Configuration configuration;
  for (const std::filesystem::path& file : files)
    if (auto text = sys::find_user_file(file, kMostBytes))
      configuration.add(table, *text, file.string());
  return configuration;
}

void Configuration::add(const CommandTable& table, const std::string& text,
                        const std::string& name) {
  std::vector<Setting> more = FileReader(table, text, name).read();
  std::move(more.begin(), more.end(), std::back_inserter(settings_));
}

void Configuration::apply(Arguments& arguments) const {
  for (const Setting& setting : settings_) {
    if (!has_flag(arguments, setting) || arguments.has(setting.flag->name)) continue;
    const Flag& flag = *arguments.find_flag(setting.flag->name);
    try {
      for (const std::string& value : setting.values) arguments.add(flag, value, setting.origin());
    } catch (UsageError& e) {
      e.set_place(setting.place);
      throw;
    }
  }
}

std::vector<std::filesystem::path> configuration_files(const Context& context,
                                                       const Arguments& arguments) {
  std::vector<std::filesystem::path> files;
  if (auto named = arguments.find("config")) {
    if (!std::filesystem::exists(*named))
      throw base::Error(base::Code::kNotFound, "no configuration file " + base::printable(*named),
                        "no-config");
    files.emplace_back(*named);
  }
  if (auto directory = context.environment("XDG_CONFIG_HOME"))
    files.push_back(std::filesystem::path(*directory) / "torte/config.toml");
  else if (auto home = context.environment("HOME"))
    files.push_back(std::filesystem::path(*home) / ".config/torte/config.toml");
  files.emplace_back("/etc/torte/config.toml");
  files.emplace_back("/usr/share/torte/config.toml");
  return files;
}

}  // namespace cli
