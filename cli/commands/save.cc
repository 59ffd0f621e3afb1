// torte save: images leave as an OCI layout or a docker archive.
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/images/attestation.h"
#include "cli/images/registry_session.h"
#include "cli/images/transfer.h"
#include "cli/output_file.h"
#include "store/archive/image_writer.h"

namespace cli {

namespace {

Packing packing_of(const Arguments& arguments, const std::string& format) {
  Packing packing = packing_of(arguments);
  if (!format.starts_with("docker-")) return packing;
  if (packing == Packing::kGzip || packing == Packing::kZstd)
    throw UsageError(
        "docker archives hold uncompressed layers: leave --compression and --compression-level "
        "out");
  return Packing::kNone;
}

/// One image to write and the names that asked for it.
struct Chosen {
  store::ImageRecord record;
  std::vector<oci::Reference> names;
};

std::vector<Chosen> choose(store::Store& store, const Arguments& arguments) {
  std::vector<Chosen> chosen;
  for (const std::string& word : arguments.words()) {
    store::ImageRecord record = store.get_image(word);
    if (auto text = arguments.find("platform");
        text && !oci::Platform::parse(record.platform).satisfies(oci::Platform::parse(*text)))
      throw base::Error(base::Code::kNotFound,
                        base::str(word, " is for ", record.platform, ", not for ", *text),
                        "platform-missing");
    auto at = std::find_if(chosen.begin(), chosen.end(),
                           [&](const Chosen& c) { return c.record.id == record.id; });
    if (at == chosen.end()) at = chosen.insert(chosen.end(), Chosen{record, {}});
    // Asked for by id, it leaves without a name; by a name, under that name.
    auto reference = oci::Reference::try_parse(word);
    if (!reference) continue;
    std::string full = reference->with_default_tag().str();
    for (const store::Name& name : record.names)
      if (name.name == full) at->names.push_back(reference->with_default_tag());
  }
  return chosen;
}

void write_images(store::Store& store, const std::vector<Chosen>& chosen, const Packing& packing,
                  archive::ImageWriter& writer, bool attested, const TransferOptions& options) {
  for (const Chosen& choice : chosen) {
    OutgoingImage image = prepare_image(store, choice.record, packing, options);
    export_image(store, image, choice.names, writer, options);
    if (attested)
      add_attestations(store, writer, choice.record, image.manifest.describe(), choice.names);
  }
  writer.finish();
}

int run_save(Context& context, const Arguments& arguments) {
  std::string format = arguments.get("format", "docker-archive");
  std::string output = arguments.get("output", "-");
  if (output == "-" && format.ends_with("-dir"))
    throw UsageError("--format " + format + " needs --output DIR");
  if (output == "-" && ::isatty(context.out_fd) == 1)
    throw UsageError("an image on a terminal helps nobody: give --output FILE, or redirect");
  Packing packing = packing_of(arguments, format);
  RegistrySession session(context, arguments);
  store::Store& store = *session.store;
  store::Lease lease = store.lease();
  std::vector<Chosen> chosen = choose(store, arguments);
  if (format.ends_with("-dir")) {
    auto writer = format == "oci-dir" ? archive::write_oci_directory(output)
                                      : archive::write_docker_directory(output);
    write_images(store, chosen, packing, *writer, format == "oci-dir", session.options);
    return 0;
  }
  OutputFile file(output, context.out_fd);
  auto writer = format == "docker-archive" ? archive::write_docker_archive(file)
                                           : archive::write_oci_archive(file);
  write_images(store, chosen, packing, *writer, format != "docker-archive", session.options);
  file.commit();
  return 0;
}

}  // namespace

const Command& save_command() {
  static const Command kCommand{
      .name = "save",
      .aliases = {"image save"},
      .summary = "write images to a file or directory",
      .usage = "[FLAGS] NAME...",
      .about =
          "Writes one or several images with all their layers. A docker archive can be read by "
          "docker load and podman load, a docker-dir is one unpacked; the OCI forms also keep the "
          "digests of "
          "images that were pulled or loaded, and have what a build attested of an image.",
      .group = "images",
      .flags = with_registry_flags(
          {{.name = "output",
            .letter = 'o',
            .value = "PATH",
            .help = "where to write (default: standard output)",
            .common = true},
           {.name = "format",
            .value = "FORMAT",
            .help = "docker-archive, docker-dir, oci-archive or oci-dir (default: docker-archive)",
            .choices = {"docker-archive", "docker-dir", "oci-archive", "oci-dir"},
            .common = true},
           {.name = "compression",
            .value = "HOW",
            .help = "pack layers again: gzip, zstd or none (default: as they are)",
            .choices = {"gzip", "zstd", "none"}},
           compression_level_flag(),
           {.name = "platform",
            .value = "OS/ARCH",
            .help = "fail unless the image is for this platform"}}),
      .examples = {{"torte save -o app.tar app", "write app:latest for docker load"},
                   {"torte save --format oci-dir -o layout app:1 app:2",
                    "two images in one layout"}},
      .positionals = {1, Positionals::kAny},
      .run = run_save,
  };
  return kCommand;
}

}  // namespace cli
