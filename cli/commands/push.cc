// torte push: an image goes to a registry.
#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "cli/base_images.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/interrupt.h"
#include "cli/open_store.h"
#include "cli/push.h"

namespace cli {

namespace {

Packing packing_of(const Arguments& arguments) {
  std::string text = arguments.get("compression");
  if (text == "gzip") return Packing::kGzip;
  if (text == "zstd") return Packing::kZstd;
  return Packing::kAsIs;
}

oci::Reference destination_of(const Arguments& arguments) {
  std::string text = arguments.word(arguments.words().size() - 1);
  constexpr std::string_view kTransport = "docker://";
  if (text.starts_with(kTransport)) text.erase(0, kTransport.size());
  oci::Reference reference = oci::Reference::parse(text);
  if (reference.digest())
    throw UsageError("a push needs a tag to go to, not a digest: " + base::printable(text));
  return reference.with_default_tag();
}

int run_push(Context& context, const Arguments& arguments) {
  Interrupt interrupt;
  oci::Reference destination = destination_of(arguments);
  auto events = context.make_progress(arguments.get("progress"));
  TransferOptions options;
  options.stop = interrupt.token();
  options.events = events.get();
  Registries registries(context, arguments, interrupt.token(), events.get());
  auto store = open_store(context);
  auto image = find_image(*store, arguments.word(0));
  if (!image) image = store->get_image(arguments.word(0));  // says what is near
  oci::Digest digest = push_image(*store, registries, *image, destination, packing_of(arguments), options);
  if (auto file = arguments.find("digestfile"))
    sys::write_file_durably(*file, digest.str(), 0644);
  context.out(context.quiet ? digest.str() + "\n"
                            : base::str("pushed ", destination.familiar(), " ", digest.str(), "\n"));
  return 0;
}

}  // namespace

const Command& push_command() {
  static const Command kCommand{
      .name = "push",
      .aliases = {"image push"},
      .summary = "send an image to a registry",
      .usage = "[FLAGS] NAME [DESTINATION]",
      .about = "Sends the layers the registry does not have, and then the manifest. Layers are packed "
               "while they are sent, once: another push of them finds them packed. An image that was "
               "pulled or loaded keeps its digest.",
      .group = "registries",
      .flags = with_registry_flags(
          {{.name = "compression", .value = "HOW", .help = "pack all layers this way: gzip or zstd (default: as they are, new ones gzip)", .choices = {"gzip", "zstd"}, .common = true},
           {.name = "digestfile", .value = "FILE", .help = "write the manifest's digest to FILE", .common = true},
           {.name = "progress", .value = "MODE", .help = "how progress is shown: auto, tty, plain, json or quiet", .common = true}}),
      .examples = {{"torte push registry.example/app:1", "under the name it has here"},
                   {"torte push app registry.example/team/app:1", "under another"}},
      .positionals = {1, 2},
      .run = run_push,
  };
  return kCommand;
}

}  // namespace cli
