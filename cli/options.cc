#include "cli/options.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace cli {

using base::str;

std::span<const Flag> global_flags() {
  static const std::vector<Flag> kFlags = {
      {.name = "root",
       .value = "DIR",
       .help = "where images, layers and containers are kept",
       .environment = "TORTE_ROOT"},
      {.name = "run-root",
       .value = "DIR",
       .help = "where state lives that ends with the machine",
       .environment = "TORTE_RUN_ROOT"},
      {.name = "config",
       .value = "FILE",
       .help = "defaults for flags, before those of the configuration files",
       .environment = "TORTE_CONFIG"},
      {.name = "durability",
       .value = "MODE",
       .help = "what a new store is: full survives a power cut, none never waits for the disk",
       .environment = "TORTE_DURABILITY",
       .choices = {"full", "none"}},
      {.name = "log-level",
       .value = "LEVEL",
       .help = "how much torte says about itself",
       .choices = {"debug", "info", "warn", "error"}},
      {.name = "quiet", .letter = 'q', .help = "print results only; say more only on failure"},
      {.name = "color",
       .value = "WHEN",
       .help = "colour on the terminal",
       .choices = {"auto", "always", "never"}},
      {.name = "help", .letter = 'h', .help = "show help: -h the short one, --help all of it"},
      {.name = "version", .help = "show the version"},
  };
  return kFlags;
}

// --- Arguments ---------------------------------------------------------------------------------

Arguments::Arguments(const Command& command, std::span<const Flag> globals)
    : command_(&command), globals_(globals) {}

const Flag* Arguments::find_flag(std::string_view name) const {
  auto named = [&](const Flag& flag) {
    return flag.name == name ||
           std::find(flag.aliases.begin(), flag.aliases.end(), name) != flag.aliases.end();
  };
  for (std::span<const Flag> flags : {std::span<const Flag>(command_->flags), globals_}) {
    auto found = std::find_if(flags.begin(), flags.end(), named);
    if (found != flags.end()) return &*found;
  }
  return nullptr;
}

const Flag* Arguments::find_flag(char letter) const {
  for (std::span<const Flag> flags : {std::span<const Flag>(command_->flags), globals_})
    for (const Flag& flag : flags)
      if (flag.letter == letter) return &flag;
  return nullptr;
}

std::vector<std::string> Arguments::flag_names() const {
  std::vector<std::string> names;
  for (std::span<const Flag> flags : {std::span<const Flag>(command_->flags), globals_})
    for (const Flag& flag : flags)
      if (!flag.hidden) names.push_back("--" + std::string(flag.name));
  return names;
}

const Flag& Arguments::declared(std::string_view name) const {
  const Flag* flag = find_flag(name);
  CHECK(flag != nullptr);
  return *flag;
}

void Arguments::add(const Flag& flag, std::string value, const std::string& origin) {
  if (!flag.choices.empty() &&
      std::find(flag.choices.begin(), flag.choices.end(), value) == flag.choices.end()) {
    std::vector<std::string> choices(flag.choices.begin(), flag.choices.end());
    UsageError error(str("--", flag.name, ": \"", base::printable(value), "\" is not one of ",
                         base::join(choices, ", ")),
                     "flag-value");
    std::string near = base::nearest(value, choices);
    if (!near.empty()) error.add_help(str("did you mean --", flag.name, "=", near, "?"));
    throw error;
  }
  given_.emplace_back(flag.name, std::move(value));
  if (!origin.empty()) origins_[std::string(flag.name)] = origin;
}

void Arguments::read_environment(const char* (*lookup)(const char*)) {
  for (std::span<const Flag> flags : {std::span<const Flag>(command_->flags), globals_})
    for (const Flag& flag : flags) {
      if (flag.environment.empty() || has(flag.name)) continue;
      const char* value = lookup(std::string(flag.environment).c_str());
      if (value != nullptr && *value != '\0') add(flag, value, str("$", flag.environment));
    }
}

std::string Arguments::origin(std::string_view name) const {
  auto found = origins_.find(std::string(declared(name).name));
  return found == origins_.end() ? "" : found->second;
}

