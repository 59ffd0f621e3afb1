#include "cli/build/build_options.h"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "cli/build/build_mounts.h"
#include "cli/build/step_sandbox.h"
#include "cli/containers/network_options.h"
#include "store/oci/reference.h"

namespace cli {

std::map<std::string, std::string> read_build_args(const Context& context,
                                                   const Arguments& arguments) {
  constexpr uint64_t kMostBytes = 1 << 20;
  std::map<std::string, std::string> values;
  auto set = [&](const std::string& text) {
    size_t equals = text.find('=');
    if (equals == 0) throw UsageError("--build-arg needs NAME[=VALUE]");
    if (equals != std::string::npos)
      values[text.substr(0, equals)] = text.substr(equals + 1);
    else if (const char* value = context.getenv(text.c_str()))
      values[text] = value;
  };
  for (const std::string& file : arguments.all("build-arg-file"))
    for (const std::string& line :
         base::split(read_file_of("build-arg-file", file, kMostBytes), '\n')) {
      std::string_view text = base::trim(line);
      if (!text.empty() && text[0] != '#') set(std::string(text));
    }
  for (const std::string& text : arguments.all("build-arg")) set(text);
  return values;
}

namespace {

// "id=I[,src=FILE|env=VAR][,type=file|env]"; the variable or file of the same name by default.
void add_secret(const Context& context, const std::string& text, solve::Secrets& secrets) {
  constexpr uint64_t kMostBytes = 500 << 10;
  std::map<std::string, std::string> fields = split_fields(text, "secret");
  std::string id = fields["id"];
  std::string file = fields["src"].empty() ? fields["source"] : fields["src"];
  std::string variable = fields["env"];
  for (const auto& [key, value] : fields)
    if (key != "id" && key != "src" && key != "source" && key != "env" && key != "type")
      throw unknown_word("--secret: unknown key", key, {"id", "src", "env", "type"});
  if (id.empty()) throw UsageError("--secret needs id=NAME");
  if (fields["type"] == "env" && variable.empty()) variable = file.empty() ? id : file;
  if (variable.empty() && file.empty() && fields["type"] != "file" && context.getenv(id.c_str()))
    variable = id;
  if (!variable.empty()) {
    const char* value = context.getenv(variable.c_str());
    if (value == nullptr)
      throw base::Error(base::Code::kNotFound,
                        "--secret id=" + id + ": variable " + variable + " is not set",
                        "secret-missing");
    secrets[id] = value;
    return;
  }
  secrets[id] = read_file_of(("secret id=" + id).c_str(), file.empty() ? id : file, kMostBytes);
}

}  // namespace

solve::Secrets read_secrets(const Context& context, const Arguments& arguments) {
  solve::Secrets secrets;
  for (const std::string& text : arguments.all("secret")) add_secret(context, text, secrets);
  return secrets;
}

plan::Options plan_options(const Context& context, const Arguments& arguments) {
  plan::Options options;
  options.build_args = read_build_args(context, arguments);
  options.target = arguments.get("target");
  options.heredoc_errexit = arguments.is_on("heredoc-errexit");
  options.strict_syntax = arguments.is_on("strict-syntax");
  for (const std::string& label : arguments.all("label")) {
    size_t equals = label.find('=');
    if (equals == 0 || label.empty()) throw UsageError("--label needs KEY[=VALUE]");
    options.labels[label.substr(0, equals)] =
        equals == std::string::npos ? "" : label.substr(equals + 1);
  }
  for (const std::string& text : arguments.all("env")) {
    size_t equals = text.find('=');
    if (equals == 0) throw UsageError("--env needs NAME[=VALUE]");
    std::string name = text.substr(0, equals);
    if (equals != std::string::npos)
      options.env.emplace_back(name, text.substr(equals + 1));
    else if (const char* value = context.getenv(name.c_str()))
      options.env.emplace_back(name, value);
  }
  options.unset_env = arguments.all("unsetenv");
  options.unset_labels = arguments.all("unsetlabel");
  options.network = step_network(arguments);
  options.mounts = parse_build_mounts(arguments);
  for (const std::string& entitlement : arguments.all("allow")) {
    if (entitlement == "network.host")
      options.allow_host_network = true;
    else if (entitlement == "security.insecure")
      options.allow_insecure = true;
    else if (entitlement == "device")
      options.allow_all_devices = true;
    else if (entitlement.starts_with("device="))
      options.allowed_devices.insert(entitlement.substr(7));
    else if (entitlement != "local.delete")
      throw unknown_word("--allow: unknown entitlement", entitlement,
                         {"network.host", "security.insecure", "device", "local.delete"});
  }
  options.allow_host_network |= options.network == "host";
  for (const std::string& text : arguments.all("build-context"))
    options.contexts.insert(split_pair(text, "build-context"));
  return options;
}

solve::Options solve_options(const Context& context, const Arguments& given,
                             const RecipeFile& recipe, std::stop_token stop) {
  const Arguments arguments = with_resources(given);
  solve::Options options;
  options.context = recipe.context;
  options.context_is_temporary = recipe.is_temporary;
  options.git_modes = arguments.get("context-mode") == "git";
  options.context_name = recipe.context_name;
  options.ignore_file = recipe.ignore_text;
  options.ignore_file_name = recipe.ignore_name;
  // 0 is the reference's word for "no limit of my own".
  options.jobs = static_cast<int>(std::min<uint64_t>(arguments.number("jobs").value_or(0), 10'000));
  options.no_cache = arguments.is_on("no-cache");
  for (const std::string& list : arguments.all("no-cache-filter"))
    for (const std::string& stage : base::split(list, ','))
      options.no_cache_stages.insert(base::to_lower(stage));
  options.cache_ttl = arguments.duration("cache-ttl");
  options.remember = arguments.is_on("layers", true);
  if (!options.remember && arguments.has("cache-to"))
    throw UsageError("--layers=false keeps no steps that --cache-to could tell of");
  options.slot = recipe.identity;
  options.hostname = arguments.get("hostname", "build");
  for (const std::string& host : arguments.all("add-host"))
    options.extra_hosts.push_back(parse_add_host(host));
  options.network_state = network_state(context);
  options.dns = arguments.all("dns");
  options.dns_search = arguments.all("dns-search");
  options.dns_options = arguments.all("dns-option");
  options.sandbox = parse_step_sandbox(arguments);
  if (auto bytes = arguments.size_bytes("shm-size")) options.shm_bytes = *bytes;
  options.stop = std::move(stop);
  return options;
}

SshAgents::SshAgents(const Context& context, const Arguments& arguments, store::Store& store) {
  for (const std::string& text : arguments.all("ssh")) {
    size_t equals = text.find('=');
    std::string id = text.substr(0, equals);
    if (id.empty()) throw UsageError("--ssh needs default or ID[=SOCKET|KEY,..]");
    std::vector<std::string> paths;
    if (equals != std::string::npos) paths = base::split(text.substr(equals + 1), ',');
    if (paths.empty()) {
      std::optional<std::string> socket = context.environment("SSH_AUTH_SOCK");
      if (!socket)
        throw base::Error(base::Code::kNotFound,
                          "--ssh " + base::printable(id) + ": SSH_AUTH_SOCK is not set",
                          "ssh-agent")
            .add_help("start an agent with ssh-agent, or name a key: --ssh " + base::printable(id) +
                      "=FILE");
      sockets_[id] = *socket;
      continue;
    }
    struct stat st;
    if (::stat(paths[0].c_str(), &st) < 0) base::throw_errno("--ssh " + paths[0]);
    if (S_ISSOCK(st.st_mode)) {
      if (paths.size() > 1) throw UsageError("--ssh takes one socket, or keys");
      sockets_[id] = paths[0];
    } else {
      start(id, paths, store);
    }
  }
}

// Keys are not ours to read: an agent of OpenSSH holds them for as long as the build lasts.
void SshAgents::start(const std::string& id, const std::vector<std::string>& keys,
                      store::Store& store) {
  directories_.push_back(store.create_staging("ssh"));
  std::filesystem::path socket = directories_.back() / "agent";
  std::string output;
  try {
    agents_.push_back(sys::start_program({"ssh-agent", "-D", "-t", "12h", "-a", socket.string()}));
    constexpr int kTries = 100;
    for (int i = 0; i < kTries && !std::filesystem::exists(socket); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::vector<std::string> environment = {"SSH_AUTH_SOCK=" + socket.string(),
                                            "SSH_ASKPASS=/bin/false",
                                            "PATH=/usr/local/bin:/usr/bin:/bin"};
    for (const std::string& key : keys)
      if (sys::run_program({"ssh-add", "-q", "--", key}, &output, &environment).shell_status() != 0)
        throw base::Error(base::Code::kInvalid,
                          base::str("--ssh ", base::printable(id), ": key ", base::printable(key),
                                    " cannot be used: ", base::printable(base::trim(output), 200)),
                          "ssh-key")
            .add_help("keys with a passphrase must be in an agent: ssh-add, then --ssh " +
                      base::printable(id));
  } catch (const base::SystemError& e) {
    if (e.error_number() != ENOENT) throw;
    throw base::Error(base::Code::kUnsupported,
                      "--ssh with key files needs OpenSSH's ssh-agent and ssh-add", "no-ssh")
        .add_help("install Debian's package openssh-client");
  }
  sockets_[id] = socket;
}

std::string SshAgents::for_git() const {
  auto found = sockets_.find("default");
  if (found == sockets_.end() && sockets_.size() == 1) found = sockets_.begin();
  return found == sockets_.end() ? "" : found->second.string();
}

}  // namespace cli
