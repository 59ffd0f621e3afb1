// torte top, stats, port, update: what a running container does, and what it may.
#include <fcntl.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/sys/process.h"
#include "base/sys/root.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/containers/container_list.h"
#include "cli/containers/run_options.h"
#include "cli/table.h"
#include "runner/container/life.h"
#include "runner/container/prepare.h"

namespace cli {

namespace {

using Json = nlohmann::json;
using container::Record;

constexpr uint64_t kMostBytes = 1 << 20;

Record running(container::Containers& containers, const std::string& word) {
  Record record = containers.read(containers.get(word));
  if (!record.state.is_live() || record.state.pid == 0 ||
      !container::open_main_process(record.state))
    throw base::Error(base::Code::kUnavailable,
                      "container " + base::printable(word) + " is not running",
                      "container-not-running");
  return record;
}

// --- top ---

std::string first_line_with(const std::string& text, std::string_view key) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(key))
      return std::string(base::trim(std::string_view(line).substr(key.size())));
  return "";
}

struct Task {
  std::string pid, parent, uid, state, command;
};

std::optional<Task> read_task(const std::string& pid) {
  const auto status = sys::find_user_file("/proc/" + pid + "/status", kMostBytes);
  if (!status) return std::nullopt;
  Task task{.pid = pid,
            .parent = first_line_with(*status, "PPid:"),
            .uid = first_line_with(*status, "Uid:"),
            .state = first_line_with(*status, "State:").substr(0, 1),
            .command = sys::find_user_file("/proc/" + pid + "/cmdline", kMostBytes).value_or("")};
  task.uid = task.uid.substr(0, task.uid.find_first_of(" \t"));
  std::replace(task.command.begin(), task.command.end(), '\0', ' ');
  if (task.command.empty()) task.command = "[" + first_line_with(*status, "Name:") + "]";
  return task;
}

/// Everything in its pid namespace, namespaces nested in it included: whose chain of parents leads
/// to it.
std::vector<Task> tasks_of(const container::State& state) {
  std::map<std::string, Task> all;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (auto task = read_task(name)) all.emplace(name, std::move(*task));
  }
  const std::string first = std::to_string(state.pid);
  const std::string space = sys::read_link_at(AT_FDCWD, ("/proc/" + first + "/ns/pid").c_str());
  std::vector<Task> tasks;
  for (const auto& [pid, task] : all) {
    std::string up = pid;
    while (up != first && all.contains(up)) up = all.at(up).parent;
    bool inside = up == first;
    // What exec brought in has a parent outside.
    if (!inside) {
      try {
        inside = sys::read_link_at(AT_FDCWD, ("/proc/" + pid + "/ns/pid").c_str()) == space;
      } catch (const base::SystemError&) {
        // Not ours to look into, so not of this container.
      }
    }
    if (inside) tasks.push_back(task);
  }
  return tasks;
}

int run_top(Context& context, const Arguments& arguments) {
  OpenContainers open = open_containers(context);
  const Record record = running(open.containers, arguments.word(0));
  if (record.config.pid_mode == "host")
    throw base::Error(base::Code::kUnsupported, "it shares the machine's processes (--pid host)",
                      "pid-host");
  container::enter_user_namespace_of(record);
  Table table({"UID", "PID", "PPID", "S", "COMMAND"});
  Json items = Json::array();
  for (const Task& task : tasks_of(record.state)) {
    table.add({task.uid, task.pid, task.parent, task.state, task.command});
    items.push_back({{"uid", task.uid},
                     {"pid", task.pid},
                     {"ppid", task.parent},
                     {"state", task.state},
                     {"command", task.command}});
  }
  print_listing(context, table, items, arguments.get("format"));
  return 0;
}

// --- stats ---

struct Sample {
  uint64_t cpu_nanoseconds = 0;
  uint64_t memory_bytes = 0;
  uint64_t memory_limit_bytes = 0;  ///< 0: none
  uint64_t pids = 0;
  std::chrono::steady_clock::time_point when;
};

