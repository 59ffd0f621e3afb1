#include "cli/completion.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "cli/error_texts.h"

namespace cli {

namespace {

// What the words of a command name.
NameKind kind_of_words(std::string_view command) {
  static const std::set<std::string_view> kImages = {
      "run",  "create", "rmi",     "push",        "inspect", "history",
      "tag",  "untag",  "save",    "mount",       "diff",    "generate oci-bundle",
      "tree", "squash", "flatten", "image rename"};
  static const std::set<std::string_view> kContainers = {"start",
                                                         "stop",
                                                         "restart",
                                                         "kill",
                                                         "pause",
                                                         "unpause",
                                                         "wait",
                                                         "rename",
                                                         "rm",
                                                         "exec",
                                                         "logs",
                                                         "attach",
                                                         "top",
                                                         "stats",
                                                         "port",
                                                         "update",
                                                         "cp",
                                                         "export",
                                                         "commit",
                                                         "container inspect",
                                                         "generate systemd"};
  if (kImages.contains(command)) return NameKind::kImage;
  if (kContainers.contains(command)) return NameKind::kContainer;
  if (command.starts_with("builds ") || command == "explain") return NameKind::kBuild;
  return NameKind::kNone;
}

class Completer {
 public:
  Completer(const CommandTable& table, std::span<const std::string> words)
      : table_(table), words_(words.first(words.size() - 1)), typed_(words.back()) {}

  NameKind find() {
    read_command();
    // The words of a container's program are none of ours.
    if (command_ != nullptr && command_->positionals.verbatim_after > 0 &&
        words_after_ >= command_->positionals.verbatim_after)
      return NameKind::kNone;
    const Flag* waiting = words_.empty() ? nullptr : find_flag(words_.back());
    if (waiting != nullptr && !waiting->is_switch() && waiting->implied.empty() &&
        words_.back().find('=') == std::string::npos)
      return add_values(*waiting, "");
    size_t equals = typed_.find('=');
    if (typed_.starts_with("--") && equals != std::string::npos) {
      const Flag* flag = find_flag(typed_);
      return flag == nullptr ? NameKind::kNone : add_values(*flag, typed_.substr(0, equals + 1));
    }
    if (typed_.starts_with('-')) {
      add_flags();
      return NameKind::kNone;
    }
    if (words_after_ == 0) add_commands();
    if (command_ != nullptr && command_->name == "help") add_help_words();
    return command_ == nullptr ? NameKind::kNone : kind_of_words(command_->name);
  }

  std::vector<std::string> take(const std::vector<std::string>& names) {
    for (const std::string& name : names) add(prefix_ + name);
    return {found_.begin(), found_.end()};
  }

 private:
  void add(std::string word) {
    if (word.starts_with(typed_)) found_.insert(std::move(word));
  }

  // The longest name of a command that the words begin with; flags may stand between.
  void read_command() {
    for (size_t i = 0; i < words_.size(); ++i) {
      if (words_[i].starts_with('-')) {
        const Flag* flag = find_flag(words_[i]);
        if (flag != nullptr && !flag->is_switch() && flag->implied.empty() &&
            words_[i].find('=') == std::string::npos)
          ++i;
        continue;
      }
      const std::string longer = name_.empty() ? words_[i] : name_ + " " + words_[i];
      const bool begins = words_after_ == 0 &&
                          std::any_of(table_.begin(), table_.end(), [&](const Command* command) {
                            return begins_with(*command, longer);
                          });
      if (!begins) {
        ++words_after_;
        continue;
      }
      name_ = longer;
      command_ = find_command(table_, longer);
    }
  }

  static bool is_below(std::string_view name, const std::string& words) {
    return name == words || (name.starts_with(words) && name[words.size()] == ' ');
  }
  static bool begins_with(const Command& command, const std::string& words) {
    return is_below(command.name, words) ||
           std::any_of(command.aliases.begin(), command.aliases.end(),
                       [&](std::string_view alias) { return is_below(alias, words); });
  }

  void add_commands() {
    const std::string before = name_.empty() ? "" : name_ + " ";
    for (const Command* command : table_) {
      if (command->hidden) continue;
      std::vector<std::string_view> names = {command->name};
      // Short forms of single words are known by those who use them.
      if (!before.empty())
        names.insert(names.end(), command->aliases.begin(), command->aliases.end());
      for (std::string_view name : names) {
        if (!name.starts_with(before) || name.size() <= before.size()) continue;
        name.remove_prefix(before.size());
        add(std::string(name.substr(0, name.find(' '))));
      }
    }
  }

  // What help explains besides commands.
  void add_help_words() {
    if (words_after_ == 0) {
      for (const char* word : {"docker", "error"}) add(word);
    } else if (words_after_ == 1 && words_.back() == "error") {
      for (const ErrorText& text : error_texts()) add(std::string(text.id));
    }
  }

  const Flag* find_flag(const std::string& word) const {
    if (!word.starts_with('-') || word.size() < 2) return nullptr;
    const bool is_long = word.starts_with("--");
    const std::string name = is_long ? word.substr(2, word.find('=') - 2) : "";
    auto matches = [&](const Flag& flag) {
      if (!is_long) return flag.letter == word.back();
      return flag.name == name ||
             std::find(flag.aliases.begin(), flag.aliases.end(), name) != flag.aliases.end();
    };
    for (std::span<const Flag> flags :
         {command_ != nullptr ? std::span<const Flag>(command_->flags) : std::span<const Flag>(),
          global_flags()})
      for (const Flag& flag : flags)
        if (matches(flag)) return &flag;
    return nullptr;
  }

  void add_flags() {
    auto add_all = [&](std::span<const Flag> flags) {
      for (const Flag& flag : flags) {
        if (flag.hidden) continue;
        add(base::str("--", flag.name));
        if (flag.negatable) add(base::str("--no-", flag.name));
      }
    };
    if (command_ != nullptr) add_all(command_->flags);
    add_all(global_flags());
  }

  NameKind add_values(const Flag& flag, std::string prefix) {
    for (std::string_view choice : flag.choices) add(base::str(prefix, choice));
    prefix_ = std::move(prefix);
    if (flag.name == "target" && command_ != nullptr) return NameKind::kStage;
    return flag.name == "tag" ? NameKind::kImage : NameKind::kNone;
  }

  const CommandTable& table_;
  std::span<const std::string> words_;
  const std::string& typed_;
  std::string name_;
  const Command* command_ = nullptr;
  size_t words_after_ = 0;
  std::string prefix_;
  std::set<std::string> found_;
};

}  // namespace

std::vector<std::string> complete(
    const CommandTable& table, std::span<const std::string> words,
    const std::function<std::vector<std::string>(NameKind, std::span<const std::string>)>& names) {
  if (words.empty()) return {};
  Completer completer(table, words);
  const NameKind kind = completer.find();
  return completer.take(kind == NameKind::kNone ? std::vector<std::string>()
                                                : names(kind, words.first(words.size() - 1)));
}

}  // namespace cli
