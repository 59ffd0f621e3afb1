#include "builder/dockerfile/checks.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/text.h"
#include "builder/dockerfile/commands.h"
#include "builder/dockerfile/ports.h"
#include "builder/dockerfile/word.h"

namespace dockerfile {

namespace {

bool is_lower(std::string_view text) { return base::to_lower(text) == text; }
bool is_upper(std::string_view text) { return base::to_upper(text) == text; }

// What the checks must remember of a stage.
struct Stage {
  std::string name;
  bool has_shell = false;         // SHELL was set here or in a base stage of this recipe
  bool has_absolute_dir = false;  // likewise an absolute WORKDIR
  std::optional<size_t> cmd, entrypoint, healthcheck;  // last one of the stage
};

class Checker {
 public:
  Checker(const Recipe& recipe, const CheckConfig& config) : recipe_(recipe), config_(config) {}

  std::vector<Diagnostic> run() {
    for (const Diagnostic& warning : recipe_.warnings)
      if (config_.wants(warning.id)) out_.push_back(warning);
    find_casing();
    for (index_ = 0; index_ < recipe_.instructions.size(); ++index_) {
      if (recipe_.instructions[index_].broken) continue;
      check_casing();
      try {
        Command command = interpret(here());
        std::visit([this](const auto& c) { check(c); }, command);
      } catch (const RecipeError&) {
        // Errors are validate()'s business.
      }
    }
    sort_by_place(out_);
    return std::move(out_);
  }

 private:
  const Instruction& here() const { return recipe_.instructions[index_]; }

  void warn_at(const Instruction& instruction, base::SourceRange where, const char* id,
               std::string message, std::vector<std::string> helps = {}) {
    if (!config_.wants(id, instruction)) return;
    out_.push_back({id, std::move(message), std::move(where), std::move(helps), true});
  }
  void warn(const char* id, std::string message, std::vector<std::string> helps = {}) {
    warn_at(here(), here().arg_range(SIZE_MAX), id, std::move(message), std::move(helps));
  }
  void warn_arg(size_t arg, const char* id, std::string message,
                std::vector<std::string> helps = {}) {
    warn_at(here(), here().arg_range(arg), id, std::move(message), std::move(helps));
  }

  // Keywords in mixed case do not vote.
  void find_casing() {
    int lower = 0, upper = 0;
    for (const Instruction& i : recipe_.instructions) {
      if (is_lower(i.written)) ++lower;
      if (is_upper(i.written)) ++upper;
    }
    mostly_lower_ = lower > upper;
  }

  void check_casing() {
    const std::string& written = here().written;
    if (mostly_lower_ ? is_lower(written) : is_upper(written)) return;
    warn("ConsistentInstructionCasing",
         base::str("write ", mostly_lower_ ? base::to_lower(written) : base::to_upper(written),
                   " like the other instructions, not ", base::printable(written, 40)));
  }

  Stage* stage() { return stages_.empty() ? nullptr : &stages_.back(); }

  void check(const From& from) {
    bool upper = is_upper(here().written), lower = is_lower(here().written);
    if (!from.as_as_written.empty() &&
        ((upper && !is_upper(from.as_as_written)) || (lower && !is_lower(from.as_as_written)))) {
      warn_arg(1, "FromAsCasing",
               base::str("\"", from.as_as_written, "\" and \"", here().written,
                         "\" are written in different case"));
    }
    check_stage_name(from);
    check_from_variables(from.image, here().arg_range(0));
    check_platform(from);
    check_default_image(from);
    check_description(from.name, from.description);
    Stage next;
    next.name = from.name;
    for (const Stage& earlier : stages_) {
      if (earlier.name.empty() || earlier.name != base::to_lower(from.image)) continue;
      next.has_shell = earlier.has_shell;
      next.has_absolute_dir = earlier.has_absolute_dir;
    }
    stages_.push_back(std::move(next));
  }

  void check_stage_name(const From& from) {
    if (from.name.empty()) return;
    if (from.name != from.name_as_written) {
      warn_arg(2, "StageNameCasing",
               base::str("the stage name \"", from.name_as_written, "\" should be lower case"));
    }
    bool twice = std::any_of(stages_.begin(), stages_.end(),
                             [&](const Stage& s) { return s.name == from.name; });
    if (twice)
      warn_arg(2, "DuplicateStageName",
               base::str("the stage name \"", from.name, "\" is used twice"));
    if (from.name == "scratch" || from.name == "context")
      warn_arg(2, "ReservedStageName",
               base::str("\"", from.name, "\" is reserved and no good stage name"));
  }

