// torte load: images come in from an OCI layout or a docker archive.
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/images/image_place.h"
#include "cli/images/open_store.h"
#include "cli/images/packed_import.h"
#include "cli/images/registries.h"
#include "cli/images/transfer.h"
#include "cli/interrupt.h"
#include "store/archive/image_layout.h"

namespace cli {

namespace {

/// What the bundle calls the image, as far as it names a repository: a lone "latest" says nothing.
std::vector<oci::Reference> names_of(const archive::FoundImage& image) {
  std::vector<oci::Reference> names;
  for (const std::string& name : image.names) {
    if (name.find_first_of("/:") == std::string::npos) continue;
    auto reference = oci::Reference::try_parse(name);
    if (!reference) continue;
    oci::Reference full = reference->with_default_tag();
    if (std::find(names.begin(), names.end(), full) == names.end())
      names.push_back(std::move(full));
  }
  return names;
}

std::unique_ptr<archive::ImageLayout> open_input(const Context& context, const std::string& input,
                                                 const archive::OpenOptions& options) {
  if (!input.empty() && input != "-") return archive::ImageLayout::open(input, options);
  if (::isatty(context.in_fd) == 1)
    throw UsageError("give the image with --input FILE, or on standard input");
  return archive::ImageLayout::open_stream(context.in_fd, "standard input", options);
}

std::string transport_of(archive::Format format) {
  using Transport = Place::Transport;
  return transport_name(format == archive::Format::kOciDirectory ? Transport::kOciDirectory
                        : format == archive::Format::kOciArchive ? Transport::kOciArchive
                                                                 : Transport::kDockerArchive);
}

void announce(const Context& context, const oci::Digest& id,
              const std::vector<oci::Reference>& names) {
  if (context.quiet || names.empty()) {
    context.out((context.quiet ? "" : "loaded ") + id.str() + "\n");
    return;
  }
  for (const oci::Reference& name : names)
    context.out("loaded " + name.familiar() + " " + std::string(id.short_hex()) + "\n");
}

int run_load(Context& context, const Arguments& arguments) {
  Interrupt interrupt;
  std::vector<oci::Reference> tags;
  for (const std::string& tag : arguments.all("tag"))
    tags.push_back(oci::Reference::parse(tag).with_default_tag());
  oci::Platform platform = oci::Platform::host();
  if (auto text = arguments.find("platform")) platform = oci::Platform::parse(*text);

  auto events = context.make_progress(arguments.get("progress"));
  TransferOptions options;
  options.stop = interrupt.token();
  options.events = events.get();
  if (auto most = arguments.size_bytes("max-unpacked")) options.limits.unpacked_bytes = *most;

  std::string input = arguments.get("input");
  if (input.empty()) input = arguments.word(0);
  archive::OpenOptions opening;
  opening.limits = options.limits;
  auto layout = open_input(context, input, opening);
  read_policy(context, &arguments).require(transport_of(layout->format()), input);
  std::vector<archive::FoundImage> images;
  if (tags.empty() && !arguments.has("ref-name"))
    images = layout->get_images(platform);
  else
    images.push_back(layout->get_image(arguments.get("ref-name"), platform));

  auto store = make_store(context);
  for (const archive::FoundImage& image : images) {
    std::vector<oci::Reference> names = tags.empty() ? names_of(image) : tags;
    const oci::Digest id = arguments.is_on("lazy")
                               ? import_packed(*store, *layout, image, names, options)
                               : import_image(*store, *layout, image, names, options);
    announce(context, id, names);
  }
  return 0;
}

}  // namespace

const Command& load_command() {
  static const Command kCommand{
      .name = "load",
      .aliases = {"image load"},
      .summary = "bring images in from a file or directory",
      .usage = "[FLAGS] [FILE|DIR]",
      .about =
          "Reads an OCI layout (a directory or a tar) or a docker archive (a tar, or a "
          "directory with what it holds), packed with gzip, zstd, xz or not at all. Every digest, "
          "size and diff id is checked.",
      .group = "images",
      .flags =
          {{.name = "input",
            .letter = 'i',
            .value = "FILE|DIR",
            .help = "what to read (default: standard input)",
            .common = true},
           {.name = "tag",
            .letter = 't',
            .value = "NAME",
            .help = "name of the image, instead of those it brings",
            .repeatable = true,
            .common = true},
           {.name = "ref-name",
            .value = "NAME",
            .help = "which image to take, by the name it has there",
            .common = true},
           {.name = "platform",
            .value = "OS/ARCH",
            .help = "which of several platforms to take (default: this machine's)"},
           {.name = "lazy",
            .help = "leave its layers packed: files are read out of them, where FUSE is to be had"},
           {.name = "max-unpacked",
            .value = "SIZE",
            .help = "refuse images whose layers unpack to more than this"},
           signature_policy_flag(),
           {.name = "progress",
            .value = "MODE",
            .help = "how progress is shown: auto, tty, plain, json or quiet"}},
      .examples = {{"torte load -i image.tar", "bring in all images of a file"},
                   {"torte load -i layout/ --ref-name v1 -t app:v1",
                    "bring in one of them under a name"}},
      .positionals = {0, 1},
      .run = run_load,
  };
  return kCommand;
}

}  // namespace cli
