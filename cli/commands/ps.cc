// torte ps: containers, running or all.
#include <nlohmann/json.hpp>
#include <thread>

#include "base/sys/tree.h"
#include "base/text.h"
#include "cli/age.h"
#include "cli/commands/commands.h"
#include "cli/containers/container_list.h"
#include "cli/table.h"
#include "store/oci/timestamp.h"

namespace cli {

namespace {

using Json = nlohmann::json;
using container::Record;

std::string command_text(const container::Config& config, bool whole) {
  std::vector<std::string> words = config.entrypoint;
  words.insert(words.end(), config.arguments.begin(), config.arguments.end());
  std::string text = base::join(words, " ");
  constexpr size_t kShown = 24;
  if (!whole && text.size() > kShown) text = text.substr(0, kShown - 3) + "...";
  return text;
}

Json record_json(const Record& record, container::Containers& containers,
                 const Arguments& arguments, container::Time now) {
  const container::Config& config = record.config;
  const bool whole = arguments.is_on("no-trunc");
  using std::chrono::system_clock;
  const auto created = std::chrono::time_point_cast<system_clock::duration>(config.created);
  std::vector<std::string> labels;
  for (const auto& [key, value] : config.labels) labels.push_back(key + "=" + value);
  std::vector<std::string> mounts;
  for (const container::MountConfig& mount : config.mounts)
    mounts.push_back(mount.source.empty() ? mount.target : mount.source);
  Json out = {{"id", whole ? config.id : container::short_id(config.id)},
              {"image", config.rootfs.empty() ? config.image : config.rootfs},
              {"imageId", config.image_id},
              {"command", command_text(config, whole)},
              {"createdAt", oci::format_timestamp(config.created)},
              {"runningFor",
               format_age(created, std::chrono::time_point_cast<system_clock::duration>(now))},
              {"status", describe_status(record.state, now)},
              {"state", container::name_of(record.state.status)},
              {"exitCode", record.state.exit_code},
              {"pid", record.state.pid},
              {"health", container::name_of(record.state.health)},
              {"restarts", record.state.restarts},
              {"ports", base::join(record.state.ports, ", ")},
              {"networks", config.further_networks.empty()
                               ? config.network_mode
                               : base::join(container::networks_of(config), ",")},
              {"names", config.name},
              {"labels", base::join(labels, ",")},
              {"mounts", base::join(mounts, ",")}};
  if (arguments.is_on("size")) out["size"] = sys::disk_usage(containers.home(config.id).upper());
  return out;
}

std::vector<Record> chosen(container::Containers& containers, const Arguments& arguments) {
  std::vector<std::string> filters = arguments.all("filter");
  std::vector<Record> records = filter_containers(containers, containers.list(), filters);
  const auto last =
      arguments.is_on("latest") ? std::optional<uint64_t>(1) : arguments.number("last");
  const bool by_status = std::any_of(filters.begin(), filters.end(), [](const std::string& filter) {
    return filter.starts_with("status=") || filter.starts_with("exited=");
  });
  if (!arguments.is_on("all") && !last && !by_status)
    std::erase_if(records, [](const Record& record) { return !record.state.is_live(); });
  if (last && records.size() > *last) records.resize(*last);
  return records;
}

void print_containers(Context& context, OpenContainers& open, const Arguments& arguments) {
  const std::vector<Record> records = chosen(open.containers, arguments);
  if (context.quiet) {
    std::string text;
    for (const Record& record : records)
      text +=
          (arguments.is_on("no-trunc") ? record.config.id : container::short_id(record.config.id)) +
          "\n";
    context.out(text);
    return;
  }
  const bool sizes = arguments.is_on("size");
  std::vector<std::string> headings = {"CONTAINER ID", "IMAGE", "COMMAND", "CREATED",
                                       "STATUS",       "PORTS", "NAMES"};
  if (sizes) headings.push_back("SIZE");
  Table table(std::move(headings));
  Json items = Json::array();
  const container::Time now = container::now();
  for (const Record& record : records) {
    Json item = record_json(record, open.containers, arguments, now);
    std::vector<std::string> cells = {item["id"],         item["image"],  item["command"],
                                      item["runningFor"], item["status"], item["ports"],
                                      item["names"]};
    if (sizes) cells.push_back(base::format_size(item["size"].get<uint64_t>()));
    table.add(std::move(cells));
    items.push_back(std::move(item));
  }
  print_listing(context, table, items, arguments.get("format"));
}

int run_ps(Context& context, const Arguments& arguments) {
  OpenContainers open = open_containers(context);
  const auto pause = arguments.duration("watch");
  if (pause && pause->count() == 0) throw UsageError("--watch wants more than 0 seconds");
  for (;;) {
    if (pause && context.out_terminal().is_terminal) context.out("\x1b[H\x1b[2J");
    print_containers(context, open, arguments);
    if (!pause) return 0;
    std::this_thread::sleep_for(*pause);
  }
}

}  // namespace

const Command& ps_command() {
  static const Command kCommand{
      .name = "ps",
      .aliases = {"container ls", "container list", "container ps"},
      .summary = "list containers",
      .usage = "[FLAGS]",
      .about = "Newest first; only those that run, unless --all is given.",
      .group = "containers",
      .flags =
          {{.name = "all", .letter = 'a', .help = "also those that do not run", .common = true},
           {.name = "filter",
            .letter = 'f',
            .value = "KEY=VALUE",
            .help =
                "id, name, status, exited, label, ancestor, health, volume, network, before, since",
            .repeatable = true,
            .common = true},
           {.name = "format",
            .value = "FORMAT",
            .help = "table, json, json-lines, or a template",
            .common = true},
           {.name = "last", .letter = 'n', .value = "N", .help = "the N that were made last"},
           {.name = "latest", .letter = 'l', .help = "the one that was made last"},
           {.name = "no-trunc", .help = "show whole ids and commands"},
           {.name = "size", .letter = 's', .help = "show what they wrote"},
           {.name = "watch",
            .letter = 'w',
            .value = "SECONDS",
            .help = "list again after so long, until interrupted"}},
      .examples = {{"torte ps -a --filter status=exited -q", "ids of those that ended"}},
      .run = run_ps,
      .in_user_namespace = false,
  };
  return kCommand;
}

}  // namespace cli