bool Arguments::has(std::string_view name) const { return find(name).has_value(); }

std::optional<std::string> Arguments::find(std::string_view name) const {
  std::string_view canonical = declared(name).name;
  for (auto it = given_.rbegin(); it != given_.rend(); ++it)
    if (it->first == canonical) return it->second;
  return std::nullopt;
}

bool Arguments::is_on(std::string_view name, bool fallback) const {
  std::optional<std::string> value = find(name);
  return value ? *value == "true" : fallback;
}

std::string Arguments::get(std::string_view name, std::string_view fallback) const {
  return find(name).value_or(std::string(fallback));
}

std::vector<std::string> Arguments::all(std::string_view name) const {
  std::string_view canonical = declared(name).name;
  std::vector<std::string> values;
  for (const auto& [flag, value] : given_)
    if (flag == canonical) values.push_back(value);
  return values;
}

namespace {

[[noreturn]] void bad_value(const Arguments& arguments, std::string_view flag,
                            const std::string& value, std::string_view wanted) {
  UsageError error(str("--", flag, ": \"", base::printable(value), "\" is not ", wanted),
                   "flag-value");
  const std::string origin = arguments.origin(flag);
  if (!origin.empty()) error.add_fact("set by " + base::printable(origin));
  throw error;
}

}  // namespace

std::optional<uint64_t> Arguments::number(std::string_view name) const {
  std::optional<std::string> text = find(name);
  if (!text) return std::nullopt;
  std::optional<uint64_t> value = base::parse_decimal(*text);
  if (!value) bad_value(*this, name, *text, "a number");
  return value;
}

std::optional<uint64_t> Arguments::size_bytes(std::string_view name) const {
  std::optional<std::string> text = find(name);
  if (!text) return std::nullopt;
  std::optional<uint64_t> value = base::parse_size(*text);
  if (!value) bad_value(*this, name, *text, "a size such as 512m or 1.5g");
  return value;
}

