// torte images: what is in the store, by name.
#include <nlohmann/json.hpp>
#include <set>

#include "base/text.h"
#include "cli/age.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/images/image_filter.h"
#include "cli/images/image_steps.h"
#include "cli/images/open_store.h"
#include "cli/table.h"
#include "store/oci/reference.h"
#include "store/oci/timestamp.h"

namespace cli {

namespace {

using Json = nlohmann::json;

struct Shown {
  bool full_ids = false;
  bool digests = false;
};

std::string id_text(const oci::Digest& id, const Shown& shown) {
  return shown.full_ids ? id.str() : std::string(id.short_hex());
}

Json line_json(const ImageLine& line, const Shown& shown, store::Time now) {
  const store::ImageRecord& image = *line.image;
  const auto reference =
      line.name == nullptr ? std::nullopt : oci::Reference::try_parse(line.name->name);
  const std::string familiar = reference ? reference->familiar() : "<none>";
  std::string repository = familiar;
  if (reference && !reference->tag().empty())
    repository.resize(repository.rfind(":" + reference->tag()));
  const std::optional<oci::Digest> digest =
      line.name != nullptr && line.name->digest ? line.name->digest : image.manifest;
  return {{"id", id_text(image.id, shown)},
          {"name", line.name == nullptr ? Json(nullptr) : Json(line.name->name)},
          {"repository", repository},
          {"tag", reference && !reference->tag().empty() ? reference->tag() : "<none>"},
          {"digest", digest ? Json(digest->str()) : Json(nullptr)},
          {"platform", image.platform},
          {"created", oci::format_timestamp(image.created)},
          {"createdSince", format_age(image.created, now)},
          {"size", image.size_bytes},
          {"layers", image.layers.size()}};
}

Table table_of(const Json& items, const Shown& shown) {
  std::vector<std::string> headings = {"REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"};
  if (shown.digests) headings.insert(headings.begin() + 2, "DIGEST");
  Table table(std::move(headings));
  for (const Json& item : items) {
    std::vector<std::string> cells = {item["repository"], item["tag"], item["id"],
                                      item["createdSince"],
                                      base::format_size(item["size"].get<uint64_t>())};
    if (shown.digests)
      cells.insert(cells.begin() + 2, item["digest"].is_null() ? "<none>" : item["digest"]);
    table.add(std::move(cells));
  }
  return table;
}

// Each image with its layers, newest on top, and how many other images share them.
std::string render_tree(store::Store& store, const std::vector<store::ImageRecord>& images,
                        const std::vector<ImageLine>& lines) {
  std::map<oci::DiffId, size_t> users;
  for (const store::ImageRecord& image : images)
    for (const oci::DiffId& layer : std::set(image.layers.begin(), image.layers.end()))
      ++users[layer];
  std::string out;
  std::set<oci::Digest> done;
  for (const ImageLine& line : lines) {
    const store::ImageRecord& image = *line.image;
    if (!done.insert(image.id).second) continue;
    std::vector<std::string> names;
    for (const store::Name& name : image.names) names.push_back(familiar_name(name.name));
    if (names.empty()) names.push_back("<none>");
    out += base::str(base::join(names, ", "), "  ", image.id.short_hex(), "  ",
                     base::format_size(image.size_bytes), "\n");
    for (auto layer = image.layers.rbegin(); layer != image.layers.rend(); ++layer) {
      const auto record = store.find_layer(*layer);
      out += base::str("  ", layer->short_hex(), "  ",
                       record ? base::format_size(record->tar_size_bytes) : "missing",
                       users[*layer] > 1 ? base::str("  in ", users[*layer], " images") : "", "\n");
    }
  }
  return out;
}

std::string render_ids(const std::vector<ImageLine>& lines, const Shown& shown) {
  std::string out;
  std::set<oci::Digest> done;
  for (const ImageLine& line : lines)
    if (done.insert(line.image->id).second) out += id_text(line.image->id, shown) + "\n";
  return out;
}

int run_images(Context& context, const Arguments& arguments) {
  const Shown shown{.full_ids = arguments.is_on("no-trunc"), .digests = arguments.is_on("digests")};
  auto store = find_store(context);
  std::vector<store::ImageRecord> images;
  std::vector<ImageLine> lines;
  if (store) {
    std::vector<std::string> filters = arguments.all("filter");
    for (const std::string& word : arguments.words()) filters.push_back("reference=" + word);
    images = store->list_images();
    lines = filter_images(*store, images, filters);
  }
  if (context.quiet) {
    context.out(render_ids(lines, shown));
    return 0;
  }
  if (arguments.is_on("tree")) {
    if (store) context.out(terminal_safe(render_tree(*store, images, lines)));
    return 0;
  }
  Json items = Json::array();
  const store::Time now = std::chrono::system_clock::now();
  for (const ImageLine& line : lines) items.push_back(line_json(line, shown, now));
  print_listing(context, table_of(items, shown), items, arguments.get("format"));
  return 0;
}

}  // namespace

const Command& images_command() {
  static const Command kCommand{
      .name = "images",
      .aliases = {"image ls", "image list"},
      .summary = "list the images of the store",
      .usage = "[FLAGS] [NAME...]",
      .about =
          "Newest first, one line for each name. With NAME only images of that name; * and ? stand "
          "for any characters but /.",
      .group = "images",
      .flags = {{.name = "all", .letter = 'a', .help = "all images (they always are; for scripts)"},
                {.name = "digests", .help = "show the digests of manifests", .common = true},
                {.name = "no-trunc", .help = "show whole ids", .common = true},
                {.name = "filter",
                 .value = "KEY=VALUE",
                 .help = "dangling, label, reference, before, since, until, platform",
                 .aliases = {},
                 .repeatable = true,
                 .common = true},
                {.name = "format",
                 .value = "FORMAT",
                 .help = "table, json, json-lines, or a template",
                 .common = true},
                {.name = "tree",
                 .help = "show the layers of each image (torte tree NAME: and who shares them)"}},
      .examples = {{"torte images --filter dangling=true -q", "ids of the images without a name"},
                   {"torte images --format '{{.Name}} {{.Size}}'", "names, and sizes in bytes"}},
      .positionals = {0, Positionals::kAny},
      .run = run_images,
  };
  return kCommand;
}

}  // namespace cli
