// torte df: who needs the disk.
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/age.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/images/open_store.h"
#include "cli/table.h"
#include "store/oci/reference.h"

namespace cli {

namespace {

using Json = nlohmann::json;

struct Kind {
  const char* name;
  const store::Usage* usage;
};

std::vector<Kind> kinds_of(const store::DiskUsage& usage) {
  return {{"Images", &usage.images},
          {"Cached steps", &usage.cache},
          {"Packed layers", &usage.blobs},
          {"Containers", &usage.containers},
          {"Cache mounts", &usage.cache_mounts},
          {"Volumes", &usage.volumes},
          {"Leftovers", &usage.leftovers}};
}

void print_kinds(Context& context, const store::DiskUsage& usage, const std::string& format) {
  Table table({"TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"});
  Json items = Json::array();
  for (const Kind& kind : kinds_of(usage)) {
    const store::Usage& each = *kind.usage;
    table.add({kind.name, std::to_string(each.count), std::to_string(each.active),
               base::format_size(each.total_bytes), base::format_size(each.reclaimable_bytes)});
    items.push_back({{"type", kind.name},
                     {"totalCount", each.count},
                     {"active", each.active},
                     {"size", each.total_bytes},
                     {"reclaimable", each.reclaimable_bytes}});
  }
  print_listing(context, table, items, format);
}

void print_images(Context& context, const store::DiskUsage& usage, const std::string& format) {
  Table table({"IMAGE", "IMAGE ID", "CREATED", "SIZE", "SHARED", "UNIQUE", "CONTAINERS"});
  Json items = Json::array();
  const store::Time now = std::chrono::system_clock::now();
  for (const store::ImageUsage& each : usage.by_image) {
    std::vector<std::string> names;
    for (const store::Name& name : each.image.names) {
      const auto reference = oci::Reference::try_parse(name.name);
      names.push_back(reference ? reference->familiar() : name.name);
    }
    table.add({names.empty() ? "<none>" : base::join(names, ", "),
               std::string(each.image.id.short_hex()), format_age(each.image.created, now),
               base::format_size(each.shared_bytes + each.unique_bytes),
               base::format_size(each.shared_bytes), base::format_size(each.unique_bytes),
               std::to_string(each.containers)});
    items.push_back({{"id", each.image.id.str()},
                     {"names", names},
                     {"size", each.shared_bytes + each.unique_bytes},
                     {"shared", each.shared_bytes},
                     {"unique", each.unique_bytes},
                     {"containers", each.containers}});
  }
  print_listing(context, table, items, format);
}

int run_df(Context& context, const Arguments& arguments) {
  auto store = find_store(context);
  const store::DiskUsage usage = store ? store->usage() : store::DiskUsage{};
  const std::string format = arguments.get("format");
  const bool verbose = arguments.is_on("verbose");
  if (!verbose || format.empty()) print_kinds(context, usage, format);
  if (verbose && format.empty()) context.out("\n");
  if (verbose) print_images(context, usage, format);
  return 0;
}

}  // namespace

const Command& df_command() {
  static const Command kCommand{
      .name = "df",
      .aliases = {"system df"},
      .summary = "show what needs the disk",
      .usage = "[FLAGS]",
      .about =
          "A layer is counted once: with the images if one has it, else with the cached steps. "
          "RECLAIMABLE is what torte prune --all would free.",
      .group = "images",
      .flags = {{.name = "verbose",
                 .letter = 'v',
                 .help = "each image: what it shares, what is its own",
                 .common = true},
                {.name = "format",
                 .value = "FORMAT",
                 .help = "table, json, json-lines, or a template",
                 .common = true}},
      .examples = {{"torte df -v", "which image to remove"}},
      .run = run_df,
  };
  return kCommand;
}

}  // namespace cli
