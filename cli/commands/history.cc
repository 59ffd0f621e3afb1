// torte history: how an image came to be, the newest step first.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "cli/age.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/image_steps.h"
#include "cli/table.h"
#include "store/oci/image_config.h"
#include "store/oci/limits.h"
#include "store/oci/timestamp.h"
#include "store/store.h"

namespace cli {

namespace {

using Json = nlohmann::json;

int run_history(Context& context, const Arguments& arguments) {
  auto store = store::Store::open(context.root, store::Access::kReadOnly);
  store::ImageRecord image = store->get_image(arguments.word(0));
  oci::ImageConfig config =
      oci::ImageConfig::parse(store->read_blob(image.id, oci::kMaxConfigBytes));
  bool whole = arguments.is_on("no-trunc");
  auto now = std::chrono::system_clock::now();
  Table table({"LAYER", "CREATED", "SIZE", "CREATED BY", "COMMENT"});
  Json items = Json::array();
  std::vector<ImageStep> steps = list_steps(image, config);
  std::reverse(steps.begin(), steps.end());
  for (const ImageStep& line : steps) {
    auto layer = line.layer ? store->find_layer(*line.layer) : std::nullopt;
    uint64_t size = layer ? layer->tar_size_bytes : 0;
    std::string id = line.layer ? line.layer->str() : "";
    auto created = oci::parse_timestamp(line.entry.created);
    std::string age =
        created ? format_age(std::chrono::time_point_cast<std::chrono::system_clock::duration>(*created), now)
                : "";
    items.push_back({{"id", id},
                     {"created", line.entry.created},
                     {"createdSince", age},
                     {"createdBy", line.entry.created_by},
                     {"size", size},
                     {"comment", line.entry.comment},
                     {"emptyLayer", !line.layer.has_value()}});
    std::string shown = line.layer ? std::string(line.layer->short_hex()) : "-";
    table.add({whole && line.layer ? id : shown, age, base::format_size(size),
               whole ? line.entry.created_by : shown_step(line.entry.created_by),
               line.entry.comment});
  }
  if (context.quiet) {
    for (const Json& item : items)
      if (!item["emptyLayer"]) context.out(item["id"].get<std::string>() + "\n");
    return 0;
  }
  print_listing(context, table, items, arguments.get("format"));
  return 0;
}

}  // namespace

const Command& history_command() {
  static const Command kCommand{
      .name = "history",
      .aliases = {"image history"},
      .summary = "show the steps and layers of an image",
      .usage = "[FLAGS] NAME",
      .group = "images",
      .flags = {{.name = "no-trunc", .help = "print everything in full", .common = true},
                {.name = "format", .value = "FORMAT", .help = "table, json, json-lines or a template", .common = true}},
      .examples = {{"torte history app", "the newest step first"},
                   {"torte history --format '{{.Size}} {{.CreatedBy}}' app", "only what you need"}},
      .positionals = {1, 1},
      .run = run_history,
  };
  return kCommand;
}

}  // namespace cli
