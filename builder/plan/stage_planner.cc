#include "builder/plan/stage_planner.h"

#include <algorithm>

#include "base/sys/rooted_path.h"
#include "base/text.h"
#include "builder/dockerfile/commands.h"
#include "builder/dockerfile/git_reference.h"
#include "builder/dockerfile/glob.h"
#include "builder/dockerfile/mode.h"
#include "builder/dockerfile/ports.h"
#include "builder/dockerfile/signal.h"
#include "builder/plan/history.h"
#include "store/oci/limits.h"

namespace plan {

namespace {

// Where the n-th agent socket of a step is, without n. [spec R6]
constexpr const char* kAgentTarget = "/run/buildkit/ssh_agent.";

// "RUN make \n -j8" on one line, as progress shows it.
std::string one_line(const std::string& text) {
  std::string line = text.substr(0, text.find('\n'));
  std::replace(line.begin(), line.end(), '\t', ' ');
  return base::printable(line, 200);
}

// Replaces the variable in place, and what a base image may have repeated of it; or adds it.
void set_variable(std::vector<std::string>& environment, const std::string& name,
                  const std::string& value) {
  auto is_it = [&](const std::string& line) {
    return line.starts_with(name) && (line.size() == name.size() || line[name.size()] == '=');
  };
  auto known = std::find_if(environment.begin(), environment.end(), is_it);
  if (known == environment.end()) {
    environment.push_back(name + "=" + value);
    return;
  }
  *known = name + "=" + value;
  environment.erase(std::remove_if(known + 1, environment.end(), is_it), environment.end());
}

constexpr size_t kMostPorts = 3 * 65536;  // every port of every protocol, once

// Sources that stand for one thing each; a wildcard may match nothing.
size_t count_named(const std::vector<std::string>& sources) {
  return std::count_if(sources.begin(), sources.end(), [](const std::string& source) {
    return dockerfile::source_kind(source) != dockerfile::SourceKind::kPath ||
           !dockerfile::has_wildcard(source);
  });
}

}  // namespace

StagePlanner::StagePlanner(Planner& planner, size_t index)
    : planner_(planner),
      index_(index),
      stage_(planner.plan().stages[index]),
      current_(planner.text(index).from_instruction) {}

void StagePlanner::fail(std::string id, std::string message, std::vector<std::string> helps) {
  Planner::fail(current_->where, std::move(id), std::move(message), std::move(helps));
}

std::string StagePlanner::expand(const std::string& word) {
  return planner_.expand(word, scope_.environment, current_->where);
}

std::string StagePlanner::expand_at(const std::string& word, size_t arg) {
  return planner_.expand(word, scope_.environment, current_->arg_range(arg));
}

StageScope StagePlanner::run() {
  stage_.needed = true;
  stage_.where = current_->where;
  choose_base();
  add_default_path();
  std::vector<std::string> triggers = std::move(config().on_build);
  config().on_build.clear();
  if (replaced_) return std::move(scope_);
  run_triggers(triggers);
  for (const Instruction* instruction : planner_.text(index_).instructions)
    plan_instruction(*instruction);
  return std::move(scope_);
}

void StagePlanner::run_triggers(const std::vector<std::string>& triggers) {
  for (const std::string& text : triggers) {
    Instruction instruction = dockerfile::parse_trigger(text, "ONBUILD of " + stage_.from_text);
    // Mistakes in it are shown at the FROM that brought it.
    instruction.where = planner_.text(index_).from_instruction->where;
    try {
      plan_instruction(instruction);
    } catch (const dockerfile::RecipeError& e) {
      std::vector<dockerfile::Diagnostic> problems = e.diagnostics();
      problems.front().helps.push_back("it is in the trigger that this base brings: ONBUILD " +
                                       base::printable(text, 200));
      throw dockerfile::RecipeError(std::move(problems));
    }
  }
}

void StagePlanner::plan_instruction(const Instruction& instruction) {
  const Instruction* outer = current_;
  current_ = &instruction;
  dockerfile::Command command = dockerfile::interpret(instruction);
  std::visit([&](const auto& typed) { plan(typed); }, command);
  current_ = outer;
}

void StagePlanner::add_step(std::variant<RunStep, CopyStep, WorkdirStep> action,
                            std::string created_by) {
  Step step;
  step.where = current_->where;
  step.text = one_line(current_->text);
  step.action = std::move(action);
  add_history(std::move(created_by), static_cast<int>(stage_.steps.size()));
  stage_.steps.push_back(std::move(step));
}

void StagePlanner::add_history(std::string created_by, int step) {
  scope_.history_bytes += created_by.size();
  planner_.count(created_by.size(), current_->where);
  if (scope_.history_bytes > oci::kMaxConfigBytes)
    fail("configuration-too-large", base::str("up to here the history of the image is larger than ",
                                              base::format_size(oci::kMaxConfigBytes),
                                              ", which its configuration must not be"));
  stage_.history.push_back({std::move(created_by), step});
}

std::vector<std::string> StagePlanner::with_shell(const std::string& text) const {
  std::vector<std::string> argv = stage_.config.config.shell;
  if (argv.empty()) argv = {"/bin/sh", "-c"};
  argv.push_back(text);
  return argv;
}

std::vector<std::string> StagePlanner::argv_of(const dockerfile::CommandLine& command) const {
  return command.json || command.args.empty() ? command.args : with_shell(command.args[0]);
}

// The text given to the shell; a script body becomes a file of the step. [spec R2]
std::string StagePlanner::command_text(const dockerfile::Run& run, RunStep& step) const {
  if (run.heredocs.empty()) return run.command.args[0];
  if (run.is_single_heredoc()) {
    const dockerfile::Heredoc& heredoc = run.heredocs[0];
    std::string body = heredoc.body();
    if (!body.starts_with("#!"))
      return planner_.options().heredoc_errexit ? "set -e\n" + body : body;
    step.script = InlineFile{heredoc.name, body};
    return "/dev/pipes/" + heredoc.name;
  }
  std::string text = run.command.args[0];
  for (const dockerfile::Heredoc& heredoc : run.heredocs)
    text += "\n" + heredoc.content + heredoc.name;
  return text;
}

void StagePlanner::plan(const dockerfile::Run& run) {
  RunStep step;
  step.argv = run.command.json ? run.command.args : with_shell(command_text(run, step));
  step.env = scope_.environment.as_environment();
  for (const std::string& variable : step.env) planner_.count(variable.size(), current_->where);
  step.unkeyed_env = proxy_environment(planner_.globals().build_args);
  step.cwd = sys::RootedPath(config().working_dir).str();
  step.user = config().user;
  step.network = run.network == dockerfile::Network::kHost   ? "host"
                 : run.network == dockerfile::Network::kNone ? "none"
                                                             : planner_.options().network;
  if (step.network == "host" && !planner_.options().allow_host_network)
    fail("not-allowed", "RUN --network=host needs --allow network.host");
  if (run.insecure && !planner_.options().allow_insecure)
    fail("not-allowed", "RUN --security=insecure needs --allow security.insecure");
  step.insecure = run.insecure;
  step.devices = run.devices;
  if (run.timeout.count() > 0)
    step.timeout = std::chrono::ceil<std::chrono::milliseconds>(run.timeout);
  step.retries = run.retries;
  for (const dockerfile::Device& device : run.devices)
    if (!planner_.options().allow_all_devices &&
        !planner_.options().allowed_devices.contains(device.name))
      fail("not-allowed",
           base::str("RUN --device=", base::printable(device.name),
                     " needs --allow device, or --allow device=", base::printable(device.name)));
  step.platform = stage_.platform;
  step.mounts = planner_.options().mounts;
  int agents = 0;
  for (const dockerfile::MountOptions& options : run.mounts) {
    Mount mount = plan_mount(options);
    if (mount.type == Mount::Type::kSsh && mount.target == kAgentTarget)
      mount.target += base::str(agents);
    if (mount.type == Mount::Type::kSsh) ++agents;
    step.mounts.push_back(std::move(mount));
  }
  std::vector<std::pair<std::string, std::string>> arguments;
  for (const std::string& name : scope_.arguments)
    arguments.emplace_back(name, scope_.environment.find(name).value_or(""));
  std::string created_by = run_history(arguments, step.argv);
  add_step(std::move(step), std::move(created_by));
}

Mount StagePlanner::plan_mount(const dockerfile::MountOptions& options) {
  dockerfile::Mount given;
  try {
    given = dockerfile::resolve_mount(
        options, [&](std::string_view word) { return expand(std::string(word)); });
  } catch (const dockerfile::RecipeError&) {
    throw;
  } catch (const base::Error& e) {
    Planner::fail(options.where, e.id(), e.message(), e.helps());
  }
  Mount mount;
  mount.type = static_cast<Mount::Type>(given.type);
  sys::RootedPath cwd(config().working_dir);
  const bool is_directory = mount.type == Mount::Type::kBind || mount.type == Mount::Type::kCache ||
                            mount.type == Mount::Type::kTmpfs;
  if (!given.target.empty() || is_directory) mount.target = cwd.join(given.target).str();
  if (mount.type == Mount::Type::kSsh && given.target.empty()) mount.target = kAgentTarget;
  if (mount.target == "/")
    Planner::fail(options.where, "mount-target-root", "a mount cannot be at /",
                  {"say where with target=PATH"});
  mount.where = options.where;
  mount.source = given.source;
  mount.read_only = given.read_only;
  mount.id = given.id;
  mount.sharing = static_cast<Mount::Sharing>(given.sharing);
  mount.mode = given.mode;
  mount.uid = given.uid.value_or(0);
  mount.gid = given.gid.value_or(0);
  if (given.size_bytes > 0) mount.size_bytes = given.size_bytes;
  mount.required = given.required;
  mount.env = given.env;
  if (mount.type == Mount::Type::kCache) {
    if (mount.id.empty()) mount.id = mount.target;
    mount.from = FromNothing{};
  }
  if (!given.from.empty())
    mount.from = planner_.resolve_source(given.from, index_, false, options.where);
  return mount;
}

void StagePlanner::add_copy_source(const dockerfile::CopySource& source, CopyStep& step) {
  if (source.heredoc) {
    std::string body = source.heredoc->body();
    if (source.heredoc->expand)
      body = planner_.expand(body, scope_.environment, source.where, true);
    // The word is the author's, and a base image may bring it too, in ONBUILD.
    const sys::RootedPath place(source.heredoc->name);
    if (place.components().size() != 1)
      Planner::fail(source.where, "heredoc-name",
                    base::str("the here-document's name \"",
                              base::printable(source.heredoc->name, 100), "\" names no file"));
    step.files.push_back({std::string(place.name()), std::move(body)});
    return;
  }
  step.sources.push_back(planner_.expand(source.text, scope_.environment, source.where));
  check_ignored(step.sources.back(), step, source.where);
  step.source_places.push_back(source.where);
}

// A file that the ignore file leaves out cannot be copied. With re-includes REF does not look.
void StagePlanner::check_ignored(const std::string& source, const CopyStep& step,
                                 const base::SourceRange& where) {
  const dockerfile::IgnoreMatcher* ignore = planner_.options().ignore;
  if (ignore == nullptr || ignore->empty() || ignore->has_reincludes() ||
      !std::holds_alternative<FromContext>(step.from) || dockerfile::has_wildcard(source) ||
      dockerfile::source_kind(source) != dockerfile::SourceKind::kPath)
    return;
  sys::RootedPath path(source);
  if (!path.is_root() && ignore->ignores(path.relative()))
    planner_.warn(where, "CopyIgnoredFile",
                  base::str("\"", base::printable(source, 100),
                            "\" is left out of the context by its ignore file"));
}

// Takes URLs and repositories out of the sources of an ADD: each becomes a part of its own.
void StagePlanner::split_remotes(const dockerfile::Copy& copy, CopyStep& step) {
  std::string checksum = copy.checksum ? expand(*copy.checksum) : "";
  bool several = step.sources.size() + step.files.size() > 1;
  std::vector<CopyStep> parts;
  for (size_t i = 0; i < step.sources.size(); ++i) {
    const std::string& source = step.sources[i];
    const base::SourceRange& where = step.source_places[i];
    dockerfile::SourceKind kind = dockerfile::source_kind(source);
    bool is_path = kind == dockerfile::SourceKind::kPath;
    if (is_path && !checksum.empty())
      Planner::fail(where, "checksum-not-remote",
                    "--checksum is for URLs and git repositories only");
    if (parts.empty() || !is_path || !std::holds_alternative<FromContext>(parts.back().from)) {
      parts.push_back(step);
      parts.back().sources.clear();
      parts.back().source_places.clear();
      parts.back().files.clear();
    }
    CopyStep& part = parts.back();
    part.source_places.push_back(where);
    if (is_path) {
      part.sources.push_back(source);
      continue;
    }
    if (step.if_exists)
      Planner::fail(where, "if-exists-remote",
                    "--if-exists is for files, and a URL is always fetched");
    Remote remote{
        .name = {}, .address = source, .checksum = checksum, .keep_git_dir = {}, .where = where};
    if (kind == dockerfile::SourceKind::kGit) {
      remote.kind = Remote::Kind::kGit;
      remote.keep_git_dir = copy.keep_git_dir;
      if (!remote.keep_git_dir && planner_.wants_git_directory()) remote.keep_git_dir = true;
      part.unpack = false;
      part.sources = {"/"};
    } else {
      if (!checksum.empty() && !checksum.starts_with("sha256:"))
        Planner::fail(where, "invalid-checksum",
                      "the --checksum of a URL is sha256: and 64 hex digits");
      if (dockerfile::url_file_name(source).empty() && (several || step.destination.ends_with('/')))
        Planner::fail(where, "url-without-name",
                      "the URL names no file; give the destination a name that does not end in /");
      part.unpack = copy.unpack.value_or(false);
      part.sources = {"*"};  // the one file there is
    }
    part.from = planner_.add_remote(std::move(remote));
    if (several && !part.needs_directory && !part.destination.ends_with('/'))
      part.destination += '/';
  }
  parts.front().files = std::move(step.files);
  step = std::move(parts.front());
  step.more.assign(std::make_move_iterator(parts.begin() + 1),
                   std::make_move_iterator(parts.end()));
}

void StagePlanner::plan(const dockerfile::Copy& copy) {
  CopyStep step;
  step.add = copy.add;
  step.link = copy.link;
  step.parents = copy.parents;
  step.excludes = copy.excludes;
  step.if_exists = copy.if_exists;
  step.unpack = copy.unpack;
  if (copy.from) {
    step.from = planner_.resolve_source(*copy.from, index_, true, copy.from_where);
    if (std::holds_alternative<FromNothing>(step.from))
      fail("copy-from-scratch", "COPY --from=scratch: scratch has no files");
  }
  for (const dockerfile::CopySource& source : copy.sources) add_copy_source(source, step);
  if (copy.chown) step.chown = expand(*copy.chown);
  if (copy.chmod) step.chmod = expand(*copy.chmod);
  if (!step.chmod.empty()) {  // empty, as a variable may be: as if it was not given
    try {
      dockerfile::FileMode mode(step.chmod);
    } catch (const base::Error& e) {
      fail(e.id(), e.message(), e.helps());
    }
  }
  std::string destination = planner_.expand(copy.dest, scope_.environment, copy.dest_where);
  bool directory = destination.empty() || destination.ends_with('/') || destination == "." ||
                   destination.ends_with("/.");
  step.destination = sys::RootedPath(config().working_dir).join(destination).str();
  if (directory && !step.destination.ends_with('/')) step.destination += '/';
  step.needs_directory = !directory && step.files.size() + count_named(step.sources) > 1;
  std::vector<std::string> shown = step.sources;
  for (const InlineFile& file : step.files) shown.push_back("<<" + file.name);
  std::string created_by =
      copy_history(step.add, step.parents, step.chown, step.chmod, shown, destination);
  if (step.add && !step.sources.empty()) split_remotes(copy, step);
  add_step(std::move(step), std::move(created_by));
}

void StagePlanner::plan(const dockerfile::Env& env) {
  // All values see the environment as it was before the instruction (V2).
  std::vector<std::pair<std::string, std::string>> pairs;
  for (size_t i = 0; i < env.pairs.size(); ++i)
    pairs.emplace_back(expand_at(env.pairs[i].name, 3 * i),
                       expand_at(env.pairs[i].value, 3 * i + 1));
  std::string text = "ENV";
  for (auto& [name, value] : pairs) {
    if (name.empty()) fail("env-name-empty", "the name of an ENV is empty after expansion");
    set_variable(config().env, name, value);
    scope_.environment.set(name, value);
    text += " " + name + "=" + value;
  }
  add_history(std::move(text));
}

void StagePlanner::plan(const dockerfile::Label& label) {
  std::string text = "LABEL";
  for (size_t i = 0; i < label.pairs.size(); ++i) {
    std::string name = expand_at(label.pairs[i].name, 3 * i);
    std::string value = expand_at(label.pairs[i].value, 3 * i + 1);
    text += " " + name + "=" + value;
    config().labels[name] = std::move(value);
  }
  add_history(std::move(text));
}

void StagePlanner::plan(const dockerfile::Arg& arg) {
  Globals& globals = planner_.globals();
  std::string text = "ARG";
  for (const dockerfile::ArgDefinition& definition : arg.args) {
    globals.used_build_args.insert(definition.name);
    auto given = globals.build_args.find(definition.name);
    std::optional<std::string> value;
    if (given != globals.build_args.end())
      value = given->second;
    else if (definition.value)
      value = planner_.expand(*definition.value, scope_.environment, definition.where);
    else
      value = globals.arguments.find(definition.name);
    text += " " + definition.name;
    planner_.note_argument(definition, value);
    if (std::find(scope_.arguments.begin(), scope_.arguments.end(), definition.name) ==
        scope_.arguments.end())
      scope_.arguments.push_back(definition.name);
    if (!value) {
      scope_.environment.declare(definition.name);
      continue;
    }
    text += "=" + *value;
    scope_.environment.set(definition.name, *value);
  }
  add_history(std::move(text));
}

void StagePlanner::plan(const dockerfile::Workdir& workdir) {
  std::string path = expand_at(workdir.path, 0);  // empty: stays where it is
  sys::RootedPath made = sys::RootedPath(config().working_dir).join(path);
  // The image keeps an absolute path as it was written, with a slash at its end if there is one.
  config().working_dir = path.starts_with('/') ? path : made.str();
  std::string created_by = "WORKDIR " + config().working_dir;
  if (made.is_root())
    add_history(std::move(created_by));
  else
    add_step(WorkdirStep{made.str(), config().user}, std::move(created_by));
}

void StagePlanner::plan(const dockerfile::User& user) {
  config().user = expand_at(user.user, 0);
  add_history("USER " + config().user);
}

void StagePlanner::plan(const dockerfile::Cmd& cmd) {
  config().cmd = argv_of(cmd.command);
  config().args_escaped = true;  // as the reference has it; only Windows looks at it
  has_cmd_ = true;
  add_history(quoted_history("CMD", config().cmd));
}

void StagePlanner::plan(const dockerfile::Entrypoint& entrypoint) {
  config().entrypoint = argv_of(entrypoint.command);
  if (!has_cmd_) config().cmd.clear();
  add_history(quoted_history("ENTRYPOINT", config().entrypoint));
}

void StagePlanner::plan(const dockerfile::Shell& shell) {
  config().shell = shell.shell;
  add_history(list_history("SHELL", shell.shell));
}

void StagePlanner::plan(const dockerfile::Expose& expose) {
  dockerfile::ExpandOptions options;
  options.escape = planner_.recipe().escape;
  std::vector<std::string> keys;
  for (const std::string& item : expose.ports) {
    try {
      auto lookup = [&](std::string_view name) { return scope_.environment.find(name); };
      for (const std::string& port : dockerfile::expand_words(item, lookup, options)) {
        for (std::string& key : dockerfile::parse_port(port).keys()) keys.push_back(std::move(key));
        // A few letters name a range of all ports, and a line may hold many of them.
        if (keys.size() > kMostPorts)
          fail("configuration-too-large",
               base::str("EXPOSE names more than ", kMostPorts, " ports"));
      }
    } catch (const base::Error& e) {
      fail(e.id(), e.message(), e.helps());
    }
  }
  std::sort(keys.begin(), keys.end());
  config().exposed_ports.insert(keys.begin(), keys.end());
  add_history(list_history("EXPOSE", keys));
}

void StagePlanner::plan(const dockerfile::Volume& volume) {
  std::vector<std::string> paths;
  for (const std::string& path : volume.paths) {
    paths.push_back(expand(path));
    if (paths.back().empty()) fail("volume-empty", "a VOLUME is empty after expansion");
    config().volumes.insert(paths.back());
  }
  add_history(list_history("VOLUME", paths));
}

void StagePlanner::plan(const dockerfile::StopSignal& signal) {
  std::string name = expand(signal.signal);
  if (!dockerfile::is_signal(name))
    fail("stopsignal-invalid", "unknown signal " + base::printable(name));
  config().stop_signal = name;
  add_history("STOPSIGNAL " + name);
}

void StagePlanner::plan(const dockerfile::Healthcheck& check) {
  oci::Healthcheck stored;
  if (check.none) {
    stored.test = {"NONE"};
  } else {
    stored.test = check.command.args;
    stored.test.insert(stored.test.begin(), check.command.json ? "CMD" : "CMD-SHELL");
    stored.interval = check.interval;
    stored.timeout = check.timeout;
    stored.start_period = check.start_period;
    stored.start_interval = check.start_interval;
    stored.retries = check.retries;
  }
  config().healthcheck = std::move(stored);
  add_history(healthcheck_history(*config().healthcheck));
}

void StagePlanner::plan(const dockerfile::Onbuild& onbuild) {
  config().on_build.push_back(onbuild.text);  // without a line of history, as the reference has it
}

void StagePlanner::plan(const dockerfile::Maintainer& maintainer) {
  stage_.config.author = maintainer.name;
  add_history("MAINTAINER " + maintainer.name);
}

}  // namespace plan
