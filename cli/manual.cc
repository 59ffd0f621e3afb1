#include "cli/manual.h"

#include <algorithm>

#include "base/sys/file.h"
#include "base/text.h"
#include "cli/help.h"

namespace cli {

using base::str;

namespace {

// Text that roff takes as it is: a hyphen-minus that can be copied, no line that is a request.
std::string escape(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (out.empty() && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
  }
  return out;
}

std::string bold(std::string_view text) { return str("\\fB", escape(text), "\\fR"); }
std::string italic(std::string_view text) { return str("\\fI", escape(text), "\\fR"); }

std::string page_name(std::string_view command) {
  std::string name(command);
  std::replace(name.begin(), name.end(), ' ', '-');
  return "torte-" + name;
}

std::string head(std::string_view name, std::string_view summary) {
  return str(".TH \"", escape(name), "\" 1 \"\" \"torte ", TORTE_VERSION,
             "\" \"torte manual\"\n.nh\n.ad l\n.SH NAME\n", escape(name), " \\- ", escape(summary),
             "\n");
}

std::string section(std::string_view title) {
  std::string upper(title);
  for (char& c : upper)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return str(".SH \"", escape(upper), "\"\n");
}

std::string tagged(const std::string& tag, std::string_view text) {
  return str(".TP\n", tag, "\n", escape(text), "\n");
}

std::string flag_tag(const Flag& flag) {
  std::string tag = flag.letter != 0 ? str(bold(str("-", flag.letter)), ", ") : "";
  tag += bold(str(flag.negatable ? "--[no-]" : "--", flag.name));
  if (flag.is_switch()) return tag;
  return tag +
         (flag.implied.empty() ? str(" ", italic(flag.value)) : str("[=", italic(flag.value), "]"));
}

std::string flag_list(std::span<const Flag> flags, std::string_view group = {}) {
  std::string out;
  for (const Flag& flag : flags) {
    if (flag.hidden || flag.group != group) continue;
    out += tagged(flag_tag(flag), flag_text(flag));
  }
  return out;
}

// In the order in which they come.
template <typename Items, typename Group>
std::vector<std::string_view> groups_of(const Items& items, Group group) {
  std::vector<std::string_view> groups;
  for (const auto& item : items)
    if (std::find(groups.begin(), groups.end(), group(item)) == groups.end())
      groups.push_back(group(item));
  return groups;
}

std::string examples(const Command& command) {
  if (command.examples.empty()) return "";
  std::string out = section("examples");
  for (const Example& example : command.examples)
    out += tagged(bold(example.command), example.meaning);
  return out;
}

void write(const std::filesystem::path& directory, const std::string& name,
           const std::string& page) {
  sys::write_file_durably(directory / (name + ".1"), page, 0644);
}

}  // namespace

std::string manual_name(const Command& command) { return page_name(command.name); }

std::string manual_page(const Command& command) {
  std::string out = head(manual_name(command), command.summary) + section("synopsis");
  out += str(bold(str("torte ", command.name)), command.usage.empty() ? "" : " ",
             escape(command.usage), "\n");
  if (!command.aliases.empty())
    out += str(".PP\nAlso: ",
               escape(base::join({command.aliases.begin(), command.aliases.end()}, ", ")), "\n");
  if (!command.about.empty()) out += section("description");
  std::string_view before;
  for (const std::string& paragraph : base::split(command.about, '\n')) {
    if (paragraph.empty()) continue;
    out += str(before, escape(paragraph), "\n");
    before = ".PP\n";
  }
  for (std::string_view group :
       groups_of(command.flags, [](const Flag& flag) { return flag.group; })) {
    const std::string flags = flag_list(command.flags, group);
    if (!flags.empty()) out += section(group.empty() ? "flags" : group) + flags;
  }
  out += section("global flags") + flag_list(global_flags()) + examples(command);
  return out + section("see also") + bold("torte") + "(1)\n";
}

std::string manual_page(const CommandTable& table) {
  std::string out =
      head("torte", "builds, keeps, ships and runs container images") + section("synopsis");
  out += bold("torte") + " [GLOBAL FLAGS] COMMAND [FLAGS] [ARGUMENTS]\n";
  for (std::string_view group :
       groups_of(table, [](const Command* command) { return command->group; })) {
    std::string commands;
    for (const Command* command : table)
      if (command->group == group && !command->hidden)
        commands += tagged(bold(manual_name(*command)) + "(1)", command->summary);
    if (!commands.empty()) out += section(group.empty() ? "commands" : group) + commands;
  }
  return out + section("global flags") + flag_list(global_flags());
}

void write_manual(const CommandTable& table, const std::filesystem::path& directory) {
  std::filesystem::create_directories(directory);
  write(directory, "torte", manual_page(table));
  for (const Command* command : table) {
    if (command->hidden) continue;
    write(directory, manual_name(*command), manual_page(*command));
    for (std::string_view alias : command->aliases)
      write(directory, page_name(alias), str(".so man1/", manual_name(*command), ".1\n"));
  }
}

}  // namespace cli
