#include "cli/help.h"

#include <algorithm>

#include "base/text.h"

namespace cli {

using base::str;

namespace {

constexpr size_t kNameColumn = 32;  // flag descriptions start at most here
constexpr size_t kShortFlags = 8;
constexpr size_t kShortExamples = 3;

struct Row {
  std::string left;
  std::string right;
};

std::string flag_label(const Flag& flag) {
  std::string label = flag.letter != 0 ? str("-", flag.letter, ", ") : std::string("    ");
  label += str(flag.negatable ? "--[no-]" : "--", flag.name);
  if (flag.is_switch()) return label;
  return label + (flag.implied.empty() ? str(" ", flag.value) : str("[=", flag.value, "]"));
}

std::string render(const std::vector<Row>& rows, int width) {
  size_t column = 0;
  for (const Row& row : rows) column = std::max(column, row.left.size() + 2);
  column = std::min(column, kNameColumn);
  size_t room = static_cast<size_t>(std::max(width, 60)) - column - 2;
  std::string out;
  for (const Row& row : rows) {
    out += "  " + row.left;
    if (row.left.size() + 2 > column)
      out += "\n" + std::string(column + 2, ' ');
    else
      out += std::string(column - row.left.size(), ' ');
    out += wrap(row.right, room, column + 2) + "\n";
  }
  return out;
}

std::string usage_line(const Command& command) {
  return str("usage: torte ", command.name, command.usage.empty() ? "" : " ", command.usage, "\n");
}

std::string render_examples(const Command& command, size_t limit) {
  std::string out;
  for (const Example& example : command.examples) {
    if (limit-- == 0) break;
    out += str("  ", example.command, "\n      ", example.meaning, "\n");
  }
  return out.empty() ? out : "\nexamples:\n" + out;
}

template <typename Pick>
std::vector<Row> flag_rows(std::span<const Flag> flags, Pick pick) {
  std::vector<Row> rows;
  for (const Flag& flag : flags)
    if (!flag.hidden && pick(flag)) rows.push_back({flag_label(flag), flag_text(flag)});
  return rows;
}

}  // namespace

std::string flag_text(const Flag& flag) {
  std::string text(flag.help);
  if (!flag.choices.empty())
    text += str(" (", base::join({flag.choices.begin(), flag.choices.end()}, ", "), ")");
  if (!flag.implied.empty()) text += str("; alone: ", flag.implied);
  if (flag.repeatable) text += "; repeatable";
  if (!flag.environment.empty()) text += str(" [$", flag.environment, "]");
  return text;
}

std::string wrap(std::string_view text, size_t width, size_t indent) {
  std::string out;
  size_t used = 0;
  for (const std::string& word : base::split(text, ' ')) {
    if (used > 0 && used + 1 + word.size() > width) {
      out += "\n" + std::string(indent, ' ');
      used = 0;
    } else if (used > 0) {
      out += ' ';
      ++used;
    }
    out += word;
    used += word.size();
  }
  return out;
}

std::string short_help(const Command& command, int width) {
  std::string out = str(command.summary, "\n\n", usage_line(command));
  std::vector<Row> rows = flag_rows(command.flags, [](const Flag& f) { return f.common; });
  size_t visible = static_cast<size_t>(std::count_if(command.flags.begin(), command.flags.end(),
                                                     [](const Flag& f) { return !f.hidden; }));
  if (rows.empty()) rows = flag_rows(command.flags, [](const Flag&) { return true; });
  if (rows.size() > kShortFlags) rows.resize(kShortFlags);
  if (!rows.empty()) out += "\nflags:\n" + render(rows, width);
  if (rows.size() < visible) out += str("  ... --help lists all ", visible, "\n");
  return out + render_examples(command, kShortExamples);
}

std::string full_help(const Command& command, int width) {
  std::string out = str(command.summary, "\n\n", usage_line(command));
  if (!command.aliases.empty())
    out += str("also: ", base::join({command.aliases.begin(), command.aliases.end()}, ", "), "\n");
  for (const std::string& paragraph : base::split(command.about, '\n'))
    if (!paragraph.empty())
      out += "\n" + wrap(paragraph, static_cast<size_t>(std::max(width, 60)), 0) + "\n";
  std::vector<std::string_view> groups;
  for (const Flag& flag : command.flags)
    if (std::find(groups.begin(), groups.end(), flag.group) == groups.end())
      groups.push_back(flag.group);
  for (std::string_view group : groups) {
    std::vector<Row> rows =
        flag_rows(command.flags, [&](const Flag& f) { return f.group == group; });
    if (!rows.empty())
      out += str("\n", group.empty() ? "flags" : group, ":\n", render(rows, width));
  }
  out += "\nglobal flags:\n" +
         render(flag_rows(global_flags(), [](const Flag&) { return true; }), width);
  return out + render_examples(command, command.examples.size());
}

std::string program_help(const CommandTable& table, int width, std::string_view group) {
  std::string out = group.empty() ? "torte builds, keeps, ships and runs container images\n\n"
                                    "usage: torte [GLOBAL FLAGS] COMMAND [FLAGS] [ARGUMENTS]\n"
                                  : str("usage: torte ", group, " COMMAND [FLAGS] [ARGUMENTS]\n");
  std::vector<std::string_view> headings;
  for (const Command* command : table)
    if (std::find(headings.begin(), headings.end(), command->group) == headings.end())
      headings.push_back(command->group);
  for (std::string_view heading : headings) {
    std::vector<Row> rows;
    for (const Command* command : table) {
      if (command->group != heading || command->hidden) continue;
      std::vector<std::string_view> names = {command->name};
      names.insert(names.end(), command->aliases.begin(), command->aliases.end());
      for (size_t i = 0; i < names.size(); ++i)
        if (group.empty() ? i == 0 : names[i].starts_with(str(group, " ")))
          rows.push_back({std::string(names[i]), std::string(command->summary)});
    }
    if (!rows.empty())
      out += str("\n", heading.empty() ? "commands" : heading, ":\n", render(rows, width));
  }
  if (group.empty())
    out += "\nglobal flags:\n" +
           render(flag_rows(global_flags(), [](const Flag&) { return true; }), width);
  return out + "\n\"torte COMMAND --help\" describes a command\n";
}

}  // namespace cli
