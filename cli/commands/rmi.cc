// torte rmi: images go, with what only they needed.
#include "base/error.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/error_view.h"
#include "cli/images/image_mounts.h"
#include "cli/images/image_steps.h"
#include "cli/images/open_store.h"
#include "store/oci/platform.h"

namespace cli {

namespace {

std::vector<std::string> targets(store::Store& store, const Arguments& arguments) {
  if (!arguments.is_on("all")) {
    if (arguments.words().empty()) throw UsageError("name an image, or use --all");
    return arguments.words();
  }
  std::vector<std::string> ids;
  for (const store::ImageRecord& image : store.list_images()) ids.push_back(image.id.str());
  return ids;
}

void require_platform(store::Store& store, const std::string& target, const std::string& wanted) {
  const std::string platform = store.get_image(target).platform;
  if (!oci::Platform::parse(platform).satisfies(oci::Platform::parse(wanted)))
    throw base::Error(base::Code::kNotFound,
                      base::str(target, " is for ", platform, ", not for ", wanted),
                      "platform-missing");
}

int run_rmi(Context& context, const Arguments& arguments) {
  forget_ended_mounts(context.root);
  auto store = open_store(context);
  const bool force = arguments.is_on("force") || arguments.is_on("all");
  const store::RemoveOptions options{.force = force, .keep_layers = arguments.is_on("no-prune")};
  uint64_t freed_bytes = 0;
  bool deleted = false;
  int status = 0;
  // One that cannot go does not keep the others.
  for (const std::string& target : targets(*store, arguments)) {
    try {
      if (const auto platform = arguments.find("platform"))
        require_platform(*store, target, *platform);
      const store::RemoveReport report = store->remove_image(target, options);
      if (!context.quiet)
        for (const std::string& name : report.untagged)
          context.out("untagged " + base::printable(familiar_name(name)) + "\n");
      for (const oci::Digest& id : report.deleted)
        context.out(base::str(context.quiet ? "" : "deleted ", id.str(), "\n"));
      deleted = deleted || !report.deleted.empty();
      freed_bytes += report.freed_bytes;
    } catch (const base::Error& e) {
      if (arguments.is_on("force") && e.code() == base::Code::kNotFound) continue;
      print_error(context, e);
      status = 1;
    }
  }
  if (deleted && !context.quiet) context.out("freed " + base::format_size(freed_bytes) + "\n");
  return status;
}

}  // namespace

const Command& rmi_command() {
  static const Command kCommand{
      .name = "rmi",
      .aliases = {"image rm", "image remove"},
      .summary = "remove images",
      .usage = "[FLAGS] NAME...",
      .about =
          "Takes the name away; with its last name the image goes, and the layers that no other "
          "image, container or cached step needs. Says how many bytes that freed.",
      .group = "images",
      .flags = {{.name = "force",
                 .letter = 'f',
                 .help = "also when containers use it, or an id has several names; what is absent "
                         "is no failure",
                 .common = true},
                {.name = "all", .letter = 'a', .help = "every image", .common = true},
                {.name = "no-prune", .help = "leave freed layers to the next prune"},
                {.name = "platform",
                 .value = "OS/ARCH",
                 .help = "only if the image is for this platform"}},
      .examples = {{"torte rmi app:old", "remove one image"},
                   {"torte rmi $(torte images -q --filter dangling=true)",
                    "remove those without a name"}},
      .positionals = {0, Positionals::kAny},
      .run = run_rmi,
  };
  return kCommand;
}

}  // namespace cli
