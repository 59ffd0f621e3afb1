// torte squash, torte flatten: layers of an image become one.
#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "builder/solve/finish.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/images/base_images.h"
#include "cli/images/image_steps.h"
#include "cli/images/open_store.h"
#include "cli/images/registries.h"
#include "store/oci/timestamp.h"

namespace cli {

namespace {

using solve::FinishOptions;

store::ImageRecord get_known(store::Store& store, const std::string& text) {
  if (auto image = find_image(store, text)) return *std::move(image);
  return store.get_image(text);  // says what is near
}

bool stands_on(const store::ImageRecord& image, const store::ImageRecord& base) {
  return base.layers.size() < image.layers.size() &&
         std::equal(base.layers.begin(), base.layers.end(), image.layers.begin());
}

/// The named image that most of the layers belong to.
store::ImageRecord get_nearest_base(store::Store& store, const store::ImageRecord& image,
                                    const std::string& text) {
  std::optional<store::ImageRecord> nearest;
  for (store::ImageRecord& other : store.list_images())
    if (!other.names.empty() && !other.layers.empty() && stands_on(image, other) &&
        (!nearest || other.layers.size() > nearest->layers.size()))
      nearest = std::move(other);
  if (nearest) return *std::move(nearest);
  throw base::Error(base::Code::kNotFound,
                    base::str(base::printable(text, 200), " stands on no other image of the store"),
                    "base-missing")
      .add_help("torte flatten merges all its layers; --base IMAGE says which ones stay");
}

size_t base_layers(store::Store& store, const Arguments& arguments,
                   const store::ImageRecord& image) {
  auto text = arguments.find("base");
  if (!text) return get_nearest_base(store, image, arguments.word(0)).layers.size();
  store::ImageRecord base = get_known(store, *text);
  if (!stands_on(image, base))
    throw base::Error(base::Code::kInvalid,
                      base::str(base::printable(arguments.word(0), 200), " does not stand on ",
                                base::printable(*text, 200)),
                      "base-differs")
        .add_help("torte tree shows the layers of both");
  return base.layers.size();
}

/// Where the result goes: DST, or the name it was given by.
std::vector<std::string> names_of(const Arguments& arguments, const store::ImageRecord& image) {
  if (!arguments.word(1).empty()) {
    oci::Reference name = oci::Reference::parse(arguments.word(1));
    if (name.digest())
      throw UsageError(base::printable(arguments.word(1)) + ": a name to give has no digest");
    return {name.with_default_tag().str()};
  }
  auto reference = oci::Reference::try_parse(arguments.word(0));
  for (const store::Name& name : image.names)
    if (name.name == arguments.word(0) ||
        (reference && name.name == reference->with_default_tag().str()))
      return {name.name};
  throw UsageError("an image given by id needs a name for the result: " +
                   base::printable(arguments.word(0)) + " NAME");
}

int merge(Context& context, const Arguments& arguments, FinishOptions::Squash extent) {
  auto store = open_store(context, arguments);
  store::Lease lease = store->lease();
  store::ImageRecord image = get_known(*store, arguments.word(0));
  FinishOptions options{.squash = extent, .latest_mtime = {}, .names = names_of(arguments, image)};
  solve::Result result{
      .image = image.id, .config = read_config(*store, image), .layers = image.layers};
  result.platform = image.platform;
  result.created = std::chrono::system_clock::to_time_t(image.created);
  if (extent == FinishOptions::Squash::kNew)
    result.base_layers = base_layers(*store, arguments, image);
  store->provide_layers(image.layers);
  solve::Result merged = solve::finish(std::move(result), options, *store);
  if (context.quiet) {
    context.out(merged.image.str() + "\n");
    return 0;
  }
  context.out(base::str(familiar_name(options.names.front()), " ", merged.image.short_hex(), ": ",
                        image.layers.size(), " layers, ", base::format_size(image.size_bytes),
                        " -> ", merged.layers.size(), ", ", base::format_size(merged.size_bytes),
                        "\n"));
  return 0;
}

int run_squash(Context& context, const Arguments& arguments) {
  return merge(context, arguments, FinishOptions::Squash::kNew);
}

int run_flatten(Context& context, const Arguments& arguments) {
  return merge(context, arguments, FinishOptions::Squash::kAll);
}

}  // namespace

const std::vector<const Command*>& squash_commands() {
  static const Command kSquash{
      .name = "squash",
      .aliases = {"image squash"},
      .summary = "merge the layers that an image adds to its base into one",
      .usage = "[FLAGS] IMAGE [NAME]",
      .about =
          "The layers of the base stay what they are and are shared as before; all lines of the "
          "history stay to be "
          "read. The base is the image of the store that most of the layers belong to, unless "
          "--base names it. "
          "NAME is the result's; without it the name given moves to the result. Files are linked, "
          "not copied.",
      .group = "images",
      .flags = with_registry_flags({{.name = "base",
                                     .value = "IMAGE",
                                     .help = "the layers of IMAGE stay as they are",
                                     .common = true}}),
      .examples = {{"torte squash app app:small", "one layer above the base"},
                   {"torte squash --base debian:12 app", "all above debian:12"}},
      .positionals = {1, 2},
      .run = run_squash,
  };
  static const Command kFlatten{
      .name = "flatten",
      .aliases = {"image flatten"},
      .summary = "merge all layers of an image into one",
      .usage = "[FLAGS] IMAGE [NAME]",
      .about =
          "Files that later layers remove or replace are gone; all lines of the history stay to be "
          "read. NAME is the "
          "result's; without it the name given moves to the result.",
      .group = "images",
      .flags = with_registry_flags({}),
      .examples = {{"torte flatten app app:flat", "one layer in all"}},
      .positionals = {1, 2},
      .run = run_flatten,
  };
  static const std::vector<const Command*> kCommands = {&kSquash, &kFlatten};
  return kCommands;
}

}  // namespace cli