std::string group_file(const container::State& state, const std::string& controller, const char* v1,
                       const char* v2) {
  for (const std::string& group : state.cgroups) {
    if (const auto text = sys::find_user_file(group + "/" + v2, kMostBytes);
        text && std::filesystem::exists(group + "/cgroup.controllers"))
      return *text;
    if (group.find("/" + controller + "/") != std::string::npos)
      return sys::find_user_file(group + "/" + v1, kMostBytes).value_or("");
  }
  return "";
}

Sample take_sample(const Record& record) {
  const container::State& state = record.state;
  if (state.cgroups.empty())
    throw base::Error(
        base::Code::kUnsupported,
        "container " + record.config.name + " has no cgroup, so the kernel does not count for it",
        "no-cgroup")
        .add_fact(
            "an ordinary user needs a delegated cgroup; run --rm in the foreground makes none");
  auto number = [](const std::string& text) {
    return base::parse_decimal(base::trim(text)).value_or(0);
  };
  Sample sample;
  sample.when = std::chrono::steady_clock::now();
  sample.memory_bytes =
      number(group_file(state, "memory", "memory.usage_in_bytes", "memory.current"));
  sample.memory_limit_bytes = record.config.limits.memory_bytes.value_or(0);
  sample.pids = number(group_file(state, "pids", "pids.current", "pids.current"));
  const std::string cpu = group_file(state, "cpuacct", "cpuacct.usage", "cpu.stat");
  const std::string usage = first_line_with(cpu, "usage_usec ");
  sample.cpu_nanoseconds = usage.empty() ? number(cpu) : number(usage) * 1000;
  return sample;
}

