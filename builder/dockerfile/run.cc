#include "base/text.h"
#include "builder/dockerfile/interpret.h"
#include "builder/dockerfile/word.h"

namespace dockerfile {

namespace {

// NAME[,required[=bool]], or name=NAME among the options (R4).
Device parse_device(std::string_view text) {
  auto fail = [&](std::string_view why) {
    throw base::Error(base::Code::kInvalid,
                      base::str("--device=", base::printable(text, 80), ": ", why),
                      "invalid-device");
  };
  Device out;
  for (const std::string& field : split_csv(text)) {
    size_t equals = field.find('=');
    std::string key = base::to_lower(field.substr(0, equals));
    if (key == "required") {
      std::optional<bool> value = equals == std::string::npos
                                      ? std::optional(true)
                                      : parse_bool(std::string_view(field).substr(equals + 1));
      if (!value) fail("required takes true or false");
      out.required = value.value_or(false);
    } else if (out.name.empty() && (equals == std::string::npos || key == "name")) {
      out.name = equals == std::string::npos || key != "name" ? field : field.substr(equals + 1);
    } else if (out.name.empty()) {
      out.name = field;  // device names may hold '=', as in vendor.com/class=name
    } else {
      fail(base::str("unknown option \"", base::printable(key, 60), "\""));
    }
  }
  if (out.name.empty()) fail("a device needs a name");
  return out;
}

void read_mounts(Findings& findings, const Flags& flags, Run& out) {
  std::vector<std::string> texts = flags.texts("mount");
  for (size_t i = 0; i < texts.size(); ++i) {
    base::SourceRange where = flags.where("mount", i);
    MountOptions options;
    try {
      if (texts[i].empty())
        throw base::Error(base::Code::kInvalid, "--mount is empty", "invalid-mount");
      options = split_mount(texts[i], where);
    } catch (const base::Error& e) {
      findings.error_at(where, e.id(), e.message(), e.helps());
      continue;
    }
    check_value(findings, where, [&] {
      // With variables the values are known only later; the planner resolves it again anyway.
      if (!has_variable(texts[i]))
        resolve_mount(options, [](std::string_view value) { return std::string(value); });
      out.mounts.push_back(std::move(options));
    });
  }
}

void read_network(Findings& findings, const Flags& flags, Run& out) {
  std::optional<std::string> value = flags.text("network");
  if (!value || *value == "default") return;
  if (*value == "none") {
    out.network = Network::kNone;
  } else if (*value == "host") {
    out.network = Network::kHost;
  } else {
    findings.error_at(flags.where("network"), "invalid-flag-value",
                      base::str("--network takes default, none or host, not \"",
                                base::printable(*value, 60), "\""));
  }
}

void read_trials(Findings& findings, const Flags& flags, Run& out) {
  constexpr uint64_t kMostRetries = 100;
  if (std::optional<std::string> text = flags.text("timeout")) {
    std::optional<std::chrono::nanoseconds> value = parse_duration(*text);
    if (!value || *value < std::chrono::milliseconds(1))
      findings.error_at(
          flags.where("timeout"), "invalid-duration",
          base::str("--timeout takes a time, not \"", base::printable(*text, 60), "\""),
          {"for example 90s or 1m30s"});
    out.timeout = value.value_or(std::chrono::nanoseconds(0));
  }
  if (std::optional<std::string> text = flags.text("retry")) {
    std::optional<uint64_t> value = base::parse_decimal(*text);
    if (!value || *value > kMostRetries)
      findings.error_at(flags.where("retry"), "invalid-flag-value",
                        base::str("--retry takes a number up to ", kMostRetries, ", not \"",
                                  base::printable(*text, 60), "\""));
    else
      out.retries = static_cast<int>(*value);
  }
}

void read_security(Findings& findings, const Flags& flags, Run& out) {
  std::optional<std::string> value = flags.text("security");
  out.insecure = value == "insecure";
  if (value && !out.insecure && *value != "sandbox") {
    findings.error_at(flags.where("security"), "invalid-flag-value",
                      base::str("--security takes sandbox or insecure, not \"",
                                base::printable(*value, 60), "\""));
  }
}

}  // namespace

Run interpret_run(Findings& findings) {
  const Instruction& in = findings.instruction();
  Flags flags({{"mount", FlagSpec::kTexts},
               {"network", FlagSpec::kText},
               {"security", FlagSpec::kText},
               {"device", FlagSpec::kTexts},
               {"timeout", FlagSpec::kText, true},
               {"retry", FlagSpec::kText, true}},
              findings);
  Run out;
  out.command = {in.json, in.args};
  out.heredocs = in.heredocs;
  // A bare RUN is a shell with nothing to do, as the reference has it; `RUN []` has no program.
  if (in.args.empty() && !in.json) out.command.args = {""};
  if (out.command.args.empty()) findings.error("missing-argument", "RUN [] names no program");
  read_mounts(findings, flags, out);
  read_network(findings, flags, out);
  read_security(findings, flags, out);
  read_trials(findings, flags, out);
  std::vector<std::string> devices = flags.texts("device");
  for (size_t i = 0; i < devices.size(); ++i) {
    try {
      out.devices.push_back(parse_device(devices[i]));
    } catch (const base::Error& e) {
      findings.error_at(flags.where("device", i), e.id(), e.message(), e.helps());
    }
  }
  return out;
}

bool Run::is_single_heredoc() const {
  if (command.json || command.args.size() != 1 || heredocs.size() != 1) return false;
  std::vector<Heredoc> starts = heredoc_starts(command.args[0]);
  if (starts.size() != 1) return false;
  std::optional<Heredoc> whole;
  try {
    whole = heredoc_start(command.args[0]);
  } catch (const base::Error&) {
    return false;
  }
  return whole && whole->name == heredocs[0].name;
}

}  // namespace dockerfile
