#include "cli/containers/new_container.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/sys/userns.h"
#include "base/text.h"
#include "cli/containers/network_options.h"
#include "cli/containers/run_options.h"
#include "cli/images/base_images.h"
#include "cli/mount_options.h"
#include "cli/template.h"
#include "overlay/snapshot.h"
#include "runner/container/ids.h"
#include "runner/container/prepare.h"
#include "runner/container/volumes.h"

namespace cli {

namespace {

using container::Config;
using container::MountConfig;

std::vector<std::string> parse_entrypoint(const std::string& text) {
  if (text.empty()) return {};
  if (!text.starts_with('[')) return {text};
  const nlohmann::json list = nlohmann::json::parse(text, nullptr, false);
  std::vector<std::string> words;
  if (list.is_array())
    for (const nlohmann::json& word : list)
      if (word.is_string()) words.push_back(word.get<std::string>());
  if (!list.is_array() || words.size() != list.size())
    throw UsageError("--entrypoint " + base::printable(text) +
                     ": expected a command or a JSON list of strings");
  return words;
}

void set_command(const Arguments& arguments, const oci::ContainerConfig& image, size_t first,
                 Config& config) {
  config.entrypoint = image.entrypoint;
  config.arguments.assign(arguments.words().begin() + static_cast<ptrdiff_t>(first),
                          arguments.words().end());
  if (auto entrypoint = arguments.find("entrypoint"))
    config.entrypoint = parse_entrypoint(*entrypoint);
  else if (config.arguments.empty())
    config.arguments = image.cmd;
  if (config.entrypoint.empty() && config.arguments.empty())
    throw base::Error(base::Code::kInvalid, "the image names no command; give one after its name",
                      "no-command");
}

uint64_t seconds_of(const Arguments& arguments, const char* flag) {
  const auto duration = arguments.duration(flag);
  return duration ? static_cast<uint64_t>(duration->count() + 999) / 1000 : 0;
}

std::string signal_name(const std::string& text) {
  if (!container::parse_signal(text))
    throw UsageError("--stop-signal " + base::printable(text) + ": there is no such signal");
  return text;
}

void set_life(const Arguments& arguments, const oci::ContainerConfig& image, Config& config) {
  config.stop_signal = image.stop_signal;
  if (auto text = arguments.find("stop-signal")) config.stop_signal = signal_name(*text);
  if (arguments.has("stop-timeout"))
    config.stop_timeout_seconds = seconds_of(arguments, "stop-timeout");
  config.timeout_seconds = seconds_of(arguments, "timeout");
  const std::string restart = arguments.get("restart", "no");
  const auto policy = container::RestartPolicy::parse(restart);
  if (!policy)
    throw UsageError("--restart " + base::printable(restart) +
                     ": expected no, on-failure[:TIMES], always or unless-stopped");
  config.restart = *policy;
  if (config.auto_remove && policy->kind != container::Restart::kNo)
    throw UsageError(
        "--rm and --restart cannot be used together: what is started again is not removed");
  config.pid_file = arguments.get("pidfile");
  if (!config.pid_file.empty()) config.pid_file = std::filesystem::absolute(config.pid_file);
}

void set_log(const Arguments& arguments, Config& config) {
  config.log.driver = arguments.get("log-driver", "json-file");
  if (config.log.driver == "passthrough" && config.tty)
    throw UsageError(
        "--log-driver passthrough hands torte's own streams to the program; with --tty it has a "
        "terminal instead");
  for (const std::string& option : arguments.all("log-opt")) {
    const size_t equals = option.find('=');
    const std::string key = option.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : option.substr(equals + 1);
    const auto bytes = base::parse_size(value);
    const auto number = base::parse_decimal(value);
    if (key == "tag" && !value.empty() && config.log.driver == "journald") {
      config.log.tag = value;
      continue;
    }
    if (key == "max-size" && bytes && *bytes > 0)
      config.log.max_bytes = *bytes;
    else if (key == "max-file" && number && *number > 0)
      config.log.files = *number;
    else
      throw UsageError("--log-opt " + base::printable(option) +
                       ": known are max-size=SIZE, max-file=N, and for journald tag=TEMPLATE");
  }
}

/// What journald's lines are marked with, of the template in --log-opt tag=.
std::string render_tag(const Config& config) {
  return Template(config.log.tag)
      .render({{"id", container::short_id(config.id)},
               {"fullId", config.id},
               {"name", config.name},
               {"imageName", config.image}});
}

/// --tz: /etc/localtime is that of a zone, or the machine's.
void set_time_zone(const Arguments& arguments, Config& config) {
  const auto zone = arguments.find("tz");
  if (!zone) return;
  const std::filesystem::path zones = "/usr/share/zoneinfo";
  const std::filesystem::path file = *zone == "local"
                                         ? std::filesystem::path("/etc/localtime")
                                         : zones / std::filesystem::path(*zone).relative_path();
  std::error_code none;
  MountConfig mount;
  mount.source = std::filesystem::canonical(file, none);
  if (zone->find("..") != std::string::npos ||
      !std::filesystem::is_regular_file(mount.source, none))
    throw base::Error(
        base::Code::kNotFound,
        base::str("--tz ", base::printable(*zone), ": this machine has no such time zone (",
                  base::printable(file.string()), ")"),
        "no-time-zone");
  mount.target = "/etc/localtime";
  mount.read_only = true;
  mount.executable = false;
  config.mounts.push_back(std::move(mount));
}

std::chrono::nanoseconds health_time(const Arguments& arguments, const char* flag,
                                     std::chrono::nanoseconds before) {
  const auto given = arguments.duration(flag);
  return given ? std::chrono::nanoseconds(*given) : before;
}

void set_health(const Arguments& arguments, const oci::ContainerConfig& image, Config& config) {
  config.health_on_failure = arguments.get("health-on-failure", "none");
  if (arguments.is_on("no-healthcheck")) return;
  config.healthcheck = image.healthcheck;
  if (auto command = arguments.find("health-cmd")) {
    if (!config.healthcheck) config.healthcheck.emplace();
    config.healthcheck->test = {"CMD-SHELL", *command};
    if (*command == "none") config.healthcheck->test = {"NONE"};
  }
  if (!config.healthcheck) return;
  oci::Healthcheck& check = *config.healthcheck;
  check.interval = health_time(arguments, "health-interval", check.interval);
  check.timeout = health_time(arguments, "health-timeout", check.timeout);
  check.start_period = health_time(arguments, "health-start-period", check.start_period);
  check.start_interval = health_time(arguments, "health-start-interval", check.start_interval);
  if (auto retries = arguments.number("health-retries"))
    check.retries = static_cast<int64_t>(*retries);
}

/// Kept by id, so that a renamed container is still meant.
std::string resolve_container(container::Containers& containers, const std::string& mode) {
  const std::string other = container::joined_container(mode);
  return other.empty() ? mode : "container:" + containers.get(other);
}

std::string name_space_mode(container::Containers& containers, const Arguments& arguments,
                            const char* flag) {
  const std::string mode = arguments.get(flag, "private");
  if (mode == "private" || mode == "host") return mode == "host" ? mode : "";
  if (!mode.starts_with("ns:/") && container::joined_container(mode).empty())
    throw UsageError(base::str("--", flag, " ", base::printable(mode),
                               ": expected private, host, container:NAME or ns:/PATH"));
  return resolve_container(containers, mode);
}

/// INSIDE:OUTSIDE:COUNT
std::vector<sys::IdRange> parse_id_map(const Arguments& arguments, const char* flag) {
  std::vector<sys::IdRange> rows;
  for (const std::string& text : arguments.all(flag)) {
    std::vector<uint32_t> numbers;
    for (const std::string& word : base::split(text, ':'))
      if (const auto number = base::parse_decimal(word); number && *number < UINT32_MAX)
        numbers.push_back(static_cast<uint32_t>(*number));
    if (numbers.size() != 3 || numbers[2] == 0)
      throw UsageError(
          base::str("--", flag, " ", base::printable(text), ": expected INSIDE:OUTSIDE:COUNT"));
    rows.push_back({numbers[0], numbers[1], numbers[2]});
  }
  return rows;
}

/// --subuidname, --subgidname: maps of the ranges that belong to somebody.
void set_named_ids(const Arguments& arguments, Config& config) {
  const auto uids = arguments.find("subuidname"), gids = arguments.find("subgidname");
  if (!uids && !gids) return;
  if (!config.id_maps.uids.empty())
    throw UsageError("--subuidname and --uidmap or --gidmap say the same thing; use one of them");
  for (const auto& [flag, name, file, rows] :
       {std::tuple("--subuidname ", uids ? *uids : *gids, "/etc/subuid", &config.id_maps.uids),
        std::tuple("--subgidname ", gids ? *gids : *uids, "/etc/subgid", &config.id_maps.gids)}) {
    *rows = sys::subordinate_ids(file, name, 0);
    if (rows->empty())
      throw base::Error(base::Code::kNotFound,
                        base::str(flag, base::printable(name), ": it has no range in ", file),
                        "no-range-of-ids")
          .add_help("usermod --add-subuids 100000-165535 --add-subgids 100000-165535 NAME");
  }
}

void set_ids(container::Containers& containers, const Arguments& arguments, Config& config) {
  config.userns = arguments.get("userns");
  // An ordinary user's containers are in one that is not the machine's as it is.
  if (config.userns == "private")
    config.userns = sys::userns_mode() == sys::UsernsMode::kNone ? "auto" : "host";
  container::check_userns(config.userns);
  if (config.userns == "host") config.userns.clear();
  if (const std::string kept = container::kept_user(config);
      !kept.empty() && !arguments.has("user"))
    config.user = kept;
  config.userns = resolve_container(containers, config.userns);
  config.id_maps = {parse_id_map(arguments, "uidmap"), parse_id_map(arguments, "gidmap")};
  if (config.id_maps.uids.empty()) config.id_maps.uids = config.id_maps.gids;
  if (config.id_maps.gids.empty()) config.id_maps.gids = config.id_maps.uids;
  set_named_ids(arguments, config);
  if (!config.id_maps.uids.empty() && arguments.has("userns"))
    throw UsageError(
        "--userns and --uidmap, --gidmap or --subuidname say the same thing; use one of them");
  if (config.privileged && container::has_own_ids(config))
    throw UsageError(
        "--privileged is over the machine, which a user namespace of its own has no say in");
}

void set_names(container::Containers& containers, const Arguments& arguments,
               const oci::ContainerConfig& image, Config& config) {
  config.name = arguments.get("name");
  if (arguments.has("name") && !container::is_valid_name(config.name))
    throw UsageError("--name " + base::printable(config.name) +
                     ": letters, digits, _ . - only, a letter or digit first");
  config.pid_mode = name_space_mode(containers, arguments, "pid");
  config.ipc_mode = name_space_mode(containers, arguments, "ipc");
  config.uts_mode = name_space_mode(containers, arguments, "uts");
  config.network_mode = resolve_container(containers, arguments.get("network", "default"));
  config.network = network_request(arguments, image.exposed_ports);
  config.no_hosts = arguments.is_on("no-hosts");
  config.no_hostname = arguments.is_on("no-hostname");
  config.domainname = arguments.get("domainname");
  config.host_cgroup = arguments.get("cgroupns") == "host";
}

/// The image's variables without those the user does not want, below torte's own where asked.
std::vector<std::string> given_environment(const Arguments& arguments,
                                           std::vector<std::string> image) {
  if (arguments.is_on("unsetenv-all")) image.clear();
  for (const std::string& name : arguments.all("unsetenv"))
    std::erase_if(image, [&](const std::string& known) { return known.starts_with(name + "="); });
  if (!arguments.is_on("env-host")) return image;
  for (char** variable = ::environ; *variable != nullptr; ++variable) {
    const std::string text = *variable, name = text.substr(0, text.find('=') + 1);
    std::erase_if(image, [&](const std::string& known) { return known.starts_with(name); });
    image.push_back(text);
  }
  return image;
}

/// --init[=PATH] and --init-path
void set_init(const Arguments& arguments, Config& config) {
  const std::string init = arguments.get("init", arguments.has("init-path") ? "true" : "false");
  if (init == "false" || init == "0") return;
  config.init = true;
  const bool is_path = init != "true" && init != "1";
  if (is_path || arguments.has("init-path"))
    config.init_path =
        host_path(is_path ? init : arguments.get("init-path"), is_path ? "init" : "init-path");
}

/// One line of /etc/passwd or /etc/group.
std::string user_entry(const Arguments& arguments, const char* flag) {
  const std::string text = arguments.get(flag);
  const bool is_line = std::count(text.begin(), text.end(), ':') >= 3 &&
                       text.find_first_of(std::string("\n\0", 2)) == std::string::npos;
  if (arguments.has(flag) && !is_line)
    throw UsageError(base::str("--", flag, " ", base::printable(text), ": expected a line such as ",
                               flag[0] == 'p' ? "'$USERNAME:*:$UID:$GID:$NAME:$HOME:/bin/sh'"
                                              : "'$GROUPNAME:x:$GID:$USERLIST'"));
  return text;
}

/// What systemd, or what boots like it, finds. [spec/cli.md 4 "--systemd"]
void set_systemd(const Arguments& arguments, Config& config) {
  const std::string asked = arguments.get("systemd");
  const std::string& program =
      config.entrypoint.empty() ? config.arguments.front() : config.entrypoint.front();
  const bool is_init = program == "/sbin/init" || program == "/usr/sbin/init" ||
                       program == "/usr/local/sbin/init" || program == "systemd" ||
                       program.ends_with("/systemd");
  config.systemd = asked == "always" || (asked == "true" && is_init) ||
                   (asked.empty() && is_init && launch::can_have_writable_cgroup());
  if (!config.systemd) return;
  if (!launch::can_have_writable_cgroup())
    throw base::Error(base::Code::kUnsupported,
                      "--systemd " + asked + ": its program needs cgroup v2 to make groups in",
                      "systemd-unsupported")
        .add_fact("an ordinary user's must have been delegated");
  if (config.host_cgroup)
    throw UsageError("--systemd needs control groups of its own, not --cgroupns host");
  if (config.stop_signal.empty()) config.stop_signal = "RTMIN+3";
  for (const auto& [path, mode] : {std::pair("/var/log/journal", 0755), std::pair("/tmp", 01777),
                                   std::pair("/run/lock", 0755), std::pair("/run", 0755)})
    config.mounts.insert(config.mounts.begin(), tmpfs_mount(path, "systemd", mode));
}

void set_process(Context& context, const Arguments& arguments, const oci::ContainerConfig& image,
                 Config& config) {
  config.cwd = arguments.get("workdir", image.working_dir.empty() ? "/" : image.working_dir);
  config.user = arguments.get("user", image.user);
  config.groups = arguments.all("group-add");
  config.tty = arguments.is_on("tty");
  config.interactive = arguments.is_on("interactive");
  set_init(arguments, config);
  config.passwd_entry = user_entry(arguments, "passwd-entry");
  config.group_entry = user_entry(arguments, "group-entry");
  config.runtime = arguments.get("runtime");
  if (config.runtime == "torte") config.runtime.clear();
  config.env = container_environment(context, arguments, given_environment(arguments, image.env));
  config.annotations = parse_annotations(arguments);
  config.labels = image.labels;
  for (auto& [key, value] : parse_labels(arguments)) config.labels[key] = value;
  if (auto text = arguments.find("umask")) {
    if (text->empty() || text->size() > 4 ||
        text->find_first_not_of("01234567") != std::string::npos)
      throw UsageError("--umask " + base::printable(*text) + ": expected an octal mode");
    config.umask = static_cast<uint32_t>(std::stoul(*text, nullptr, 8));
  }
  if (auto text = arguments.find("oom-score-adj")) {
    const bool negative = text->starts_with('-');
    const auto score = base::parse_decimal(text->substr(negative ? 1 : 0));
    if (!score || *score > 1000)
      throw UsageError("--oom-score-adj " + base::printable(*text) + ": expected -1000 to 1000");
    config.oom_score_adj = static_cast<int>(*score) * (negative ? -1 : 1);
  }
  for (const std::string& port : image.exposed_ports) config.ports.push_back(port);
  for (const std::string& port : arguments.all("expose"))
    config.ports.push_back(port.find('/') == std::string::npos ? port + "/tcp" : port);
}

/// VOLUMEs of the image without a mount of the user's at the same place.
void add_image_volumes(const Arguments& arguments, const oci::ContainerConfig& image,
                       Config& config) {
  const std::string how = arguments.get("image-volume", "bind");
  if (how == "ignore") return;
  for (const std::string& path : image.volumes) {
    const std::string target = sys::RootedPath(path).str();
    const bool taken =
        std::any_of(config.mounts.begin(), config.mounts.end(),
                    [&](const MountConfig& mount) { return mount.target == target; });
    if (taken || target == "/") continue;
    MountConfig mount;
    mount.type = how == "tmpfs" ? MountConfig::Type::kTmpfs : MountConfig::Type::kVolume;
    mount.target = target;
    mount.anonymous = how != "tmpfs";
    mount.mode = 01777;
    config.mounts.push_back(std::move(mount));
  }
}

void add_volumes_from(const Arguments& arguments, container::Containers& containers,
                      Config& config) {
  for (const std::string& text : arguments.all("volumes-from")) {
    const size_t colon = text.find(':');
    const std::string options = colon == std::string::npos ? "" : text.substr(colon + 1);
    if (!options.empty() && options != "ro" && options != "rw" && options != "z")
      throw UsageError("--volumes-from " + base::printable(text) + ": expected CONTAINER[:ro]");
    const Config other = containers.read(containers.get(text.substr(0, colon))).config;
    for (MountConfig mount : other.mounts) {
      if (mount.type != MountConfig::Type::kVolume && mount.type != MountConfig::Type::kBind)
        continue;
      mount.anonymous = false;  // it stays the other one's
      if (options == "ro") mount.read_only = true;
      config.mounts.push_back(std::move(mount));
    }
  }
}

void order_mounts(Config& config) {
  // Outer ones first, and of two at one place the last.
  std::vector<MountConfig> mounts;
  for (auto mount = config.mounts.rbegin(); mount != config.mounts.rend(); ++mount)
    if (std::none_of(mounts.begin(), mounts.end(),
                     [&](const MountConfig& known) { return known.target == mount->target; }))
      mounts.insert(mounts.begin(), *mount);
  std::stable_sort(mounts.begin(), mounts.end(), [](const MountConfig& a, const MountConfig& b) {
    return std::count(a.target.begin(), a.target.end(), '/') <
           std::count(b.target.begin(), b.target.end(), '/');
  });
  config.mounts = std::move(mounts);
}

void resolve_image_mounts(Context& context, const Arguments& arguments, store::Store& store,
                          Config& config) {
  for (MountConfig& mount : config.mounts) {
    if (mount.type != MountConfig::Type::kImage) continue;
    const store::ImageRecord image = get_image_to_run(context, arguments, store, mount.source);
    mount.source = image.id.str();
    mount.layers = image.layers;
  }
}

/// Makes the volumes; those that are new and empty take what the image has there.
void make_volumes(store::Store& store, Config& config) {
  std::optional<overlay::View> view;
  for (MountConfig& mount : config.mounts) {
    if (mount.type != MountConfig::Type::kVolume) continue;
    container::Volume volume{.name = mount.source, .anonymous = mount.anonymous};
    container::make_volume(store, volume);
    mount.source = volume.name;
    if (!mount.copy || !mount.subpath.empty() || !config.rootfs.empty()) continue;
    if (!view) view.emplace(store, overlay::open_stack(store, config.layers));
    container::fill_volume(store, volume.name, view->root(), sys::RootedPath(mount.target));
  }
}

void write_id_file(const Arguments& arguments, const std::string& id) {
  const auto path = arguments.find("cidfile");
  if (!path) return;
  sys::UniqueFd file(::open(path->c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!file) base::throw_errno("create --cidfile " + base::printable(*path));
  sys::write_all(file.get(), base::as_bytes(id), *path);
}

void set_rootfs(const std::string& text, Config& config) {
  std::string path = text;
  // Of a container with ids of its own the root is always shown with them.
  constexpr std::string_view kOverlay = ":O", kMapped = ":idmap";
  for (bool found = true; found;) {
    found = false;
    for (const std::string_view option : {kOverlay, kMapped})
      if (path.ends_with(option)) {
        config.rootfs_overlay = config.rootfs_overlay || option == kOverlay;
        path.resize(path.size() - option.size());
        found = true;
      }
  }
  config.rootfs = std::filesystem::absolute(path).lexically_normal();
  if (!std::filesystem::is_directory(config.rootfs))
    throw base::Error(base::Code::kNotFound,
                      "--rootfs: " + base::printable(config.rootfs) + " is not a directory",
                      "rootfs-missing");
}

}  // namespace

std::vector<std::string> monitor_command(const Context& context) {
  return {"torte",
          "--root",
          context.root.string(),
          "--run-root",
          context.run_root.string(),
          "container-monitor"};
}

NewContainer make_container(Context& context, const Arguments& arguments,
                            container::Containers& containers, bool auto_remove) {
  store::Store& store = containers.store();
  Config config;
  config.auto_remove = auto_remove;
  oci::ImageConfig image;
  std::optional<store::ImageRecord> record;
  size_t first = 0;
  if (auto rootfs = arguments.find("rootfs")) {
    set_rootfs(*rootfs, config);
  } else {
    if (arguments.words().empty())
      throw UsageError(std::string(arguments.command().name) + " wants an image, or --rootfs DIR");
    record = get_image_to_run(context, arguments, store, arguments.word(0));
    config.image = arguments.word(0);
    config.image_id = record->id.str();
    config.layers = record->layers;
    image = read_config(store, *record);
    first = 1;
  }
  set_command(arguments, image.config, first, config);
  set_names(containers, arguments, image.config, config);
  set_process(context, arguments, image.config, config);
  set_life(arguments, image.config, config);
  set_log(arguments, config);
  set_health(arguments, image.config, config);
  apply_container_flags(arguments, config);
  set_systemd(arguments, config);
  config.sdnotify = arguments.get("sdnotify", "container");
  set_ids(containers, arguments, config);
  set_time_zone(arguments, config);
  add_volumes_from(arguments, containers, config);
  add_image_volumes(arguments, image.config, config);
  order_mounts(config);
  resolve_image_mounts(context, arguments, store, config);
  if (arguments.has("cidfile") && std::filesystem::exists(arguments.get("cidfile")))
    throw base::Error(base::Code::kInvalid,
                      "--cidfile: " + base::printable(arguments.get("cidfile")) + " exists already",
                      "cidfile-exists");
  container::Containers::Finish finish = [&](Config& made) {
    if (made.hostname.empty())
      made.hostname =
          arguments.get("hostname", arguments.get("name", container::short_id(made.id)));
    if (made.uts_mode == "host") {
      char name[256] = {};
      if (::gethostname(name, sizeof name - 1) == 0) made.hostname = name;
    }
    if (!made.log.tag.empty()) made.log.tag = render_tag(made);
    make_volumes(store, made);
    write_id_file(arguments, made.id);
  };
  container::Claim claim =
      containers.create(config, record ? &*record : nullptr, !auto_remove, finish);
  return {std::move(config), std::move(claim)};
}

}  // namespace cli
