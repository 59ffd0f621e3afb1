// torte volume: directories that outlive containers.
#include <fcntl.h>

#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/sys/root.h"
#include "base/sys/tree.h"
#include "base/sys/userns.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/containers/container_list.h"
#include "cli/containers/run_options.h"
#include "cli/error_view.h"
#include "cli/output_file.h"
#include "cli/table.h"
#include "runner/container/volumes.h"
#include "store/layer/extract.h"
#include "store/oci/timestamp.h"

namespace cli {

namespace {

using Json = nlohmann::json;
using container::Volume;

Json volume_json(const store::Layout& layout, const Volume& volume) {
  return {{"name", volume.name},
          {"driver", "local"},
          {"mountpoint", container::volume_data(layout, volume.name).string()},
          {"createdAt", oci::format_timestamp(volume.created)},
          {"labels", volume.labels},
          {"options", volume.options},
          {"anonymous", volume.anonymous}};
}

/// The volumes that containers name, with one container for each.
std::map<std::string, std::string> used_volumes(container::Containers& containers) {
  std::map<std::string, std::string> used;
  for (const container::Record& record : containers.list())
    for (const container::MountConfig& mount : record.config.mounts)
      if (mount.type == container::MountConfig::Type::kVolume)
        used[mount.source] = record.config.name;
  return used;
}

Volume get_volume(store::Store& store, const std::string& name) {
  if (auto volume = container::find_volume(store, name)) return *volume;
  throw base::Error(base::Code::kNotFound, "there is no volume " + base::printable(name),
                    "volume-missing");
}

int run_create(Context& context, const Arguments& arguments) {
  OpenContainers open = open_containers(context);
  Volume volume{.name = arguments.word(0), .labels = parse_labels(arguments)};
  container::make_volume(*open.store, volume);
  context.out(volume.name + "\n");
  return 0;
}

int run_list(Context& context, const Arguments& arguments) {
  OpenContainers open = open_containers(context);
  const std::map<std::string, std::string> used = used_volumes(open.containers);
  Table table({"DRIVER", "VOLUME NAME"});
  Json items = Json::array();
  for (const Volume& volume : container::list_volumes(*open.store)) {
    bool wanted = true;
    for (const std::string& filter : arguments.all("filter")) {
      if (filter.starts_with("name="))
        wanted = wanted && volume.name.find(filter.substr(5)) != std::string::npos;
      else if (filter == "dangling=true")
        wanted = wanted && !used.contains(volume.name);
      else if (filter == "dangling=false")
        wanted = wanted && used.contains(volume.name);
      else if (filter.starts_with("label=")) {
        const std::string label = filter.substr(6);
        const auto found = volume.labels.find(label.substr(0, label.find('=')));
        wanted =
            wanted && found != volume.labels.end() &&
            (label.find('=') == std::string::npos || found->first + "=" + found->second == label);
      } else {
        throw UsageError("volume ls knows the filters name, dangling and label, not " +
                         base::printable(filter));
      }
    }
    if (!wanted) continue;
    table.add({"local", volume.name});
    items.push_back(volume_json(open.store->layout(), volume));
  }
  if (context.quiet) {
    std::string names;
    for (const Json& item : items) names += item["name"].get<std::string>() + "\n";
    context.out(names);
    return 0;
  }
  print_listing(context, table, items, arguments.get("format"));
  return 0;
}

int run_volume_inspect(Context& context, const Arguments& arguments) {
  OpenContainers open = open_containers(context);
  Json items = Json::array();
  for (const std::string& name : arguments.words())
    items.push_back(volume_json(open.store->layout(), get_volume(*open.store, name)));
  print_documents(context, items, arguments.get("format"));
  return 0;
}

int run_remove(Context& context, const Arguments& arguments) {
  OpenContainers open = open_containers(context);
  const std::map<std::string, std::string> used = used_volumes(open.containers);
  int status = 0;
  for (const std::string& name : arguments.words()) {
    try {
      get_volume(*open.store, name);
      if (const auto user = used.find(name); user != used.end())
        throw base::Error(base::Code::kDenied,
                          "volume " + name + " is used by container " + user->second,
                          "volume-in-use");
      container::remove_volume(*open.store, name);
      context.out(name + "\n");
    } catch (const base::Error& e) {
      if (e.code() == base::Code::kNotFound && arguments.is_on("force")) continue;
      print_error(context, e);
      status = 1;
    }
  }
  return status;
}

sys::Root open_volume(store::Store& store, const std::string& name) {
  return sys::Root::open(container::volume_data(store.layout(), get_volume(store, name).name));
}

int run_export(Context& context, const Arguments& arguments) {
  OpenContainers open = open_containers(context);
  write_tar(context, arguments.get("output", "-"), open_volume(*open.store, arguments.word(0)));
  return 0;
}

int run_import(Context& context, const Arguments& arguments) {
  OpenContainers open = open_containers(context);
  const sys::Root volume = open_volume(*open.store, arguments.word(0));
  const std::string path = arguments.words().size() > 1 ? arguments.word(1) : "-";
  sys::UniqueFd file;
  if (path != "-" && !(file = sys::UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC))))
    base::throw_errno("open " + base::printable(path));
  sys::FdSource source(file ? file.get() : context.in_fd, path == "-" ? "standard input" : path);
  layer::ArchiveOptions options;
  options.single_id = sys::userns_mode() == sys::UsernsMode::kSingle;
  layer::extract_archive(source, volume, options);
  return 0;
}

