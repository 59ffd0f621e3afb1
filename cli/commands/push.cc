// torte push: an image goes to a registry.
#include <algorithm>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/images/base_images.h"
#include "cli/images/push.h"
#include "cli/images/push_index.h"
#include "cli/images/registry_session.h"
#include "store/event_log.h"

namespace cli {

namespace {

std::string without_transport(const std::string& text) {
  constexpr std::string_view kTransport = "docker://";
  return text.starts_with(kTransport) ? text.substr(kTransport.size()) : text;
}

oci::Reference destination_of(const Arguments& arguments) {
  std::string text = without_transport(arguments.word(arguments.words().size() - 1));
  oci::Reference reference = oci::Reference::parse(text);
  if (reference.digest())
    throw UsageError("a push needs a tag to go to, not a digest: " + base::printable(text));
  return reference.with_default_tag();
}

/// An image by its name here, and where it goes.
struct Parcel {
  std::string name;
  oci::Reference destination;
};

/// Every tag that the store has of a repository, under the same tag of the destination.
std::vector<Parcel> parcels_of_all_tags(store::Store& store, const Arguments& arguments) {
  oci::Reference name = oci::Reference::parse(arguments.word(0));
  oci::Reference destination = destination_of(arguments);
  for (const std::string& word : arguments.words())
    if (!oci::Reference::parse(without_transport(word)).tag().empty())
      throw UsageError("--all-tags takes names without a tag, not " + base::printable(word));
  std::vector<Parcel> parcels;
  for (const store::ImageRecord& image : store.list_images())
    for (const store::Name& known : image.names)
      if (auto reference = oci::Reference::try_parse(known.name);
          reference && reference->name() == name.name() && !reference->tag().empty())
        parcels.push_back({known.name, destination.with_tag(reference->tag())});
  if (parcels.empty())
    throw base::Error(base::Code::kNotFound, "no tag of " + name.familiar() + " is in the store",
                      "image-missing");
  std::sort(parcels.begin(), parcels.end(), [](const Parcel& one, const Parcel& other) {
    return one.destination.tag() < other.destination.tag();
  });
  return parcels;
}

// `packing`: nothing for a whole index.
oci::Digest send(store::Store& store, Registries& registries, const Parcel& parcel,
                 const std::optional<Packing>& packing, const TransferOptions& options) {
  auto log = [&](const oci::Digest& id) {
    store::log_event(
        store.layout(),
        {.type = "image", .action = "push", .id = id.str(), .name = parcel.destination.str()});
  };
  if (!packing) {
    oci::Digest digest = push_index(store, registries, parcel.name, parcel.destination, options);
    log(digest);
    return digest;
  }
  auto image = find_image(store, parcel.name);
  if (!image) image = store.get_image(parcel.name);  // says what is near
  oci::Digest digest = push_image(store, registries, *image, parcel.destination, *packing, options);
  log(image->id);
  return digest;
}

int run_push(Context& context, const Arguments& arguments) {
  if (arguments.is_on("all-tags") && arguments.has("digestfile"))
    throw UsageError("--digestfile takes one digest, --all-tags pushes several");
  for (const char* packs : {"compression", "compression-level"})
    if (arguments.is_on("all") && arguments.has(packs))
      throw UsageError(base::str(
          "--all sends images as they are, with the digests that the index lists: leave --", packs,
          " out"));
  std::optional<Packing> packing;
  if (!arguments.is_on("all")) packing = packing_of(arguments);
  const oci::Reference destination =
      destination_of(arguments);  // what is wrong with it is said before anything is opened
  RegistrySession session(context, arguments, arguments.get("progress"));
  const bool all_tags = arguments.is_on("all-tags");
  const std::vector<Parcel> parcels = all_tags
                                          ? parcels_of_all_tags(*session.store, arguments)
                                          : std::vector<Parcel>{{arguments.word(0), destination}};
  for (const Parcel& parcel : parcels) {
    oci::Digest digest = send(*session.store, session.registries, parcel, packing, session.options);
    if (auto file = arguments.find("digestfile"))
      sys::write_file_durably(*file, digest.str(), 0644);
    context.out(context.quiet
                    ? digest.str() + "\n"
                    : base::str("pushed ", parcel.destination.familiar(), " ", digest.str(), "\n"));
  }
  return 0;
}

}  // namespace

const Command& push_command() {
  static const Command kCommand{
      .name = "push",
      .aliases = {"image push"},
      .summary = "send an image to a registry",
      .usage = "[FLAGS] NAME [DESTINATION]",
      .about =
          "Sends the layers the registry does not have, and then the manifest. Layers are packed "
          "while they are sent, once: another push of them finds them packed. An image that was "
          "pulled or loaded keeps its digest.",
      .group = "registries",
      .flags = with_registry_flags(
          {{.name = "compression",
            .value = "HOW",
            .help = "pack all layers this way: gzip or zstd (default: as they are, new ones gzip)",
            .choices = {"gzip", "zstd"},
            .common = true},
           compression_level_flag(),
           {.name = "all-tags", .letter = 'a', .help = "every tag of NAME that is in the store"},
           {.name = "all",
            .help = "the whole index that NAME leads to, or list of torte manifest, with all its "
                    "images"},
           {.name = "digestfile",
            .value = "FILE",
            .help = "write the manifest's digest to FILE",
            .common = true},
           {.name = "progress",
            .value = "MODE",
            .help = "how progress is shown: auto, tty, plain, json or quiet",
            .common = true}}),
      .examples = {{"torte push registry.example/app:1", "under the name it has here"},
                   {"torte push app registry.example/team/app:1", "under another"},
                   {"torte push --all-tags app registry.example/team/app",
                    "app:1, app:2 and whatever else there is"},
                   {"torte push --all app:1 registry.example/team/app:1",
                    "what pull --all-platforms brought"}},
      .positionals = {1, 2},
      .run = run_push,
  };
  return kCommand;
}

}  // namespace cli