int run_stats(Context& context, const Arguments& arguments) {
  OpenContainers open = open_containers(context);
  std::vector<Record> records;
  for (const std::string& word : arguments.words())
    records.push_back(running(open.containers, word));
  if (arguments.words().empty())
    for (Record& record : open.containers.list())
      if (record.state.pid > 0 && !record.state.cgroups.empty())
        records.push_back(std::move(record));
  std::vector<Sample> before;
  for (const Record& record : records) before.push_back(take_sample(record));
  for (;;) {
    std::this_thread::sleep_for(
        std::chrono::milliseconds(arguments.is_on("no-stream") ? 200 : 1000));
    Table table({"CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "PIDS"});
    Json items = Json::array();
    for (size_t i = 0; i < records.size(); ++i) {
      const Sample sample = take_sample(records[i]);
      const auto passed =
          std::chrono::duration<double, std::nano>(sample.when - before[i].when).count();
      const double percent =
          static_cast<double>(sample.cpu_nanoseconds -
                              std::min(before[i].cpu_nanoseconds, sample.cpu_nanoseconds)) /
          passed * 100;
      before[i] = sample;
      char cpu[32];
      snprintf(cpu, sizeof cpu, "%.2f%%", percent);
      const std::string limit =
          sample.memory_limit_bytes == 0 ? "none" : base::format_size(sample.memory_limit_bytes);
      const std::string id = container::short_id(records[i].config.id);
      table.add({id, records[i].config.name, cpu,
                 base::format_size(sample.memory_bytes) + " / " + limit,
                 std::to_string(sample.pids)});
      items.push_back({{"id", id},
                       {"name", records[i].config.name},
                       {"cpuPerc", cpu},
                       {"cpuNanoseconds", sample.cpu_nanoseconds},
                       {"memUsage", base::format_size(sample.memory_bytes) + " / " + limit},
                       {"memoryBytes", sample.memory_bytes},
                       {"pids", sample.pids}});
    }
    print_listing(context, table, items, arguments.get("format"));
    if (arguments.is_on("no-stream")) return 0;
    std::erase_if(records,
                  [&](const Record& record) { return !open.containers.is_held(record.config.id); });
    if (records.empty()) return 0;
    before.clear();
    for (const Record& record : records) before.push_back(take_sample(record));
  }
}

// --- port, update ---

int run_port(Context& context, const Arguments& arguments) {
  OpenContainers open = open_containers(context);
  const Record record = running(open.containers, arguments.word(0));
  const std::string wanted = arguments.word(1);
  bool found = wanted.empty();
  for (const std::string& port : record.state.ports) {  // "0.0.0.0:8080->80/tcp"
    const size_t arrow = port.find("->");
    const std::string outside = port.substr(0, arrow), inside = port.substr(arrow + 2);
    if (wanted.empty()) {
      context.out(inside + " -> " + outside + "\n");
    } else if (inside == wanted || inside == wanted + "/tcp") {
      context.out(outside + "\n");
      found = true;
    }
  }
  if (!found)
    throw base::Error(base::Code::kNotFound,
                      "port " + base::printable(wanted) + " is not published", "port-missing");
  return 0;
}

int run_update(Context& context, const Arguments& arguments) {
  OpenContainers open = open_containers(context);
  return each_container(
      context, arguments, open.containers, [&](const std::string& id, const std::string& word) {
        const container::Config before = open.containers.read(id).config;
        container::Config config = before;
        apply_limits(arguments, config.limits);
        if (const auto text = arguments.find("restart")) {
          const auto policy = container::RestartPolicy::parse(*text);
          if (!policy)
            throw UsageError("--restart " + base::printable(*text) +
                             ": expected no, on-failure[:TIMES], always or unless-stopped");
          config.restart = *policy;
        }
        open.containers.write_config_of_running(config);
        if (!open.containers.is_held(id)) return word;
        try {
          container::ask(open.containers, id, 'U');
        } catch (const base::Error&) {
          // What cannot be applied is not remembered either.
          open.containers.write_config_of_running(before);
          throw;
        }
        return word;
      });
}

}  // namespace

const std::vector<const Command*>& container_state_commands() {
  static const Flag kFormat = {.name = "format",
                               .value = "FORMAT",
                               .help = "table, json, json-lines, or a template",
                               .common = true};
  static const Command kTop{.name = "top",
                            .aliases = {"container top"},
                            .summary = "list the processes of a container",
                            .usage = "[FLAGS] CONTAINER",
                            .about = "Numbers are those of the host.",
                            .group = "containers",
                            .flags = {kFormat},
                            .positionals = {1, 1},
                            .run = run_top,
                            .in_user_namespace = false};
  static const Command kStats{
      .name = "stats",
      .aliases = {"container stats"},
      .summary = "show what containers use, as the kernel counts it",
      .usage = "[FLAGS] [CONTAINER..]",
      .group = "containers",
      .flags = {{.name = "no-stream", .help = "once, not every second", .common = true}, kFormat},
      .positionals = {0, Positionals::kAny},
      .run = run_stats,
      .in_user_namespace = false};
  static const Command kPort{.name = "port",
                             .aliases = {"container port"},
                             .summary = "show the published ports of a container",
                             .usage = "CONTAINER [PORT[/udp]]",
                             .group = "containers",
                             .positionals = {1, 2},
                             .run = run_port,
                             .in_user_namespace = false};
  static const Command kUpdate = [] {
    Command command{
        .name = "update",
        .aliases = {"container update"},
        .summary = "change the limits and the restart policy of containers",
        .usage = "[FLAGS] CONTAINER..",
        .about =
            "At once where the container runs; a limit that cannot be applied changes nothing.",
        .group = "containers",
        .flags = limit_flags(),
        .positionals = {1, Positionals::kAny},
        .run = run_update,
        .in_user_namespace = false};
    command.flags.push_back({.name = "restart",
                             .value = "POLICY",
                             .help = "no, on-failure[:TIMES], always or unless-stopped"});
    return command;
  }();
  static const std::vector<const Command*> kCommands = {&kTop, &kStats, &kPort, &kUpdate};
  return kCommands;
}

}  // namespace cli
