// torte pull: an image comes from a registry.
#include "cli/images/pull.h"
#include "base/error.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/images/base_images.h"
#include "cli/images/registry_session.h"

namespace cli {

namespace {

std::vector<oci::Reference> wanted_names(Registries& registries, const Arguments& arguments) {
  std::vector<oci::Reference> wanted;
  for (const std::string& word : arguments.words()) {
    oci::Reference reference = oci::Reference::parse(word);
    if (!arguments.is_on("all-tags")) {
      wanted.push_back(reference.with_default_tag());
      continue;
    }
    if (!reference.tag().empty() || reference.digest())
      throw UsageError("--all-tags takes a name without a tag, not " + base::printable(word));
    for (const std::string& tag : registries.repository(reference).list_tags())
      wanted.push_back(reference.with_tag(tag));
  }
  return wanted;
}

void report(const Context& context, const oci::Reference& reference, const oci::Digest& id,
            const std::string& platform) {
  if (context.quiet) return context.out(id.str() + "\n");
  context.out(base::str("pulled ", reference.familiar(), " ", platform, platform.empty() ? "" : " ",
                        id.short_hex(), "\n"));
}

int run_pull(Context& context, const Arguments& arguments) {
  const bool all_platforms = arguments.is_on("all-platforms");
  if (all_platforms && (arguments.has("platform") || arguments.has("policy")))
    throw UsageError("--all-platforms always asks for all: leave --platform and --policy out");
  oci::Platform platform = oci::Platform::host();
  if (auto text = arguments.find("platform")) platform = oci::Platform::parse(*text);
  const auto most = arguments.size_bytes("max-unpacked");
  PullPolicy policy = parse_pull_policy(arguments.get("policy", "always"));
  const bool lazy = arguments.is_on("lazy");

  RegistrySession session(context, arguments, arguments.get("progress"));
  if (most) session.options.limits.unpacked_bytes = *most;
  store::Store& store = *session.store;
  for (const oci::Reference& reference : wanted_names(session.registries, arguments)) {
    if (!all_platforms) {
      report(context, reference,
             pull_by_policy(store, session.registries, reference, platform, policy, session.options,
                            lazy ? PullExtent::kPacked : PullExtent::kWhole),
             {});
      continue;
    }
    for (const oci::Digest& id :
         pull_all_platforms(store, session.registries, reference, session.options, lazy))
      report(context, reference, id, store.find_image_by_id(id).value().platform);
  }
  return 0;
}

}  // namespace

const Command& pull_command() {
  static const Command kCommand{
      .name = "pull",
      .aliases = {"image pull"},
      .summary = "fetch an image from a registry",
      .usage = "[FLAGS] NAME...",
      .about =
          "Looks the name up once and fetches what the store does not have. Layers are checked and "
          "unpacked while they arrive, several at a time; nothing is seen of the image before all "
          "of "
          "it is right. A broken connection is resumed, and so is a pull that was killed.",
      .group = "registries",
      .flags = with_registry_flags(
          {{.name = "platform",
            .value = "OS/ARCH",
            .help = "which of several platforms (default: this machine's)",
            .common = true},
           {.name = "all-platforms",
            .help =
                "every platform, and the index that lists them, so that push --all can send it on"},
           {.name = "policy",
            .value = "WHEN",
            .help = "always, missing, newer or never (default: always)",
            .choices = {"always", "missing", "newer", "never"}},
           {.name = "all-tags",
            .letter = 'a',
            .help = "every tag of the repository, of a NAME without one"},
           {.name = "lazy",
            .help = "leave its layers packed: files are read out of them, where FUSE is to be had"},
           {.name = "max-unpacked",
            .value = "SIZE",
            .help = "refuse images whose layers unpack to more than this"},
           {.name = "progress",
            .value = "MODE",
            .help = "how progress is shown: auto, tty, plain, json or quiet",
            .common = true}}),
      .examples = {{"torte pull debian:12", "fetch an image from Docker Hub"},
                   {"torte pull --platform linux/arm64 registry.example/app",
                    "the one for another platform"},
                   {"torte pull --all-platforms registry.example/app:1",
                    "also app:1-linux-arm64 and whatever else there is"}},
      .positionals = {1, Positionals::kAny},
      .run = run_pull,
  };
  return kCommand;
}

}  // namespace cli