std::optional<std::chrono::milliseconds> Arguments::duration(std::string_view name) const {
  std::optional<std::string> text = find(name);
  if (!text) return std::nullopt;
  std::optional<std::chrono::milliseconds> value = parse_duration(*text);
  if (!value) bad_value(*this, name, *text, "a duration such as 90s or 1h30m");
  return value;
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  static constexpr std::pair<std::string_view, double> kUnits[] = {
      {"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}, {"d", 86400e3}, {"w", 7 * 86400e3}};
  double total = 0;
  bool first = true;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    double value = 0;
    auto [stop, error] =
        std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    if (error != std::errc() || !(value >= 0)) return std::nullopt;
    text.remove_prefix(static_cast<size_t>(stop - text.data()));
    size_t length = std::min(text.find_first_of("0123456789."), text.size());
    std::string_view unit = length == 0 && first ? "s" : text.substr(0, length);
    const auto* known = std::find_if(std::begin(kUnits), std::end(kUnits),
                                     [&](const auto& u) { return u.first == unit; });
    if (known == std::end(kUnits)) return std::nullopt;
    total += value * known->second;
    text.remove_prefix(length);
    first = false;
  }
  if (total > 9e15) return std::nullopt;
  return std::chrono::milliseconds(static_cast<int64_t>(total));
}

// --- parsing -----------------------------------------------------------------------------------

const Command* find_command(const CommandTable& table, std::string_view name) {
  for (const Command* command : table)
    if (command->name == name ||
        std::find(command->aliases.begin(), command->aliases.end(), name) != command->aliases.end())
      return command;
  return nullptr;
}

namespace {

// Reads one command's words; a cursor over the line with the rules of flags.
class Reader {
 public:
  Reader(Invocation& result, std::span<const std::string> words) : result_(result), words_(words) {}

  // Until the end, or with `until_word` until the first word that is no flag.
  void read(bool until_word);
  size_t position() const { return at_; }

 private:
  void read_long(std::string_view text);
  void read_short(std::string_view letters);
  std::string next_value(const Flag& flag, const std::string& shown);
  void accept(const Flag& flag, std::string value, bool short_form);
  [[noreturn]] void unknown(const std::string& shown) const;

  Invocation& result_;
  std::span<const std::string> words_;
  size_t at_ = 0;
};

void Reader::unknown(const std::string& shown) const {
  const Command& command = result_.arguments.command();
  std::string program = command.name.empty() ? "torte" : str("torte ", command.name);
  UsageError error(str(program, ": unknown flag ", base::printable(shown)), "unknown-flag");
  std::string near = base::nearest(shown, result_.arguments.flag_names());
  if (!near.empty()) error.add_help(str("did you mean ", near, "?"));
  error.add_help(str("\"", program, " --help\" lists the flags"));
  throw error;
}

void Reader::accept(const Flag& flag, std::string value, bool short_form) {
  result_.arguments.add(flag, std::move(value));
  // The command's own -h (run: --hostname) hides ours, so only the flag named help counts.
  if (flag.name == "help" && result_.help != Help::kFull)
    result_.help = short_form ? Help::kShort : Help::kFull;
}

std::string Reader::next_value(const Flag& flag, const std::string& shown) {
  if (at_ < words_.size()) return words_[at_++];
  throw UsageError(str(shown, " needs a value: ", shown, " ", flag.value), "flag-value");
}

void Reader::read_long(std::string_view text) {
  size_t equals = text.find('=');
  std::string name(text.substr(0, equals));
  std::string shown = "--" + name;
  std::optional<std::string> value;
  if (equals != std::string_view::npos) value = std::string(text.substr(equals + 1));
  const Flag* flag = result_.arguments.find_flag(name);
  if (flag == nullptr && name.starts_with("no-") && !value) {
    const Flag* positive = result_.arguments.find_flag(std::string_view(name).substr(3));
    if (positive != nullptr && positive->negatable) return accept(*positive, "false", false);
  }
  if (flag == nullptr) unknown(shown);
  if (flag->is_switch()) {
    std::string setting = base::to_lower(value.value_or("true"));
    if (setting == "1") setting = "true";
    if (setting == "0") setting = "false";
    if (setting != "true" && setting != "false")
      throw UsageError(
          str(shown, " is a switch: it takes true or false, not \"", base::printable(*value), "\""),
          "flag-value");
    return accept(*flag, setting, false);
  }
  if (!value) value = flag->implied.empty() ? next_value(*flag, shown) : std::string(flag->implied);
  accept(*flag, *value, false);
}

void Reader::read_short(std::string_view letters) {
  while (!letters.empty()) {
    std::string shown = str("-", letters[0]);
    const Flag* flag = result_.arguments.find_flag(letters[0]);
    letters.remove_prefix(1);
    if (flag == nullptr) unknown(shown);
    if (flag->is_switch()) {
      accept(*flag, "true", true);
      continue;
    }
    if (letters.starts_with('='))
      letters.remove_prefix(1);
    else if (letters.empty() && !flag->implied.empty())
      return accept(*flag, std::string(flag->implied), true);
    else if (letters.empty())
      return accept(*flag, next_value(*flag, shown), true);
    return accept(*flag, std::string(letters), true);
  }
}

void Reader::read(bool until_word) {
  const size_t verbatim = result_.arguments.command().positionals.verbatim_after;
  while (at_ < words_.size()) {
    const std::string& word = words_[at_];
    bool is_flag = word.size() > 1 && word[0] == '-';
    if (until_word && (!is_flag || word == "--")) return;
    ++at_;
    if (word == "--") break;
    if (is_flag && word[1] == '-')
      read_long(std::string_view(word).substr(2));
    else if (is_flag)
      read_short(std::string_view(word).substr(1));
    else
      result_.arguments.add_word(word);
    if (verbatim > 0 && result_.arguments.words().size() == verbatim) break;
  }
  while (at_ < words_.size()) result_.arguments.add_word(words_[at_++]);
}

void check_count(const Invocation& invocation) {
  const Command& command = *invocation.command;
  size_t count = invocation.arguments.words().size();
  if (count >= command.positionals.min && count <= command.positionals.max) return;
  std::string message = str("torte ", command.name, ": ");
  if (count < command.positionals.min)
    message += count == 0 ? "an argument is missing" : "too few arguments";
  else
    message += str("unexpected argument \"",
                   base::printable(invocation.arguments.word(command.positionals.max)), "\"");
  UsageError error(message, "usage");
  error.add_help(
      str("usage: torte ", command.name, command.usage.empty() ? "" : " ", command.usage));
  throw error;
}

[[noreturn]] void unknown_command(const CommandTable& table, std::span<const std::string> words) {
  std::vector<std::string> names;
  std::vector<std::string> members;
  for (const Command* command : table) {
    if (command->hidden) continue;
    names.emplace_back(command->name);
    names.insert(names.end(), command->aliases.begin(), command->aliases.end());
  }
  for (const std::string& name : names)
    if (name.starts_with(words[0] + " ")) members.push_back(name.substr(words[0].size() + 1));
  if (!members.empty()) {
    bool bare = words.size() < 2 || words[1].starts_with('-');
    UsageError error(
        bare ? str("torte ", words[0], " needs a command")
             : str("torte ", words[0], ": unknown command \"", base::printable(words[1]), "\""),
        "unknown-command");
    std::string near = bare ? "" : base::nearest(words[1], members);
    if (!near.empty()) error.add_help(str("did you mean \"torte ", words[0], " ", near, "\"?"));
    error.add_help(str("one of: ", base::join(members, ", ")));
    throw error;
  }
  UsageError error(str("unknown command \"", base::printable(words[0]), "\""), "unknown-command");
  std::string near = base::nearest(words[0], names);
  if (!near.empty()) error.add_help(str("did you mean \"torte ", near, "\"?"));
  error.add_help("\"torte --help\" lists the commands");
  throw error;
}

// Of "image ls" and "image", the longer name that exists.
std::pair<const Command*, size_t> match(const CommandTable& table,
                                        std::span<const std::string> words) {
  if (words.size() > 1)
    if (const Command* command = find_command(table, words[0] + " " + words[1]))
      return {command, 2};
  if (const Command* command = find_command(table, words[0])) return {command, 1};
  return {nullptr, 0};
}

// "image --help", where "image" alone is no command but "image ls" is one.
bool asks_for_group(const CommandTable& table, std::span<const std::string> words) {
  if (words.size() < 2 || (words[1] != "--help" && words[1] != "-h")) return false;
  std::string prefix = words[0] + " ";
  auto in_group = [&](std::string_view name) { return name.starts_with(prefix); };
  return std::any_of(table.begin(), table.end(), [&](const Command* command) {
    return in_group(command->name) ||
           std::any_of(command->aliases.begin(), command->aliases.end(), in_group);
  });
}

}  // namespace

Invocation parse(const CommandTable& table, std::span<const std::string> words,
                 const char* (*lookup)(const char*)) {
  static const Command kNone{.name = "", .summary = ""};
  Invocation before{nullptr, Arguments(kNone, global_flags()), Help::kNone, {}};
  Reader globals(before, words);
  globals.read(true);
  words = words.subspan(globals.position());
  if (words.empty() || before.help != Help::kNone) {
    before.arguments.read_environment(lookup);
    if (words.empty()) return before;
  }
  auto [command, used] = match(table, words);
  if (command == nullptr && asks_for_group(table, words)) {
    before.group = words[0];
    before.help = Help::kFull;
    return before;
  }
  if (command == nullptr) unknown_command(table, words);
  Invocation result{command, Arguments(*command, global_flags()), before.help, {}};
  for (const auto& [name, value] : before.arguments.in_order())
    result.arguments.add(*before.arguments.find_flag(name), value);
  Reader(result, words.subspan(used)).read(false);
  if (result.help != Help::kNone) return result;
  check_count(result);
  result.arguments.read_environment(lookup);
  return result;
}

}  // namespace cli