int run_prune(Context& context, const Arguments& arguments) {
  OpenContainers open = open_containers(context);
  const std::map<std::string, std::string> used = used_volumes(open.containers);
  uint64_t freed = 0;
  for (const Volume& volume : container::list_volumes(*open.store)) {
    if (used.contains(volume.name) || (!volume.anonymous && !arguments.is_on("all"))) continue;
    freed += sys::disk_usage(container::volume_data(open.store->layout(), volume.name));
    container::remove_volume(*open.store, volume.name);
    context.out(volume.name + "\n");
  }
  context.out("freed " + base::format_size(freed) + "\n");
  return 0;
}

}  // namespace

const std::vector<const Command*>& volume_commands() {
  static const Command kCreate{
      .name = "volume create",
      .summary = "make a volume",
      .usage = "[FLAGS] [NAME]",
      .group = "volumes",
      .flags = {{.name = "label",
                 .value = "KEY[=VALUE]",
                 .help = "label of the volume",
                 .repeatable = true},
                {.name = "label-file",
                 .value = "FILE",
                 .help = "file of labels, one a line",
                 .repeatable = true}},
      .examples = {{"torte volume create data", "then torte run -v data:/var/lib/app app"}},
      .positionals = {0, 1},
      .run = run_create};
  static const Command kList{.name = "volume ls",
                             .aliases = {"volume list"},
                             .summary = "list volumes",
                             .usage = "[FLAGS]",
                             .group = "volumes",
                             .flags = {{.name = "filter",
                                        .letter = 'f',
                                        .value = "KEY=VALUE",
                                        .help = "name, dangling, label",
                                        .repeatable = true},
                                       {.name = "format",
                                        .value = "FORMAT",
                                        .help = "table, json, json-lines, or a template"}},
                             .run = run_list,
                             .in_user_namespace = false};
  static const Command kInspect{.name = "volume inspect",
                                .summary = "show everything about volumes",
                                .usage = "[FLAGS] NAME..",
                                .group = "volumes",
                                .flags = {{.name = "format",
                                           .letter = 'f',
                                           .value = "TEMPLATE",
                                           .help = "json, or a template"}},
                                .positionals = {1, Positionals::kAny},
                                .run = run_volume_inspect,
                                .in_user_namespace = false};
  static const Command kRemove{
      .name = "volume rm",
      .aliases = {"volume remove"},
      .summary = "remove volumes that no container uses",
      .usage = "[FLAGS] NAME..",
      .group = "volumes",
      .flags = {{.name = "force", .letter = 'f', .help = "one that is not there is no failure"}},
      .positionals = {1, Positionals::kAny},
      .run = run_remove};
  static const Command kPrune{
      .name = "volume prune",
      .summary = "remove the volumes that were made for containers that are gone",
      .usage = "[FLAGS]",
      .group = "volumes",
      .flags = {{.name = "all",
                 .letter = 'a',
                 .help = "also those with a name, if no container uses them"},
                {.name = "force",
                 .letter = 'f',
                 .help = "do not ask (torte never does; for scripts)"}},
      .run = run_prune};
  static const Command kExport{
      .name = "volume export",
      .summary = "write all files of a volume as a tar",
      .usage = "[FLAGS] NAME",
      .group = "volumes",
      .flags = {{.name = "output",
                 .letter = 'o',
                 .value = "FILE",
                 .help = "write there (default: standard output)",
                 .common = true}},
      .examples = {{"torte volume export data | zstd >data.tar.zst", "a backup"}},
      .positionals = {1, 1},
      .run = run_export};
  static const Command kImport{
      .name = "volume import",
      .summary = "unpack a tar into a volume",
      .usage = "NAME [FILE|-]",
      .about =
          "Compressed or not. What the volume has stays, unless the tar has a file by that name.",
      .group = "volumes",
      .examples = {{"torte volume import data data.tar.zst", "a backup comes back"}},
      .positionals = {1, 2},
      .run = run_import};
  static const std::vector<const Command*> kCommands = {&kCreate, &kList,   &kInspect, &kRemove,
                                                        &kPrune,  &kExport, &kImport};
  return kCommands;
}

}  // namespace cli
