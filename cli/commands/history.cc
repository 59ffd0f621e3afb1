// torte history: how an image came to be, the newest step first.
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "cli/age.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/images/base_images.h"
#include "cli/images/image_steps.h"
#include "cli/images/open_store.h"
#include "cli/images/registries.h"
#include "cli/table.h"
#include "overlay/snapshot.h"
#include "store/layer/contents.h"
#include "store/oci/image_config.h"
#include "store/oci/timestamp.h"
#include "store/store.h"

namespace cli {

namespace {

using Json = nlohmann::json;

/// What was asked for beside the steps.
struct Asked {
  size_t files = 0;    ///< the largest of each layer
  bool waste = false;  ///< what later layers hide
  bool measures() const { return files > 0 || waste; }
};

/// By position of the layer in the image.
std::vector<layer::LayerContents> measure(store::Store& store, const store::ImageRecord& image,
                                          const Asked& asked) {
  if (!asked.measures()) return {};
  store::Lease lease = store.lease();
  std::vector<sys::Root> trees;
  for (const overlay::TreePtr& tree : overlay::open_stack(store, image.layers))
    trees.push_back(sys::Root::open(tree->path()));
  return layer::measure_layers(trees, asked.files);
}

Json step_json(const ImageStep& step, const std::string& age, uint64_t size) {
  return {{"id", step.layer ? step.layer->str() : ""},
          {"created", step.entry.created},
          {"createdSince", age},
          {"createdBy", step.entry.created_by},
          {"size", size},
          {"comment", step.entry.comment},
          {"emptyLayer", !step.layer.has_value()}};
}

std::string age_of(const ImageStep& step) {
  auto created = oci::parse_timestamp(step.entry.created);
  if (!created) return "";
  return format_age(std::chrono::time_point_cast<std::chrono::system_clock::duration>(*created),
                    std::chrono::system_clock::now());
}

/// Each file is a line below its step.
void add_files(const layer::LayerContents& contents, const Asked& asked, Table& table, Json& item) {
  Json files = Json::array();
  for (const layer::SizedFile& file : contents.largest) {
    files.push_back({{"path", file.path}, {"size", file.size_bytes}, {"hidden", file.hidden}});
    std::vector<std::string> cells = {"", "", base::format_size(file.size_bytes), file.path,
                                      file.hidden ? "hidden" : ""};
    if (asked.waste)
      cells.insert(cells.begin() + 3, file.hidden ? base::format_size(file.size_bytes) : "");
    table.add(std::move(cells));
  }
  item["files"] = std::move(files);
}

int run_history(Context& context, const Arguments& arguments) {
  Asked asked{.files = static_cast<size_t>(arguments.number("files").value_or(0)),
              .waste = arguments.is_on("waste")};
  // Layers that have not come are fetched only to be looked into.
  auto store = asked.measures() ? open_store(context, arguments)
                                : store::Store::open(context.root, store::Access::kReadOnly,
                                                     {.durable = context.durable});
  store::ImageRecord image = store->get_image(arguments.word(0));
  std::vector<ImageStep> steps = list_steps(image, read_config(*store, image));
  std::vector<layer::LayerContents> contents = measure(*store, image, asked);
  size_t next = image.layers.size();
  bool whole = arguments.is_on("no-trunc");
  std::vector<std::string> headings = {"LAYER", "CREATED", "SIZE", "CREATED BY", "COMMENT"};
  if (asked.waste) headings.insert(headings.begin() + 3, "HIDDEN");
  Table table(std::move(headings));
  Json items = Json::array();
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    auto layer = step->layer ? store->find_layer(*step->layer) : std::nullopt;
    Json item = step_json(*step, age_of(*step), layer ? layer->tar_size_bytes : 0);
    std::string shown = step->layer ? std::string(step->layer->short_hex()) : "-";
    std::vector<std::string> cells = {
        whole && step->layer ? step->layer->str() : shown, age_of(*step),
        base::format_size(item["size"].get<uint64_t>()),
        whole ? step->entry.created_by : shown_step(step->entry.created_by), step->entry.comment};
    const layer::LayerContents* measured = nullptr;
    if (step->layer && asked.measures()) measured = &contents.at(--next);
    if (asked.waste) {
      item["hidden"] = measured != nullptr ? measured->hidden_bytes : 0;
      cells.insert(cells.begin() + 3, base::format_size(item["hidden"].get<uint64_t>()));
    }
    table.add(std::move(cells));
    if (asked.files > 0)
      add_files(measured != nullptr ? *measured : layer::LayerContents(), asked, table, item);
    items.push_back(std::move(item));
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
      .about =
          "The newest step first, with the size of the tar of the layer it made. --files and "
          "--waste look into the "
          "layers: what is in them, and what is carried along although a later layer removes or "
          "replaces it.",
      .group = "images",
      .flags = with_registry_flags(
          {{.name = "files",
            .value = "N",
            .help = "also the N largest files of each layer",
            .common = true},
           {.name = "waste",
            .help = "also how many bytes of each layer are hidden by later ones",
            .common = true},
           {.name = "no-trunc", .help = "print everything in full", .common = true},
           {.name = "format",
            .value = "FORMAT",
            .help = "table, json, json-lines or a template",
            .common = true}}),
      .examples = {{"torte history app", "the newest step first"},
                   {"torte history --format '{{.Size}} {{.CreatedBy}}' app", "only what you need"},
                   {"torte history --waste --files 3 app", "what makes it large for nothing"}},
      .positionals = {1, 1},
      .run = run_history,
  };
  return kCommand;
}

}  // namespace cli
