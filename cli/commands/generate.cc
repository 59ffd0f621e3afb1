// torte generate: containers written down for other programs.
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "base/error.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/containers/container_list.h"
#include "runner/container/prepare.h"
#include "runner/container/runtime_bundle.h"

namespace cli {

namespace {

int run_bundle(Context& context, const Arguments& arguments) {
  OpenContainers open = open_containers(context);
  container::Containers& containers = open.containers;
  const store::Lease lease = open.store->lease();
  const container::Config config = containers.read(containers.get(arguments.word(0))).config;
  const std::filesystem::path directory =
      std::filesystem::absolute(arguments.word(1)).lexically_normal();
  if (!config.rootfs.empty()) {
    container::write_bundle(containers, config, sys::Root::open(config.rootfs), directory);
    return 0;
  }
  // Its files without what is mounted on them; one that runs is seen as it is at this moment.
  overlay::Stack stack = container::open_layers(containers, config);
  const std::filesystem::path upper = containers.home(config.id).upper();
  if (std::filesystem::exists(upper))
    stack.push_back(std::make_shared<overlay::Tree>(upper, nullptr));
  const overlay::View view(*open.store, stack);
  container::write_bundle(containers, config, view.root(), directory);
  return 0;
}

/// A word of a unit file's command line.
std::string quoted(const std::string& word) {
  std::string out = "\"";
  for (const char c : word) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '%' || c == '$') out += c;  // both stand for themselves when doubled
    out += c;
  }
  return out + "\"";
}

std::string restart_line(const container::RestartPolicy& policy) {
  switch (policy.kind) {
    case container::Restart::kNo:
      return "no";
    case container::Restart::kOnFailure:
      return "on-failure";
    case container::Restart::kAlways:
    case container::Restart::kUnlessStopped:
      break;
  }
  return "always";
}

int run_systemd(Context& context, const Arguments& arguments) {
  OpenContainers open = open_containers(context);
  const container::Config config =
      open.containers.read(open.containers.get(arguments.word(0))).config;
  if (config.auto_remove)
    throw base::Error(base::Code::kInvalid,
                      "a container made with --rm is gone after its first run", "auto-remove");
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  const std::string torte = base::str(quoted(self), " --root ", quoted(context.root.string()),
                                      " --run-root ", quoted(context.run_root.string()));
  constexpr uint64_t kUsualPatience = 10;
  const uint64_t patience = config.stop_timeout_seconds.value_or(kUsualPatience);
  std::string text =
      base::str("# Made by: torte generate systemd ", config.name, "\n",
                "[Unit]\n"
                "Description=torte container ",
                config.name,
                "\n"
                "Wants=network-online.target\n"
                "After=network-online.target\n"
                "RequiresMountsFor=",
                quoted(context.root.string()),
                "\n"
                "\n"
                "[Service]\n"
                "Type=exec\n"
                "ExecStart=",
                torte, " start --attach ", config.name,
                "\n"
                "ExecStop=",
                torte, " stop ", config.name,
                "\n"
                // torte asks the program to end; systemd waits a little longer than torte does.
                "TimeoutStopSec=",
                patience + 20,
                "\n"
                "KillMode=mixed\n"
                "Delegate=yes\n"
                "Restart=",
                arguments.get("restart-policy", restart_line(config.restart)),
                "\n"
                "\n"
                "[Install]\n"
                "WantedBy=",
                ::geteuid() == 0 ? "multi-user.target" : "default.target", "\n");
  context.out(text);
  return 0;
}

}  // namespace

const std::vector<const Command*>& generate_commands() {
  static const Command kBundle{
      .name = "generate oci-bundle",
      .summary = "write a container down as a bundle for crun, runc and other OCI runtimes",
      .usage = "CONTAINER DIR",
      .about =
          "Makes DIR with config.json and a copy of the container's files, so that `crun run "
          "--bundle DIR "
          "NAME` runs its program with the same rights, limits, mounts and system call policy. "
          "Published "
          "ports, networks, health probes, logs and restarts are torte's, and not in a bundle: it "
          "has a "
          "network namespace with nothing in it, unless the container uses the host's or ns:PATH. "
          "An "
          "ordinary user's bundle makes the user namespace that torte works in; run it as "
          "yourself.",
      .group = "containers",
      .examples =
          {{"torte generate oci-bundle $(torte create app) ./app && crun run --bundle ./app app1",
            "an image, run by crun"}},
      .positionals = {2, 2},
      .run = run_bundle,
  };
  static const Command kSystemd{
      .name = "generate systemd",
      .summary = "print a systemd unit that starts a container with the machine",
      .usage = "[FLAGS] CONTAINER",
      .about =
          "The unit starts and stops the container that is there; systemd restarts it where its "
          "own "
          "policy says so. For a user's unit put it in ~/.config/systemd/user.",
      .group = "containers",
      .flags = {{.name = "restart-policy",
                 .value = "POLICY",
                 .help = "systemd's Restart= (default: as the container's)",
                 .choices = {"no", "on-success", "on-failure", "on-abnormal", "on-watchdog",
                             "on-abort", "always"}}},
      .examples = {{"torte generate systemd web >/etc/systemd/system/web.service",
                    "a service of the machine"}},
      .positionals = {1, 1},
      .run = run_systemd,
      .in_user_namespace = false,
  };
  static const std::vector<const Command*> kCommands = {&kBundle, &kSystemd};
  return kCommands;
}

}  // namespace cli
