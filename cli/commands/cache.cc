// torte cache: what builds remember, and the directories of RUN --mount=type=cache.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "builder/solve/cache_mounts.h"
#include "cli/age.h"
#include "cli/build/cache_steps.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/images/open_store.h"
#include "cli/table.h"
#include "store/oci/timestamp.h"

namespace cli {

namespace {

using Json = nlohmann::json;
using solve::CacheMount;

constexpr size_t kShownKey = 12;
constexpr size_t kShownText = 60;

Json step_json(const store::CacheRecord& record) {
  return {{"type", "step"},
          {"key", record.key},
          {"text", describe_step(record.definition)},
          {"layer", record.result ? Json(record.result->str()) : Json(nullptr)},
          {"size", record.size_bytes},
          {"created", oci::format_timestamp(record.created)},
          {"lastUsed", oci::format_timestamp(record.last_used)},
          {"milliseconds", record.duration.count()}};
}

Json mount_json(const CacheMount& mount) {
  return {{"type", "mount"},
          {"key", mount.key},
          {"id", mount.id},
          {"size", mount.size_bytes},
          {"lastUsed", oci::format_timestamp(mount.last_used)},
          {"inUse", mount.in_use}};
}

std::vector<CacheMount> mounts_of(const Context& context) {
  return solve::CacheMounts(store::Layout(context.root)).list();
}

int run_list(Context& context, const Arguments& arguments) {
  auto store = find_store(context);
  const store::Time now = std::chrono::system_clock::now();
  Table table({"TYPE", "KEY", "SIZE", "LAST USED", "WHAT"});
  Json items = Json::array();
  if (store && !arguments.is_on("mounts"))
    for (const store::CacheRecord& record : store->list_cache()) {
      const std::string text = describe_step(record.definition);
      table.add({"step", record.key.substr(0, kShownKey), base::format_size(record.size_bytes),
                 format_age(record.last_used, now), base::printable(text, kShownText)});
      items.push_back(step_json(record));
    }
  if (store && !arguments.is_on("steps"))
    for (const CacheMount& mount : mounts_of(context)) {
      table.add({"mount", mount.key.substr(0, kShownKey), base::format_size(mount.size_bytes),
                 format_age(mount.last_used, now),
                 base::printable(mount.id, kShownText) + (mount.in_use ? " (in use)" : "")});
      items.push_back(mount_json(mount));
    }
  if (context.quiet) {
    for (const Json& item : items) context.out(item["key"].get<std::string>() + "\n");
    return 0;
  }
  print_listing(context, table, items, arguments.get("format"));
  return 0;
}

// What a name on the command line means: a mount's id, or the beginning of one key.
struct Found {
  std::vector<CacheMount> mounts;
  std::vector<store::CacheRecord> steps;
};

Found find(const Context& context, store::Store& store, const std::string& name) {
  Found found;
  for (CacheMount& mount : mounts_of(context))
    if (mount.id == name || (!name.empty() && mount.key.starts_with(name)))
      found.mounts.push_back(std::move(mount));
  if (!found.mounts.empty()) return found;
  for (store::CacheRecord& record : store.list_cache())
    if (!name.empty() && record.key.starts_with(name)) found.steps.push_back(std::move(record));
  if (found.steps.size() > 1)
    throw base::Error(
        base::Code::kInvalid,
        base::str(base::printable(name), " is the beginning of ", found.steps.size(), " keys"),
        "cache-ambiguous");
  if (found.steps.empty())
    throw base::Error(base::Code::kNotFound,
                      "no cached step or cache mount " + base::printable(name), "cache-not-found")
        .add_help("torte cache ls shows what there is");
  return found;
}

int run_inspect(Context& context, const Arguments& arguments) {
  auto store =
      store::Store::open(context.root, store::Access::kReadOnly, {.durable = context.durable});
  Json items = Json::array();
  for (const std::string& name : arguments.words()) {
    const Found found = find(context, *store, name);
    for (const CacheMount& mount : found.mounts) {
      Json item = mount_json(mount);
      item["directory"] = (store->layout().cache_mounts() / mount.key / "tree").string();
      items.push_back(std::move(item));
    }
    for (const store::CacheRecord& record : found.steps) {
      Json item = step_json(record);
      item["slot"] = record.slot;
      item["definition"] = base::split(base::trim(record.definition), '\n');
      items.push_back(std::move(item));
    }
  }
  const std::string format = arguments.get("format");
  context.out(format.empty() || format == "json"
                  ? items.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"
                  : render_documents(items, format));
  return 0;
}

int run_remove(Context& context, const Arguments& arguments) {
  auto store = make_store(context);
  const solve::CacheMounts mounts(store->layout());
  for (const std::string& name : arguments.words()) {
    const Found found = find(context, *store, name);
    for (const CacheMount& mount : found.mounts)
      if (!mounts.remove(mount, *store))
        throw base::Error(base::Code::kUnavailable,
                          "cache mount " + base::printable(mount.id) + " is used by a build",
                          "cache-in-use");
    for (const store::CacheRecord& record : found.steps) store->remove_cache(record.key);
    if (!context.quiet) context.out(name + "\n");
  }
  return 0;
}

}  // namespace

const std::vector<const Command*>& cache_commands() {
  static const Command kList{
      .name = "cache ls",
      .aliases = {"cache list"},
      .summary = "list cached steps and cache mounts",
      .usage = "[FLAGS]",
      .about =
          "Steps come first, the one used last at the top. A cache mount is a directory of RUN "
          "--mount=type=cache; builds share it by its id.",
      .group = "images",
      .flags = {{.name = "steps", .help = "only cached steps", .common = true},
                {.name = "mounts", .help = "only cache mounts", .common = true},
                {.name = "format",
                 .value = "FORMAT",
                 .help = "table, json, json-lines, or a template",
                 .common = true}},
      .examples = {{"torte cache ls --mounts", "what the package managers' caches need"}},
      .run = run_list};
  static const Command kInspect{
      .name = "cache inspect",
      .summary = "show everything about a cached step or cache mount",
      .usage = "[FLAGS] KEY|ID..",
      .about = "The definition of a step is everything that went into its key.",
      .group = "images",
      .flags =
          {{.name = "format", .value = "FORMAT", .help = "json, or a template", .common = true}},
      .positionals = {1, Positionals::kAny},
      .run = run_inspect};
  static const Command kRemove{
      .name = "cache rm",
      .summary = "forget a cached step, or remove a cache mount with its files",
      .usage = "KEY|ID..",
      .about =
          "The layer of a forgotten step goes with the next torte prune, unless an image has it.",
      .group = "images",
      .examples = {{"torte cache rm apt", "empty the cache mount that recipes call apt"}},
      .positionals = {1, Positionals::kAny},
      .run = run_remove};
  static const std::vector<const Command*> kCommands = {&kList, &kInspect, &kRemove};
  return kCommands;
}

}  // namespace cli
