#include "builder/dockerfile/commands.h"

#include <algorithm>

#include "base/text.h"
#include "builder/dockerfile/characters.h"
#include "builder/dockerfile/interpret.h"
#include "builder/dockerfile/ports.h"
#include "builder/dockerfile/signal.h"
#include "builder/dockerfile/word.h"

namespace dockerfile {

namespace {

// The text of a doc comment "name text" (L14).
std::string description(const Instruction& instruction, std::string_view name) {
  if (name.empty()) return {};
  for (const std::string& line : instruction.doc_comments) {
    if (line.size() > name.size() && line[name.size()] == ' ' &&
        line.substr(0, name.size()) == name)
      return line.substr(name.size() + 1);
  }
  return {};
}

bool is_stage_name(std::string_view name) {
  if (name.empty() || name[0] < 'a' || name[0] > 'z') return false;
  return name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.") ==
         std::string_view::npos;
}

void no_flags(Findings& findings) { Flags(std::vector<FlagSpec>{}, findings); }

// NAME,.. or "all".
std::vector<std::string> read_resets(Findings& findings, const Flags& flags) {
  std::vector<std::string> resets;
  const std::vector<std::string> known(std::begin(kResettable), std::end(kResettable));
  for (const std::string& name : base::split(flags.text("reset").value_or(""), ',')) {
    if (name == "all") return known;
    if (std::find(known.begin(), known.end(), name) != known.end())
      resets.push_back(name);
    else if (flags.text("reset"))
      findings.error_at(flags.where("reset"), "invalid-flag-value",
                        base::str("--reset takes all, or ", base::join(known, ", "), ", not \"",
                                  base::printable(name, 60), "\""));
  }
  return resets;
}

From interpret_from(Findings& findings) {
  const Instruction& in = findings.instruction();
  Flags flags({{"platform", FlagSpec::kText}, {"reset", FlagSpec::kText, true}}, findings);
  From out;
  out.platform = flags.text("platform");
  out.platform_where = flags.where("platform");
  out.resets = read_resets(findings, flags);
  bool has_as = in.args.size() == 3 && base::to_lower(in.args[1]) == "as";
  if (in.args.size() != 1 && !has_as) {
    findings.error("from-arguments", "FROM takes an image, or an image, AS and a name",
                   {"write FROM image, or FROM image AS name"});
  }
  if (!in.args.empty()) out.image = in.args[0];
  if (!has_as) return out;
  out.as_as_written = in.args[1];
  out.name_as_written = in.args[2];
  out.name = base::to_lower(in.args[2]);
  out.description = description(in, out.name);
  if (!is_stage_name(out.name)) {
    findings.error_at(in.arg_range(2), "invalid-stage-name",
                      base::str("\"", base::printable(in.args[2], 80), "\" is no stage name"),
                      {"a name starts with a letter and has letters, digits, - _ and . only"});
  }
  return out;
}

std::string one_text(Findings& findings, const char* what) {
  no_flags(findings);
  const Instruction& in = findings.instruction();
  if (in.args.size() == 1) return in.args[0];
  findings.error("missing-argument", base::str(findings.keyword(), " needs ", what));
  return {};
}

CommandLine command_line(Findings& findings) {
  const Instruction& in = findings.instruction();
  no_flags(findings);
  // After "CMD --version" the flag alone is the mistake worth naming.
  if (in.args.empty() && !in.json && findings.empty()) {
    findings.error("missing-argument", base::str(findings.keyword(), " needs a command"),
                   {base::str(findings.keyword(), " [] clears an inherited one")});
  }
  return {in.json, in.args};
}

template <typename Pairs>
Pairs interpret_pairs(Findings& findings) {
  const Instruction& in = findings.instruction();
  no_flags(findings);
  Pairs out;
  if (in.args.empty()) {
    findings.error("missing-argument", base::str(findings.keyword(), " needs name=value"));
  }
  for (size_t i = 0; i + 2 < in.args.size(); i += 3) {
    if (in.args[i].empty()) {
      findings.error_at(in.arg_range(i + 2), "empty-name",
                        base::str(findings.keyword(), " has a pair without a name"));
    }
    out.pairs.push_back({in.args[i], in.args[i + 1]});
    out.legacy = out.legacy || in.args[i + 2].empty();
  }
  return out;
}

Arg interpret_arg(Findings& findings) {
  const Instruction& in = findings.instruction();
  no_flags(findings);
  Arg out;
  if (in.args.empty()) findings.error("missing-argument", "ARG needs a name");
  for (size_t i = 0; i < in.args.size(); ++i) {
    size_t equals = in.args[i].find('=');
    ArgDefinition definition;
    definition.name = in.args[i].substr(0, equals);
    if (equals != std::string::npos) definition.value = in.args[i].substr(equals + 1);
    definition.where = in.arg_range(i);
    definition.description = description(in, definition.name);
    if (definition.name.empty())
      findings.error_at(definition.where, "empty-name", "ARG has a value without a name");
    out.args.push_back(std::move(definition));
  }
  return out;
}

Shell interpret_shell(Findings& findings) {
  const Instruction& in = findings.instruction();
  no_flags(findings);
  if (in.args.empty()) {
    findings.error("missing-argument", "SHELL needs at least one word");
  } else if (!in.json) {
    findings.error_at(in.arg_range(0), "shell-not-json", "SHELL must be in JSON form",
                      {"for example SHELL [\"/bin/bash\", \"-c\"]"});
  }
  return {in.args};
}

Expose interpret_expose(Findings& findings) {
  const Instruction& in = findings.instruction();
  no_flags(findings);
  if (in.args.empty()) findings.error("missing-argument", "EXPOSE needs a port");
  for (size_t i = 0; i < in.args.size(); ++i) {
    if (in.args[i].find_first_of("$'\"\\`") != std::string::npos) continue;
    check_value(findings, in.arg_range(i), [&] { parse_port(in.args[i]); });
  }
  return {in.args};
}

Volume interpret_volume(Findings& findings) {
  const Instruction& in = findings.instruction();
  no_flags(findings);
  Volume out;
  if (in.args.empty()) findings.error("missing-argument", "VOLUME needs a path");
  for (size_t i = 0; i < in.args.size(); ++i) {
    out.paths.emplace_back(trim_space(in.args[i]));
    if (out.paths.back().empty())
      findings.error_at(in.arg_range(i), "empty-volume", "VOLUME has an empty path");
  }
  return out;
}

StopSignal interpret_stopsignal(Findings& findings) {
  std::string text = one_text(findings, "a signal");
  if (!text.empty() && text.find_first_of("$'\"\\`") == std::string::npos && !is_signal(text)) {
    findings.value_error_at(findings.instruction().arg_range(0), "invalid-signal",
                            base::str("\"", base::printable(text, 60), "\" is no signal of Linux"));
  }
  return {std::move(text)};
}

Onbuild interpret_onbuild(Findings& findings) {
  const Instruction& in = findings.instruction();
  no_flags(findings);
  if (!in.trigger) {
    findings.error("missing-argument", "ONBUILD needs an instruction");
    return {};
  }
  Keyword keyword = in.trigger->keyword;
  if (keyword == Keyword::kOnbuild || keyword == Keyword::kFrom ||
      keyword == Keyword::kMaintainer) {
    findings.error_at(in.trigger->where, "onbuild-trigger",
                      base::str(base::to_upper(in.trigger->name), " cannot be an ONBUILD trigger"));
  }
  return {in.trigger, trigger_text(in)};
}

void unknown_keyword(Findings& findings) {
  const Instruction& in = findings.instruction();
  std::vector<std::string> helps;
  std::string near = base::nearest(in.name, keyword_names());
  if (!near.empty()) helps.push_back(base::str("did you mean ", near, "?"));
  findings.error("unknown-instruction",
                 in.name.empty()
                     ? "a continued line without an instruction"
                     : base::str("unknown instruction ", base::printable(in.written, 60)),
                 std::move(helps));
}

Command interpret_into(Findings& findings) {
  switch (findings.instruction().keyword) {
    case Keyword::kFrom:
      return interpret_from(findings);
    case Keyword::kRun:
      return interpret_run(findings);
    case Keyword::kAdd:
    case Keyword::kCopy:
      return interpret_copy(findings);
    case Keyword::kEnv:
      return interpret_pairs<Env>(findings);
    case Keyword::kLabel:
      return interpret_pairs<Label>(findings);
    case Keyword::kArg:
      return interpret_arg(findings);
    case Keyword::kWorkdir:
      return Workdir{one_text(findings, "a path")};
    case Keyword::kUser:
      return User{one_text(findings, "a user")};
    case Keyword::kCmd:
      return Cmd{command_line(findings)};
    case Keyword::kEntrypoint:
      return Entrypoint{command_line(findings)};
    case Keyword::kShell:
      return interpret_shell(findings);
    case Keyword::kExpose:
      return interpret_expose(findings);
    case Keyword::kVolume:
      return interpret_volume(findings);
    case Keyword::kStopsignal:
      return interpret_stopsignal(findings);
    case Keyword::kHealthcheck:
      return interpret_healthcheck(findings);
    case Keyword::kOnbuild:
      return interpret_onbuild(findings);
    case Keyword::kMaintainer:
      return Maintainer{one_text(findings, "a name")};
    case Keyword::kUnknown:
      break;
  }
  unknown_keyword(findings);
  return Maintainer{};
}

}  // namespace

Command interpret(const Instruction& instruction) {
  Findings findings(instruction);
  Command out = interpret_into(findings);
  if (!findings.empty()) throw RecipeError(findings.take());
  return out;
}

}  // namespace dockerfile
