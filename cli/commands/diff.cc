// torte diff: what an image's last step changed, or what makes two images differ.
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/open_store.h"
#include "cli/table.h"
#include "cli/network_options.h"
#include "overlay/snapshot.h"
#include "runner/container/prepare.h"
#include "store/layer/changes.h"

namespace cli {

namespace {

using Json = nlohmann::json;

// Of the uppermost layer that changes anything: metadata steps and steps without effect are not
// what the question is about.
std::vector<layer::Change> last_changes(store::Store& store, const store::ImageRecord& image) {
  overlay::Stack stack = overlay::open_stack(store, image.layers);
  while (!stack.empty()) {
    const overlay::TreePtr top = stack.back();
    stack.pop_back();
    const sys::Root tree = sys::Root::open(top->path());
    std::optional<overlay::View> below;
    if (!stack.empty()) below.emplace(store, stack);
    std::vector<layer::Change> changes = layer::list_changes(tree, below ? &below->root() : nullptr);
    if (!changes.empty()) return changes;
  }
  return {};
}

std::vector<layer::Change> compare_images(store::Store& store, const store::ImageRecord& from,
                                          const store::ImageRecord& to) {
  if (from.layers == to.layers) return {};
  const overlay::View left(store, overlay::open_stack(store, from.layers));
  const overlay::View right(store, overlay::open_stack(store, to.layers));
  return layer::compare_trees(left.root(), right.root());
}

// What it wrote; the init layer is no part of that.
std::vector<layer::Change> container_changes(const container::Containers& containers, const std::string& id) {
  const container::Config config = containers.read(id).config;
  const auto upper = containers.home(id).upper();
  if (!config.rootfs.empty() || !std::filesystem::exists(upper)) return {};
  const overlay::View below(containers.store(), container::open_layers(containers, config));
  return layer::list_changes(sys::Root::open(upper), &below.root());
}

int run_diff(Context& context, const Arguments& arguments) {
  auto store = open_store(context);
  store::Lease lease = store->lease();
  container::Containers containers(store->layout(), store.get(), network_state(context));
  const auto id = arguments.words().size() == 1 ? containers.find(arguments.word(0)) : std::nullopt;
  const std::vector<layer::Change> changes =
      id ? container_changes(containers, *id)
      : arguments.words().size() == 1
          ? last_changes(*store, store->get_image(arguments.word(0)))
          : compare_images(*store, store->get_image(arguments.word(0)), store->get_image(arguments.word(1)));
  const std::string format = arguments.get("format");
  if (format.empty()) {
    std::string text;
    for (const layer::Change& change : changes)
      text += base::str(change.kind, " ", change.path, "\n");
    context.out(context.out_terminal().is_terminal ? terminal_safe(text) : text);
    return 0;
  }
  Table table({"CHANGE", "PATH"});
  Json items = Json::array();
  for (const layer::Change& change : changes) {
    table.add({std::string(1, change.kind), change.path});
    items.push_back({{"change", std::string(1, change.kind)}, {"path", change.path}});
  }
  print_listing(context, table, items, format);
  return 0;
}

}  // namespace

const Command& diff_command() {
  static const Command kCommand{
      .name = "diff",
      .aliases = {"image diff", "container diff"},
      .summary = "list the paths an image or a container changed",
      .usage = "[FLAGS] CONTAINER|IMAGE [OTHER]",
      .about = "Prints A (added), C (changed) or D (deleted) and the path, sorted. With a container: "
               "what it wrote. With one image: "
               "what its last layer that changes anything did to the layers below. With two: what "
               "turns the files of IMAGE into those of OTHER.",
      .group = "images",
      .flags = {{.name = "format", .value = "FORMAT", .help = "table, json, or a template", .common = true}},
      .examples = {{"torte diff app", "the last layer of an image"},
                   {"torte diff app:1 app:2", "what version 2 brought"}},
      .positionals = {1, 2},
      .run = run_diff,
  };
  return kCommand;
}

}  // namespace cli
