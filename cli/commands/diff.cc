// torte diff: what an image's last step changed, or what makes two images differ.
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/containers/network_options.h"
#include "cli/context.h"
#include "cli/images/change_report.h"
#include "cli/images/open_store.h"
#include "cli/images/registries.h"
#include "cli/table.h"
#include "overlay/snapshot.h"
#include "runner/container/prepare.h"
#include "store/layer/changes.h"
#include "store/layer/contents.h"

namespace cli {

namespace {

using Json = nlohmann::json;

/// What changed, and where to look at it.
struct Difference {
  std::vector<layer::Change> changes = {};
  std::unique_ptr<overlay::View> before = {};  ///< null: there was nothing
  std::unique_ptr<overlay::View> after_view = {};
  sys::Root after = {};  ///< has what is new or changed

  const sys::Root* before_root() const { return before ? &before->root() : nullptr; }
};

// Of the uppermost layer that changes anything: metadata steps and steps without effect are not
// what the question is about.
Difference last_changes(store::Store& store, const store::ImageRecord& image) {
  overlay::Stack stack = overlay::open_stack(store, image.layers);
  while (!stack.empty()) {
    const overlay::TreePtr top = stack.back();
    stack.pop_back();
    Difference found;
    found.after = sys::Root::open(top->path());
    if (!stack.empty()) found.before = std::make_unique<overlay::View>(store, stack);
    found.changes = layer::list_changes(found.after, found.before_root());
    if (!found.changes.empty()) return found;
  }
  return {};
}

Difference compare_images(store::Store& store, const store::ImageRecord& from,
                          const store::ImageRecord& to) {
  Difference found;
  if (from.layers == to.layers) return found;
  found.before = std::make_unique<overlay::View>(store, overlay::open_stack(store, from.layers));
  found.after_view = std::make_unique<overlay::View>(store, overlay::open_stack(store, to.layers));
  found.after = found.after_view->root().duplicate();
  found.changes = layer::compare_trees(found.before->root(), found.after);
  return found;
}

// What it wrote; the init layer is no part of that.
Difference container_changes(const container::Containers& containers, const std::string& id) {
  const container::Config config = containers.read(id).config;
  const auto upper = containers.home(id).upper();
  Difference found;
  if (!config.rootfs.empty() || !std::filesystem::exists(upper)) return found;
  found.before = std::make_unique<overlay::View>(containers.store(),
                                                 container::open_layers(containers, config));
  found.after = sys::Root::open(upper);
  found.changes = layer::list_changes(found.after, found.before_root());
  return found;
}

void print_changes(const Context& context, const std::vector<layer::Change>& changes,
                   const std::string& format) {
  if (format.empty()) {
    std::string text;
    for (const layer::Change& change : changes)
      text += base::str(change.kind, " ", change.path, "\n");
    context.out(context.out_terminal().is_terminal ? terminal_safe(text) : text);
    return;
  }
  Table table({"CHANGE", "PATH"});
  Json items = Json::array();
  for (const layer::Change& change : changes) {
    table.add({std::string(1, change.kind), change.path});
    items.push_back({{"change", std::string(1, change.kind)}, {"path", change.path}});
  }
  print_listing(context, table, items, format);
}

int run_diff(Context& context, const Arguments& arguments) {
  const std::string format = arguments.get("format");
  const bool content = arguments.is_on("content");
  if (content && (arguments.is_on("stat") || !format.empty()))
    throw UsageError("--content prints text: leave --stat and --format out");
  auto store = open_store(context, arguments);
  store::Lease lease = store->lease();
  container::Containers containers(store->layout(), store.get(), network_state(context));
  const auto id = arguments.words().size() == 1 ? containers.find(arguments.word(0)) : std::nullopt;
  const Difference found = id ? container_changes(containers, *id)
                           : arguments.words().size() == 1
                               ? last_changes(*store, store->get_image(arguments.word(0)))
                               : compare_images(*store, store->get_image(arguments.word(0)),
                                                store->get_image(arguments.word(1)));
  if (content || arguments.is_on("stat")) {
    const auto described = layer::describe_changes(found.changes, found.before_root(), found.after);
    content ? print_contents(context, described, found.before_root(), found.after)
            : print_statistics(context, described, format);
    return 0;
  }
  print_changes(context, found.changes, format);
  return 0;
}

}  // namespace

const Command& diff_command() {
  static const Command kCommand{
      .name = "diff",
      .aliases = {"image diff", "container diff"},
      .summary = "list the paths an image or a container changed",
      .usage = "[FLAGS] CONTAINER|IMAGE [OTHER]",
      .about =
          "Prints A (added), C (changed) or D (deleted) and the path, sorted. With a container: "
          "what it wrote. With one image: "
          "what its last layer that changes anything did to the layers below. With two: what "
          "turns the files of IMAGE into those of OTHER.",
      .group = "images",
      .flags = with_registry_flags(
          {{.name = "stat", .help = "sizes, and how mode and owner changed", .common = true},
           {.name = "content",
            .help = "the lines that changed in text files, as diff -u shows them",
            .common = true},
           {.name = "format",
            .value = "FORMAT",
            .help = "table, json, or a template",
            .common = true}}),
      .examples = {{"torte diff app", "the last layer of an image"},
                   {"torte diff app:1 app:2", "what version 2 brought"},
                   {"torte diff --content web", "what a container wrote into text files"}},
      .positionals = {1, 2},
      .run = run_diff,
  };
  return kCommand;
}

}  // namespace cli