  std::optional<std::string> global(std::string_view name) const {
    auto found = globals_.find(std::string(name));
    return found == globals_.end() ? std::nullopt : found->second;
  }
  bool is_global(std::string_view name) const {
    const auto& automatic = automatic_arguments();
    return globals_.count(std::string(name)) > 0 ||
           std::find(automatic.begin(), automatic.end(), name) != automatic.end();
  }

  void check_from_variables(const std::string& text, const base::SourceRange& where) {
    ExpandOptions options;
    options.escape = recipe_.escape;
    std::set<std::string, std::less<>> said;
    auto undeclared = [&](std::string_view name) {
      if (is_global(name) || !said.emplace(name).second) return;
      std::vector<std::string> names = automatic_arguments(), helps;
      for (const auto& entry : globals_) names.push_back(entry.first);
      std::string near = base::nearest(name, names);
      if (!near.empty()) helps.push_back(base::str("did you mean ", near, "?"));
      helps.push_back("FROM sees only ARG lines above the first FROM");
      warn_at(here(), where, "UndefinedArgInFrom",
              base::str("FROM uses the undeclared argument ", base::printable(name, 80)), helps);
    };
    try {
      // ${name:-default} too: FROM does not see the argument that was meant.
      auto lookup = [&](std::string_view name) {
        undeclared(name);
        return global(name);
      };
      expand(text, lookup, options);
    } catch (const base::Error&) {
      // The planner reports it, with the values that are really used.
    }
  }

  void check_platform(const From& from) {
    if (!from.platform) return;
    const base::SourceRange& where = from.platform_where;
    const std::string& platform = *from.platform;
    check_from_variables(platform, where);
    if (platform == "$TARGETPLATFORM" || platform == "${TARGETPLATFORM}") {
      warn_at(here(), where, "RedundantTargetPlatform",
              base::str("--platform=", platform, " is the default and can be left out"));
    }
    if (platform.find('$') != std::string::npos) return;
    // A stage such as "build-arm64" says that it is for that machine.
    for (const std::string& part : base::split(platform, '/'))
      if (!part.empty() && from.name.find(base::to_lower(part)) != std::string::npos) return;
    warn_at(here(), where, "FromPlatformFlagConstDisallowed",
            base::str("--platform=", base::printable(platform, 80), " is constant"),
            {"use $BUILDPLATFORM, or leave it to --platform of the build"});
  }

  void check_default_image(const From& from) {
    if (!has_variable(from.image)) return;
    ExpandOptions options;
    options.escape = recipe_.escape;
    std::string image;
    bool unknown = false;
    try {
      image = expand(
          from.image,
          [&](std::string_view name) -> std::optional<std::string> {
            if (globals_.count(std::string(name)) == 0) unknown = true;
            return global(name);
          },
          options);
    } catch (const base::Error&) {
      return;
    }
    if (unknown) return;
    bool bad = image.empty() ||
               std::string_view(":/@").find(image.front()) != std::string_view::npos ||
               std::string_view(":/@").find(image.back()) != std::string_view::npos ||
               image.find_first_of(" \t") != std::string::npos;
    if (bad) {
      warn_arg(0, "InvalidDefaultArgInFrom",
               base::str("with default arguments ", base::printable(from.image, 80),
                         " is no image name"));
    }
  }

  // Experimental: a comment above ARG or FROM should describe it by name (L14).
  void check_description(const std::string& name, const std::string& description) {
    if (here().doc_comments.empty() || name.empty() || !description.empty()) return;
    warn("InvalidDefinitionDescription", base::str("the comment above should start with \"", name,
                                                   "\", or be set apart by an empty line"));
  }

  void check(const Arg& arg) {
    bool described = std::any_of(arg.args.begin(), arg.args.end(),
                                 [](const ArgDefinition& d) { return !d.description.empty(); });
    if (!described && !arg.args.empty()) check_description(arg.args[0].name, "");
    for (size_t i = 0; i < arg.args.size(); ++i) {
      check_secret(arg.args[i].name, i);
      if (stages_.empty()) declare_global(arg.args[i]);
    }
  }

  void declare_global(const ArgDefinition& definition) {
    ExpandOptions options;
    options.escape = recipe_.escape;
    std::optional<std::string>& value = globals_[definition.name];
    if (!definition.value) return;
    try {
      value = expand(
          *definition.value, [&](std::string_view n) { return global(n); }, options);
    } catch (const base::Error&) {
      value = definition.value;
    }
  }

  void check_secret(const std::string& name, size_t arg) {
    if (!looks_secret(name) || !stage()) return;  // one above FROM reaches no image by itself
    warn_arg(arg, "SecretsUsedInArgOrEnv",
             base::str(base::to_upper(here().name), " ", base::printable(name, 80),
                       " looks like a secret and would stay in the image"),
             {"use RUN --mount=type=secret"});
  }

