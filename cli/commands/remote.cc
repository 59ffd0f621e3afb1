// Commands about images where they are: copy, list-tags, digest, delete.
#include "base/error.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/images/copy.h"
#include "cli/images/registries.h"
#include "cli/interrupt.h"

namespace cli {

namespace {

oci::Reference remote_name(std::string text) {
  constexpr std::string_view kTransport = "docker://";
  if (text.starts_with(kTransport)) text.erase(0, kTransport.size());
  return oci::Reference::parse(text);
}

/// --all, --multi-arch and --platform.
Extent extent_of(const Arguments& arguments) {
  std::string which = arguments.get("multi-arch", "system");
  if (arguments.is_on("all")) {
    if (arguments.has("multi-arch") && which != "all")
      throw UsageError("--all is --multi-arch all");
    which = "all";
  }
  if (which != "system" && arguments.has("platform"))
    throw UsageError("--platform chooses one image, --multi-arch " + which + " does not");
  return which == "all" ? Extent::kAll : which == "index-only" ? Extent::kIndexOnly : Extent::kOne;
}

int run_copy(Context& context, const Arguments& arguments) {
  Interrupt interrupt;
  auto events = context.make_progress(arguments.get("progress"));
  CopyOptions options;
  options.extent = extent_of(arguments);
  if (auto text = arguments.find("platform")) options.platform = oci::Platform::parse(*text);
  options.referrers = arguments.is_on("referrers");
  if (options.referrers && !arguments.has("platform")) options.extent = Extent::kAll;
  options.preserve_digests = arguments.is_on("preserve-digests");
  options.transfer.stop = interrupt.token();
  options.transfer.events = events.get();
  Registries registries(context, arguments, interrupt.token(), events.get());
  Place from = Place::parse(arguments.word(0));
  Place to = Place::parse(arguments.word(1));
  oci::Digest digest = base::with_context("copy " + arguments.word(0), [&] {
    return copy_image(context, registries, from, to, options);
  });
  context.out(digest.str() + "\n");
  return 0;
}

int run_list_tags(Context& context, const Arguments& arguments) {
  Interrupt interrupt;
  Registries registries(context, arguments, interrupt.token(), nullptr);
  oci::Reference name = remote_name(arguments.word(0));
  std::string out;
  for (const std::string& tag : registries.repository(name).list_tags()) out += tag + "\n";
  context.out(out);
  return 0;
}

int run_digest(Context& context, const Arguments& arguments) {
  Interrupt interrupt;
  Registries registries(context, arguments, interrupt.token(), nullptr);
  for (const std::string& word : arguments.words()) {
    oci::Reference name = remote_name(word).with_default_tag();
    auto digest =
        registries.repository(name).find_digest(name.digest() ? name.digest()->str() : name.tag());
    if (!digest)
      throw base::Error(base::Code::kNotFound, name.familiar() + " is not in the registry",
                        "registry-not-found");
    context.out(digest->str() + "\n");
  }
  return 0;
}

int run_referrers(Context& context, const Arguments& arguments) {
  Interrupt interrupt;
  Registries registries(context, arguments, interrupt.token(), nullptr);
  oci::Reference name = remote_name(arguments.word(0)).with_default_tag();
  registry::Repository repository = registries.repository(name);
  auto digest = name.digest() ? name.digest() : repository.find_digest(name.tag());
  if (!digest)
    throw base::Error(base::Code::kNotFound, name.familiar() + " is not in the registry",
                      "registry-not-found");
  std::string out;
  for (const oci::Descriptor& entry :
       repository.list_referrers(*digest, arguments.get("artifact-type")))
    out += base::str(entry.digest.str(), "  ", base::printable(entry.artifact_type), "\n");
  context.out(out);
  return 0;
}

int run_delete(Context& context, const Arguments& arguments) {
  Interrupt interrupt;
  Registries registries(context, arguments, interrupt.token(), nullptr);
  for (const std::string& word : arguments.words()) {
    oci::Reference name = remote_name(word);
    if (name.tag().empty() && !name.digest())
      throw UsageError("delete needs a tag or a digest: " + base::printable(word));
    registry::Repository repository = registries.repository(name);
    if (name.digest()) {
      repository.remove(name.digest()->str());
    } else {
      // Most registries delete manifests, by digest alone; all tags of one go with it.
      auto digest = repository.find_digest(name.tag());
      if (!digest)
        throw base::Error(base::Code::kNotFound, name.familiar() + " is not in the registry",
                          "registry-not-found");
      repository.remove(digest->str());
    }
    if (!context.quiet) context.out("deleted " + name.familiar() + "\n");
  }
  return 0;
}

}  // namespace

const std::vector<const Command*>& remote_commands() {
  static const Command kCopy{
      .name = "copy",
      .summary = "copy an image between registries, files and the store",
      .usage = "[FLAGS] SOURCE DESTINATION",
      .about =
          "Places are docker://NAME, oci:DIR[:NAME], oci-archive:FILE[:NAME], "
          "docker-archive:FILE[:NAME], "
          "dir:DIR and store:NAME. Digests stay what they are, except that a docker archive holds "
          "layers "
          "unpacked, and then has a manifest of its own. Of several platforms one is copied, "
          "unless --all "
          "asks for the whole index, byte for byte. Prints the digest at the destination.",
      .group = "registries",
      .flags = with_registry_flags(
          {{.name = "all",
            .letter = 'a',
            .help = "every platform, with the index that lists them",
            .common = true},
           {.name = "multi-arch",
            .value = "WHICH",
            .help = "system (one platform), all, or index-only: the index without what it lists",
            .choices = {"system", "all", "index-only"}},
           {.name = "preserve-digests", .help = "refuse to copy what would get another digest"},
           {.name = "referrers",
            .help = "between registries and OCI layouts: all, with what refers to each: "
                    "signatures, attestations"},
           {.name = "platform",
            .value = "OS/ARCH",
            .help = "which of several platforms (default: this machine's)",
            .common = true},
           {.name = "progress",
            .value = "MODE",
            .help = "how progress is shown: auto, tty, plain, json or quiet"}}),
      .examples =
          {{"torte copy --all docker://debian:12 docker://registry.example/debian:12",
            "with all platforms"},
           {"torte copy --all --preserve-digests docker://debian:12 oci-archive:debian.tar:12",
            "the same bytes, in a file"},
           {"torte copy docker://debian:12 oci:layout:debian", "into a directory"}},
      .positionals = {2, 2},
      .run = run_copy,
  };
  static const Command kListTags{
      .name = "list-tags",
      .summary = "list the tags of a repository",
      .usage = "[FLAGS] NAME",
      .about = "One tag a line, in the registry's order.",
      .group = "registries",
      .flags = with_registry_flags({}),
      .examples = {{"torte list-tags debian", "what there is of it on Docker Hub"}},
      .positionals = {1, 1},
      .run = run_list_tags,
      .in_user_namespace = false,
  };
  static const Command kDigest{
      .name = "digest",
      .summary = "show what a name in a registry leads to",
      .usage = "[FLAGS] NAME...",
      .about =
          "Prints the digest of the manifest or index, without fetching it where the registry "
          "tells.",
      .group = "registries",
      .flags = with_registry_flags({}),
      .examples = {{"torte digest debian:12", "for pinning it"}},
      .positionals = {1, Positionals::kAny},
      .run = run_digest,
      .in_user_namespace = false,
  };
  static const Command kDelete{
      .name = "delete",
      .summary = "delete an image from a registry",
      .usage = "[FLAGS] NAME...",
      .about =
          "Deletes the manifest a tag leads to, and with it every other tag of the same manifest; "
          "or a "
          "manifest by digest.",
      .group = "registries",
      .flags = with_registry_flags({}),
      .examples = {{"torte delete registry.example/app:old", "no longer there"}},
      .positionals = {1, Positionals::kAny},
      .run = run_delete,
      .in_user_namespace = false,
  };
  static const Command kReferrers{
      .name = "referrers",
      .aliases = {"discover"},
      .summary = "list what refers to an image in a registry",
      .usage = "[FLAGS] NAME",
      .about =
          "Signatures, attestations and the like that name the image as their subject: a digest "
          "and an "
          "artifact type a line. Registries that cannot be asked have the list under a tag.",
      .group = "registries",
      .flags = with_registry_flags({{.name = "artifact-type",
                                     .value = "TYPE",
                                     .help = "only those of this type",
                                     .common = true}}),
      .examples = {{"torte referrers registry.example/app", "what there is beside it"}},
      .positionals = {1, 1},
      .run = run_referrers,
      .in_user_namespace = false,
  };
  static const std::vector<const Command*> kCommands = {&kCopy, &kListTags, &kDigest, &kReferrers,
                                                        &kDelete};
  return kCommands;
}

}  // namespace cli
