#include "cli/build/step_sandbox.h"

#include <algorithm>

#include "base/error.h"
#include "base/sys/userns.h"
#include "base/text.h"
#include "cli/build/build_options.h"
#include "cli/containers/run_options.h"
#include "runner/container/cdi.h"

namespace cli {

namespace {

[[noreturn]] void refuse(const char* flag, const std::string& word, const std::string& why,
                         const std::string& help) {
  throw base::Error(base::Code::kUnsupported, base::str("--", flag, " ", word, ": ", why),
                    "sandbox-unsupported")
      .add_help(help);
}

bool is_ordinary_user() { return sys::userns_mode() != sys::UsernsMode::kNone; }

// There is one kind of step, and it has one name for root and one for others.
void check_isolation(const std::string& word) {
  if (word.empty() || word == "default" || word == "oci") return;
  const std::string help =
      "leave it out: a step has namespaces, capabilities and a filter of system calls of its own";
  if (word == "rootless" && is_ordinary_user()) return;
  if (word == "rootless")
    refuse("isolation", word, "torte runs as root here", "start it as an ordinary user");
  if (word == "chroot")
    refuse("isolation", word, "torte runs no step without namespaces of its own", help);
  throw unknown_word("--isolation: unknown kind", word, {"default", "oci", "rootless", "chroot"});
}

void check_userns(const std::string& text) {
  const std::string word = text.substr(0, text.find(':'));
  if (word.empty() || word == "host" || (word == "private" && is_ordinary_user())) return;
  const std::vector<std::string> known = {"host",  "private",   "auto", "keep-id",
                                          "nomap", "container", "ns"};
  if (std::find(known.begin(), known.end(), word) == known.end())
    throw unknown_word("--userns: unknown mode", word, known);
  refuse(
      "userns", base::printable(text), "steps have the users and groups that torte has",
      is_ordinary_user()
          ? "host: root of a step is you, in a user namespace of torte's own"
          : "host is what root's steps have; started by an ordinary user, their root is that user");
}

std::vector<std::string> resource_names() {
  std::vector<std::string> names = {"shm-size", "ulimit"};
  for (const Flag& flag : limit_flags()) names.emplace_back(flag.name);
  return names;
}

}  // namespace

std::vector<Flag> step_sandbox_flags() {
  std::vector<Flag> flags = limit_flags();
  for (const Flag& flag : sandbox_flags()) flags.push_back(flag);
  flags.push_back({.name = "group-add",
                   .value = "GROUP",
                   .help = "further group of the user of RUN steps",
                   .repeatable = true});
  flags.push_back({.name = "shm-size",
                   .value = "SIZE",
                   .help = "size of /dev/shm in RUN steps (default: 64m)"});
  flags.push_back(
      {.name = "resource",
       .value = "NAME=VALUE",
       .help = "a limit by its name: memory=1g is --memory 1g; every limit above, shm-size, ulimit",
       .repeatable = true});
  flags.push_back({.name = "isolation",
                   .value = "KIND",
                   .help = "default, oci, or rootless for ordinary users: what steps have anyway"});
  flags.push_back({.name = "userns",
                   .value = "MODE",
                   .help = "users and groups of RUN steps: host, or private for ordinary users: "
                           "what they have anyway"});
  for (Flag& flag : flags) flag.group = "RUN steps";
  return flags;
}

Arguments with_resources(const Arguments& arguments) {
  const std::vector<std::string> names = resource_names();
  Arguments all = arguments;
  for (const std::string& text : arguments.all("resource")) {
    auto [name, value] = split_pair(text, "resource");
    if (std::find(names.begin(), names.end(), name) == names.end())
      throw unknown_word("--resource: unknown resource", name, names);
    const Flag* flag = all.find_flag(name);
    CHECK(flag != nullptr);
    if (!flag->repeatable && all.has(name))
      throw UsageError(
          base::str("--resource ", base::printable(text), ": ", name, " is given already"));
    all.add(*flag, value);
  }
  return all;
}

solve::Sandbox parse_step_sandbox(const Arguments& arguments) {
  solve::Sandbox sandbox;
  check_isolation(arguments.get("isolation"));
  check_userns(arguments.get("userns"));
  container::Config config;
  config.capabilities = sandbox.capabilities;
  config.no_new_privileges = sandbox.no_new_privileges;
  for (const std::string& text : arguments.all("device"))
    if (container::is_cdi_name(text))
      throw UsageError("--device " + base::printable(text) +
                       ": steps of a build know devices by their paths");
  apply_sandbox_flags(arguments, config);
  apply_limits(arguments, sandbox.limits);
  sandbox.capabilities = config.capabilities;
  sandbox.no_new_privileges = config.no_new_privileges;
  if (!config.seccomp.empty())
    sandbox.seccomp =
        config.seccomp == "unconfined" ? launch::Seccomp::kUnconfined : launch::Seccomp::kProfile;
  if (sandbox.seccomp == launch::Seccomp::kProfile) sandbox.seccomp_profile = config.seccomp;
  for (const container::DeviceConfig& device : config.devices)
    sandbox.devices.push_back({device.source, device.target});
  sandbox.groups = arguments.all("group-add");
  sandbox.timeout = arguments.duration("step-timeout");
  sandbox.mask = std::move(config.mask);
  sandbox.unmask = std::move(config.unmask);
  sandbox.ulimits = std::move(config.ulimits);
  return sandbox;
}

}  // namespace cli
