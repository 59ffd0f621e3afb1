// torte prune: what nothing needs any more goes.
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "builder/solve/cache_mounts.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/images/image_mounts.h"
#include "cli/images/open_store.h"
#include "cli/images/packing.h"
#include "cli/table.h"

namespace cli {

namespace {

using Json = nlohmann::json;

std::chrono::milliseconds age_of(const std::string& text) {
  const auto age = parse_duration(text);
  if (!age) throw UsageError("a duration such as 24h is wanted, not " + base::printable(text));
  return *age;
}

store::PruneOptions options_of(const Arguments& arguments) {
  const std::string_view name = arguments.command().name;
  store::PruneOptions options;
  options.images = name != "cache prune" && !arguments.is_on("cache");
  options.cache = name != "image prune" && !arguments.is_on("images");
  options.all = arguments.is_on("all");
  options.blobs = arguments.is_on("blobs");
  options.packs = makes_packing;
  options.dry_run = arguments.is_on("dry-run");
  options.keep_storage_bytes = arguments.size_bytes("keep-storage");
  options.min_free_bytes = arguments.size_bytes("min-free");
  options.reserved_bytes = arguments.size_bytes("reserved");
  if (const auto age = arguments.find("older-than")) options.older_than = age_of(*age);
  for (const std::string& filter : arguments.all("filter")) {
    if (!filter.starts_with("until="))
      throw UsageError("prune knows the filter until=DURATION, not " + base::printable(filter));
    options.older_than = age_of(filter.substr(6));
  }
  return options;
}

Json list_json(const std::vector<store::Removed>& list) {
  Json out = Json::array();
  for (const store::Removed& each : list)
    out.push_back({{"id", each.id}, {"name", each.what}, {"size", each.size_bytes}});
  return out;
}

std::string list_text(std::string_view kind, const std::vector<store::Removed>& list) {
  std::string out;
  for (const store::Removed& each : list) {
    const std::string id =
        each.id.starts_with("sha256:") ? each.id.substr(7, 12) : each.id.substr(0, 12);
    out += base::str(kind, " ", id, each.what.empty() ? "" : "  " + base::printable(each.what, 120),
                     each.size_bytes > 0 ? "  " + base::format_size(each.size_bytes) : "", "\n");
  }
  return out;
}

std::string leftovers_text(const std::vector<store::Removed>& list) {
  std::string out;
  for (const store::Removed& each : list)
    out += base::str("leftover ", base::printable(each.id, 300), "  ",
                     base::format_size(each.size_bytes), "\n");
  return out;
}

// Directories of RUN --mount=type=cache that no step uses now.
std::vector<store::Removed> prune_mounts(store::Store& store, const store::PruneOptions& options) {
  const solve::CacheMounts mounts(store.layout());
  const auto now = std::chrono::system_clock::now();
  std::vector<store::Removed> removed;
  for (const solve::CacheMount& mount : mounts.list()) {
    if (mount.in_use || (options.older_than && now - mount.last_used < *options.older_than))
      continue;
    if (options.dry_run || mounts.remove(mount, store))
      removed.push_back({mount.key, mount.id, mount.size_bytes});
  }
  return removed;
}

int run_prune(Context& context, const Arguments& arguments) {
  const store::PruneOptions options = options_of(arguments);
  forget_ended_mounts(context.root);
  auto store = options.dry_run ? find_store(context) : open_store(context);
  store::PruneReport report = store ? store->prune(options) : store::PruneReport{};
  std::vector<store::Removed> mounts;
  if (store && arguments.is_on("mounts")) mounts = prune_mounts(*store, options);
  for (const store::Removed& mount : mounts) report.freed_bytes += mount.size_bytes;
  if (const std::string format = arguments.get("format"); !format.empty() && format != "table") {
    const Json item = {{"dryRun", options.dry_run},
                       {"images", list_json(report.images)},
                       {"cache", list_json(report.cache)},
                       {"layers", list_json(report.layers)},
                       {"blobs", list_json(report.blobs)},
                       {"mounts", list_json(mounts)},
                       {"leftovers", list_json(report.leftovers)},
                       {"freed", report.freed_bytes}};
    context.out(format == "json" ? item.dump(2) + "\n"
                                 : render_documents(Json::array({item}), format));
    return 0;
  }
  if (!context.quiet)
    context.out(list_text("image", report.images) + list_text("cached step", report.cache) +
                list_text("layer", report.layers) + list_text("blob", report.blobs) +
                list_text("cache mount", mounts) + leftovers_text(report.leftovers));
  context.out(base::str(options.dry_run ? "would free " : "freed ",
                        base::format_size(report.freed_bytes), "\n"));
  return 0;
}

const std::vector<Flag>& prune_flags() {
  static const std::vector<Flag> kFlags = {
      {.name = "all",
       .letter = 'a',
       .help = "also images that have a name but no container, and every cached step",
       .common = true},
      {.name = "dry-run", .help = "only say exactly what would go", .common = true},
      {.name = "older-than",
       .value = "DURATION",
       .help = "only what was last used longer ago",
       .common = true},
      {.name = "keep-storage",
       .value = "SIZE",
       .help = "take cached steps, oldest first, only until layers need no more than this",
       .aliases = {"max-used", "max-storage"},
       .common = true},
      {.name = "min-free",
       .value = "SIZE",
       .help = "take cached steps, oldest first, only until this much of the disk is free",
       .aliases = {"min-free-space"}},
      {.name = "reserved",
       .value = "SIZE",
       .help = "cached steps may need this much in any case",
       .aliases = {"reserved-space"}},
      {.name = "images", .help = "only images"},
      {.name = "cache", .help = "only cached steps"},
      {.name = "mounts", .help = "also directories of RUN --mount=type=cache; otherwise they stay"},
      {.name = "blobs",
       .help = "also packed layers that can be packed or fetched again, byte for byte"},
      {.name = "filter", .value = "KEY=VALUE", .help = "until=DURATION", .repeatable = true},
      {.name = "format", .value = "FORMAT", .help = "json, or a template"},
      {.name = "force", .letter = 'f', .help = "do not ask (torte never does; for scripts)"}};
  return kFlags;
}

}  // namespace

const std::vector<const Command*>& prune_commands() {
  static const Command kAll{
      .name = "prune",
      .aliases = {"system prune"},
      .summary = "remove what nothing needs",
      .usage = "[FLAGS]",
      .about =
          "Removes images without a name, cached steps whose layers no kept image has, and layers "
          "and blobs that nothing names. What containers and running builds use always stays.",
      .group = "images",
      .flags = prune_flags(),
      .examples = {{"torte prune --dry-run", "see what would go"},
                   {"torte prune -a --older-than 7d", "forget what was not used for a week"}},
      .run = run_prune,
  };
  static const Command kImages{.name = "image prune",
                               .summary = "remove images that nothing needs",
                               .usage = "[FLAGS]",
                               .group = "images",
                               .flags = prune_flags(),
                               .run = run_prune};
  static const Command kCache{.name = "cache prune",
                              .aliases = {"builder prune"},
                              .summary = "remove cached steps that nothing needs",
                              .usage = "[FLAGS]",
                              .group = "images",
                              .flags = prune_flags(),
                              .run = run_prune};
  static const std::vector<const Command*> kCommands = {&kAll, &kImages, &kCache};
  return kCommands;
}

}  // namespace cli
