// torte tree: the layers of an image, and who else has them.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/images/base_images.h"
#include "cli/images/image_steps.h"
#include "cli/images/open_store.h"
#include "cli/table.h"

namespace cli {

namespace {

using Json = nlohmann::json;

/// Names of the other images that have a layer; an id for one without a name.
std::map<oci::DiffId, std::vector<std::string>> find_sharers(store::Store& store,
                                                             const oci::Digest& image) {
  std::map<oci::DiffId, std::vector<std::string>> sharers;
  for (const store::ImageRecord& other : store.list_images()) {
    if (other.id == image) continue;
    std::vector<std::string> names;
    for (const store::Name& name : other.names) names.push_back(familiar_name(name.name));
    if (names.empty()) names.emplace_back(other.id.short_hex());
    for (const oci::DiffId& layer : std::set(other.layers.begin(), other.layers.end()))
      sharers[layer].insert(sharers[layer].end(), names.begin(), names.end());
  }
  for (auto& [layer, names] : sharers) std::sort(names.begin(), names.end());
  return sharers;
}

/// Its blob lies in the store, as pull --lazy leaves it.
bool is_packed(store::Store& store, const store::LayerRecord& layer) {
  return std::any_of(layer.blobs.begin(), layer.blobs.end(), [&](const store::LayerBlob& blob) {
    return store.find_blob(blob.digest).has_value();
  });
}

std::string headline(const store::ImageRecord& image, uint64_t own_bytes) {
  std::vector<std::string> names;
  for (const store::Name& name : image.names) names.push_back(familiar_name(name.name));
  if (names.empty()) names.emplace_back("<none>");
  return base::str(base::join(names, ", "), "  ", image.id.short_hex(), "  ", image.platform, "  ",
                   base::format_size(image.size_bytes), ", ", base::format_size(own_bytes),
                   " of it in no other image\n");
}

int run_tree(Context& context, const Arguments& arguments) {
  auto store =
      store::Store::open(context.root, store::Access::kReadOnly, {.durable = context.durable});
  auto image = find_image(*store, arguments.word(0));
  if (!image) image = store->get_image(arguments.word(0));  // says what is near
  std::vector<ImageStep> steps = list_steps(*image, read_config(*store, *image));
  auto sharers = find_sharers(*store, image->id);
  Table table({"LAYER", "SIZE", "CREATED BY", "ALSO IN"});
  Json items = Json::array();
  uint64_t own_bytes = 0;
  std::set<oci::DiffId> counted;
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    if (!step->layer) continue;
    auto layer = store->find_known_layer(*step->layer);
    const uint64_t size = layer ? layer->tar_size_bytes : 0;
    const bool is_here = layer && layer->origin != store::Origin::kKnown;
    const std::vector<std::string>& others = sharers[*step->layer];
    if (others.empty() && counted.insert(*step->layer).second) own_bytes += size;
    const std::string state = !layer                      ? "missing"
                              : is_here                   ? "unpacked"
                              : is_packed(*store, *layer) ? "packed"
                                                          : "not fetched";
    std::string shown = layer ? base::format_size(size) : state;
    if (layer && !is_here) shown += " (" + state + ")";  // the size is that of the blob
    table.add({std::string(step->layer->short_hex()), shown, shown_step(step->entry.created_by),
               base::join(others, ", ")});
    items.push_back({{"id", step->layer->str()},
                     {"size", size},
                     {"state", state},
                     {"createdBy", step->entry.created_by},
                     {"alsoIn", others}});
  }
  const std::string format = arguments.get("format");
  if (format.empty()) context.out(terminal_safe(headline(*image, own_bytes)));
  print_listing(context, table, items, format);
  return 0;
}

}  // namespace

const Command& tree_command() {
  static const Command kCommand{
      .name = "tree",
      .aliases = {"image tree"},
      .summary = "show the layers of an image, and which images share them",
      .usage = "[FLAGS] NAME",
      .about =
          "The newest layer first, with the size of its tar (of its blob, while it is packed or "
          "was not fetched) and "
          "the names of the other images that have it. "
          "torte images --tree shows all images like this, shorter.",
      .group = "images",
      .flags = {{.name = "format",
                 .value = "FORMAT",
                 .help = "table, json, json-lines or a template",
                 .common = true}},
      .examples = {{"torte tree app", "what makes it large, and what removing it would free"},
                   {"torte tree --format '{{.Size}} {{.AlsoIn}}' app", "only what you need"}},
      .positionals = {1, 1},
      .run = run_tree,
  };
  return kCommand;
}

}  // namespace cli
