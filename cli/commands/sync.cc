// torte sync: the images of a repository, tag by tag, where they are not yet.
#include "cli/images/sync.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/error_view.h"
#include "cli/interrupt.h"

namespace cli {

namespace {

int run_sync(Context& context, const Arguments& arguments) {
  Interrupt interrupt;
  auto events = context.make_progress(arguments.get("progress"));
  Registries registries(context, arguments, interrupt.token(), events.get());
  SyncOptions options{.patterns = arguments.all("tags"), .dry_run = arguments.is_on("dry-run")};
  options.transfer.stop = interrupt.token();
  options.transfer.events = events.get();
  if (auto text = arguments.find("platform")) options.platform = oci::Platform::parse(*text);
  auto from = TaggedImages::open(registries, Place::parse(arguments.word(0)));
  auto to = TaggedImages::open(registries, Place::parse(arguments.word(1)));
  const std::string copied = options.dry_run ? "would copy" : "copied";
  SyncReport report =
      sync_tags(context, registries, *from, *to, options, [&](const SyncedTag& done) {
        if (done.error) return print_error(context, *done.error);
        if (!context.quiet)
          context.out(
              base::str(done.kept ? "kept" : copied, " ", done.tag, " ", done.digest->str(), "\n"));
      });
  if (!context.quiet)
    context.out(
        base::str(report.copied, options.dry_run ? " to copy, " : " copied, ", report.kept, " kept",
                  report.failed > 0 ? base::str(", ", report.failed, " failed") : "", "\n"));
  return report.failed > 0 ? 1 : 0;
}

}  // namespace

const Command& sync_command() {
  static const Command kCommand{
      .name = "sync",
      .summary = "copy the tags of a repository that are not there yet",
      .usage = "[FLAGS] SOURCE DESTINATION",
      .about =
          "Places are docker://REPOSITORY, oci:DIR (a layout that names its images by tag) and "
          "dir:DIR (a directory "
          "for each tag). What a tag leads to is copied whole, every platform, byte for byte. A "
          "tag that leads to the "
          "same digest at the destination is kept; nothing is removed there. A tag that fails is "
          "told, does not "
          "keep the others, and makes the exit status 1.",
      .group = "registries",
      .flags = with_registry_flags(
          {{.name = "tags",
            .value = "PATTERN",
            .help = "only tags that match, with * and ?",
            .repeatable = true,
            .common = true},
           {.name = "platform", .value = "OS/ARCH", .help = "only this one of several platforms"},
           {.name = "dry-run", .help = "say what would be copied", .common = true},
           {.name = "progress",
            .value = "MODE",
            .help = "how progress is shown: auto, tty, plain, json or quiet"}}),
      .examples = {{"torte sync docker://registry.example/app docker://mirror.example/app",
                    "a mirror"},
                   {"torte sync --tags '1.*' docker://registry.example/app oci:app",
                    "some of it, in a directory to carry away"}},
      .positionals = {2, 2},
      .run = run_sync,
  };
  return kCommand;
}

}  // namespace cli
