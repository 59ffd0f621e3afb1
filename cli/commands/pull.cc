// torte pull: an image comes from a registry.
#include "base/error.h"
#include "base/text.h"
#include "cli/base_images.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/interrupt.h"
#include "cli/open_store.h"
#include "cli/pull.h"

namespace cli {

namespace {

int run_pull(Context& context, const Arguments& arguments) {
  Interrupt interrupt;
  oci::Platform platform = oci::Platform::host();
  if (auto text = arguments.find("platform")) platform = oci::Platform::parse(*text);
  auto events = context.make_progress(arguments.get("progress"));
  TransferOptions options;
  options.stop = interrupt.token();
  options.events = events.get();
  if (auto most = arguments.size_bytes("max-unpacked")) options.limits.unpacked_bytes = *most;
  Registries registries(context, arguments, interrupt.token(), events.get());
  PullPolicy policy = parse_pull_policy(arguments.get("policy", "always"));

  auto store = open_store(context);
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
  for (const oci::Reference& reference : wanted) {
    oci::Digest id = pull_by_policy(*store, registries, reference, platform, policy, options,
                                    arguments.is_on("lazy") ? PullExtent::kPacked : PullExtent::kWhole);
    context.out(context.quiet ? id.str() + "\n"
                              : base::str("pulled ", reference.familiar(), " ", id.short_hex(), "\n"));
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
      .about = "Looks the name up once and fetches what the store does not have. Layers are checked and "
               "unpacked while they arrive, several at a time; nothing is seen of the image before all of "
               "it is right. A broken connection is resumed, and so is a pull that was killed.",
      .group = "registries",
      .flags = with_registry_flags(
          {{.name = "platform", .value = "OS/ARCH", .help = "which of several platforms (default: this machine's)", .common = true},
           {.name = "policy", .value = "WHEN", .help = "always, missing, newer or never (default: always)", .choices = {"always", "missing", "newer", "never"}},
           {.name = "all-tags", .letter = 'a', .help = "every tag of the repository"},
           {.name = "lazy", .help = "leave its layers packed: files are read out of them, where FUSE is to be had"},
           {.name = "max-unpacked", .value = "SIZE", .help = "refuse layers that unpack to more than this"},
           {.name = "progress", .value = "MODE", .help = "how progress is shown: auto, tty, plain, json or quiet", .common = true}}),
      .examples = {{"torte pull debian:12", "fetch an image from Docker Hub"},
                   {"torte pull --platform linux/arm64 registry.example/app", "the one for another platform"}},
      .positionals = {1, Positionals::kAny},
      .run = run_pull,
  };
  return kCommand;
}

}  // namespace cli