  void check_legacy(bool legacy) {
    if (!legacy) return;
    std::string keyword = base::to_upper(here().name);
    warn("LegacyKeyValueFormat",
         base::str("write ", keyword, " name=value instead of ", keyword, " name value"));
  }

  void check(const Env& env) {
    check_legacy(env.legacy);
    for (size_t i = 0; i < env.pairs.size(); ++i) check_secret(env.pairs[i].name, 3 * i);
  }
  void check(const Label& label) { check_legacy(label.legacy); }

  void check_shell_form(const CommandLine& command) {
    if (command.json || (stage() && stage()->has_shell)) return;
    std::string keyword = base::to_upper(here().name);
    warn("JSONArgsRecommended",
         base::str("write ", keyword, " in JSON form, so that signals reach the program"));
  }

  // The earlier one of two is the useless one.
  void check_repeated(std::optional<size_t>& last) {
    if (last) {
      const Instruction& earlier = recipe_.instructions[*last];
      warn_at(
          earlier, earlier.arg_range(SIZE_MAX), "MultipleInstructionsDisallowed",
          base::str("a later ", base::to_upper(earlier.name), " of this stage replaces this one"));
    }
    last = index_;
  }

  void check(const Cmd& cmd) {
    check_shell_form(cmd.command);
    if (stage()) check_repeated(stage()->cmd);
  }
  void check(const Entrypoint& entrypoint) {
    check_shell_form(entrypoint.command);
    if (stage()) check_repeated(stage()->entrypoint);
  }
  void check(const Healthcheck&) {
    if (stage()) check_repeated(stage()->healthcheck);
  }
  void check(const Shell&) {
    if (stage()) stage()->has_shell = true;
  }
  void check(const Maintainer&) {
    warn("MaintainerDeprecated", "MAINTAINER is deprecated",
         {"use LABEL org.opencontainers.image.authors=..."});
  }

  void check(const Workdir& workdir) {
    if (!stage() || workdir.path.empty()) return;
    char first = workdir.path[0];
    if (first == '/' || first == '$' || first == '"' || first == '\'') {
      stage()->has_absolute_dir = true;  // what a variable holds is not known here
    } else if (!stage()->has_absolute_dir) {
      warn_arg(0, "WorkdirRelativePath",
               base::str("\"", base::printable(workdir.path, 80),
                         "\" is relative to whatever the base image has set"));
    }
  }

  void check(const Expose& expose) {
    for (size_t i = 0; i < expose.ports.size(); ++i) {
      if (expose.ports[i].find_first_of("$'\"\\`") != std::string::npos) continue;
      Port port = parse_port(expose.ports[i]);
      if (port.protocol_has_upper) {
        warn_arg(i, "ExposeProtoCasing",
                 base::str("the protocol of \"", base::printable(expose.ports[i], 60),
                           "\" should be lower case"));
      }
      if (port.has_host_part) {
        warn_arg(i, "ExposeInvalidFormat",
                 base::str("EXPOSE takes no address or host port; only ", port.first, " of \"",
                           base::printable(expose.ports[i], 60), "\" counts"));
      }
    }
  }

  void check(const Run&) {}
  void check(const Copy&) {}
  void check(const User&) {}
  void check(const Volume&) {}
  void check(const StopSignal&) {}
  void check(const Onbuild&) {}

  const Recipe& recipe_;
  const CheckConfig& config_;
  std::vector<Diagnostic> out_;
  size_t index_ = 0;
  bool mostly_lower_ = false;
  std::vector<Stage> stages_;
  std::map<std::string, std::optional<std::string>> globals_;
};

}  // namespace

std::vector<Diagnostic> run_checks(const Recipe& recipe, const CheckConfig& config) {
  return Checker(recipe, config).run();
}

const std::vector<std::string>& automatic_arguments() {
  static const std::vector<std::string> names = {
      "TARGETPLATFORM",  "TARGETOS",       "TARGETARCH", "TARGETVARIANT",
      "TARGETOSVERSION", "BUILDPLATFORM",  "BUILDOS",    "BUILDARCH",
      "BUILDVARIANT",    "BUILDOSVERSION", "TARGETSTAGE"};
  return names;
}

bool looks_secret(std::string_view name) {
  static const std::set<std::string, std::less<>> secret = {
      "apikey",   "auth",  "credential", "credentials", "key",
      "password", "pword", "passwd",     "secret",      "token"};
  static const std::set<std::string, std::less<>> harmless = {"public", "file", "version"};
  bool found = false;
  for (const std::string& part : base::split(base::to_lower(name), '_')) {
    if (harmless.count(part) > 0) return false;
    found = found || secret.count(part) > 0;
  }
  return found;
}

}  // namespace dockerfile
