// torte manifest: images for several platforms under one name.
#include "base/error.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/images/copy_source.h"
#include "cli/images/manifest_list.h"
#include "cli/images/open_store.h"
#include "cli/images/registry_session.h"

namespace cli {

namespace {

std::string remote_text(std::string text) {
  constexpr std::string_view kTransport = "docker://";
  if (text.starts_with(kTransport)) text.erase(0, kTransport.size());
  return text;
}

/// --annotation, --os, --arch, --variant.
void annotate(oci::Descriptor& entry, const Arguments& arguments) {
  for (const std::string& text : arguments.all("annotation")) {
    size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos)
      throw UsageError("--annotation needs NAME=VALUE");
    entry.annotations[text.substr(0, equals)] = text.substr(equals + 1);
  }
  oci::Platform platform = entry.platform.value_or(oci::Platform());
  if (auto os = arguments.find("os")) platform.os = *os;
  if (auto arch = arguments.find("arch")) platform.architecture = *arch;
  if (auto variant = arguments.find("variant")) platform.variant = *variant;
  if (!platform.os.empty() || !platform.architecture.empty()) entry.platform = platform;
}

int run_create(Context& context, const Arguments& arguments) {
  RegistrySession session(context, arguments);
  auto there = ManifestList::find(*session.store, arguments.word(0));
  if (there && !arguments.is_on("amend"))
    throw base::Error(base::Code::kInvalid, "there is a manifest list " + arguments.word(0),
                      "list-exists")
        .add_help("--amend adds to it; torte manifest rm removes it");
  ManifestList list = there ? *there : ManifestList::create(arguments.word(0));
  for (size_t i = 1; i < arguments.words().size(); ++i)
    add_image(list, *session.store, session.registries, arguments.word(i), session.options);
  list.save(*session.store);
  context.out(list.name + "\n");
  return 0;
}

int run_add(Context& context, const Arguments& arguments) {
  RegistrySession session(context, arguments);
  ManifestList list = ManifestList::get(*session.store, arguments.word(0));
  size_t before = list.index.manifests.size();
  add_image(list, *session.store, session.registries, arguments.word(1), session.options);
  for (size_t i = before; i < list.index.manifests.size(); ++i)
    annotate(list.index.manifests[i], arguments);
  list.save(*session.store);
  for (size_t i = before; i < list.index.manifests.size(); ++i)
    context.out(list.index.manifests[i].digest.str() + "\n");
  return 0;
}

int run_annotate(Context& context, const Arguments& arguments) {
  RegistrySession session(context, arguments);
  ManifestList list = ManifestList::get(*session.store, arguments.word(0));
  annotate(list.entry(arguments.word(1)), arguments);
  list.save(*session.store);
  return 0;
}

int run_remove(Context& context, const Arguments& arguments) {
  RegistrySession session(context, arguments);
  ManifestList list = ManifestList::get(*session.store, arguments.word(0));
  oci::Digest digest = list.entry(arguments.word(1)).digest;
  std::erase_if(list.index.manifests,
                [&](const oci::Descriptor& entry) { return entry.digest == digest; });
  list.sources.erase(digest.str());
  list.save(*session.store);
  return 0;
}

int run_inspect(Context& context, const Arguments& arguments) {
  RegistrySession session(context, arguments);
  if (auto list = ManifestList::find(*session.store, arguments.word(0))) {
    context.out(list->index.bytes() + "\n");
    return 0;
  }
  oci::Reference name = oci::Reference::parse(remote_text(arguments.word(0))).with_default_tag();
  context.out(session.registries.repository(name)
                  .get_document(name.digest() ? name.digest()->str() : name.tag())
                  .bytes);
  return 0;
}

int run_raw(Context& context, const Arguments& arguments) {
  RegistrySession session(context, arguments);
  const std::string& text = arguments.word(0);
  std::optional<Place> place = Place::try_parse(text);
  if (!place)
    if (auto list = ManifestList::find(*session.store, text)) {
      context.out(list->index.bytes());
      return 0;
    }
  auto source =
      open_copy_source(session.registries, place ? *place : Place::parse("docker://" + text),
                       session.store.get(), session.options);
  auto platform = arguments.find("platform");
  context.out(
      (platform ? source->get_image(oci::Platform::parse(*platform)) : source->get_top()).bytes);
  return 0;
}

int run_push(Context& context, const Arguments& arguments) {
  RegistrySession session(context, arguments);
  ManifestList list = ManifestList::get(*session.store, arguments.word(0));
  std::string to = arguments.words().size() > 1 ? remote_text(arguments.word(1)) : list.name;
  oci::Reference destination = oci::Reference::parse(to).with_default_tag();
  store::Lease lease = session.store->lease();
  oci::Digest digest =
      push_list(list, *session.store, session.registries, destination, session.options);
  if (arguments.is_on("rm")) session.store->remove_document("manifest-list", list.name);
  context.out(context.quiet
                  ? digest.str() + "\n"
                  : base::str("pushed ", destination.familiar(), " ", digest.str(), "\n"));
  return 0;
}

int run_rm(Context& context, const Arguments& arguments) {
  auto store = open_store(context);
  for (const std::string& word : arguments.words())
    store->remove_document("manifest-list", ManifestList::get(*store, word).name);
  return 0;
}

std::vector<Flag> with_annotation_flags() {
  return with_registry_flags(
      {{.name = "annotation",
        .value = "NAME=VALUE",
        .help = "annotation of the entry",
        .repeatable = true,
        .common = true},
       {.name = "os", .value = "OS", .help = "operating system of the entry"},
       {.name = "arch", .value = "ARCH", .help = "architecture of the entry", .common = true},
       {.name = "variant", .value = "VARIANT", .help = "variant of the architecture"}});
}

}  // namespace

const std::vector<const Command*>& manifest_commands() {
  static const Command kCreate{
      .name = "manifest create",
      .summary = "begin a list of images for several platforms",
      .usage = "[FLAGS] LIST [IMAGE...]",
      .about =
          "Images come from the store or, by docker://NAME or a name the store does not have, from "
          "a registry.",
      .group = "manifest lists",
      .flags = with_registry_flags({{.name = "amend",
                                     .letter = 'a',
                                     .help = "add to a list that is there",
                                     .common = true}}),
      .examples = {{"torte manifest create registry.example/app:1 app-amd64 app-arm64",
                    "from two images of the store"}},
      .positionals = {1, Positionals::kAny},
      .run = run_create};
  static const Command kAdd{
      .name = "manifest add",
      .summary = "add an image to a list",
      .usage = "[FLAGS] LIST IMAGE",
      .about = "Prints the digests that were added. An index in a registry brings all its entries.",
      .group = "manifest lists",
      .flags = with_annotation_flags(),
      .examples = {{"torte manifest add app:1 docker://registry.example/app:arm64",
                    "from a registry"}},
      .positionals = {2, 2},
      .run = run_add};
  static const Command kAnnotate{
      .name = "manifest annotate",
      .summary = "change what a list says of an image",
      .usage = "[FLAGS] LIST DIGEST",
      .about = "Sets annotations or the platform of one entry.",
      .group = "manifest lists",
      .flags = with_annotation_flags(),
      .examples = {{"torte manifest annotate --arch arm64 --variant v8 app:1 sha256:...",
                    "its platform"}},
      .positionals = {2, 2},
      .run = run_annotate};
  static const Command kRemove{
      .name = "manifest remove",
      .summary = "take an image out of a list",
      .usage = "LIST DIGEST",
      .about = "The image itself stays.",
      .group = "manifest lists",
      .flags = with_registry_flags({}),
      .examples = {{"torte manifest remove app:1 sha256:...", "one entry less"}},
      .positionals = {2, 2},
      .run = run_remove};
  static const Command kInspect{
      .name = "manifest inspect",
      .summary = "show a list, or a manifest in a registry",
      .usage = "[FLAGS] NAME",
      .about = "Prints it as it is, or would be sent.",
      .group = "manifest lists",
      .flags = with_registry_flags({}),
      .examples = {{"torte manifest inspect debian:12", "which platforms there are"}},
      .positionals = {1, 1},
      .run = run_inspect};
  static const Command kRaw{
      .name = "manifest raw",
      .summary = "print the exact bytes of a manifest or index",
      .usage = "[FLAGS] PLACE",
      .about =
          "PLACE is one of torte copy, docker://NAME for one, or the name of a list, or of an "
          "image in a registry. What is "
          "printed has the digest that it is known by; nothing is added, no line end either.",
      .group = "manifest lists",
      .flags = with_registry_flags({{.name = "platform",
                                     .value = "OS/ARCH",
                                     .help = "the manifest for this platform, not the index",
                                     .common = true}}),
      .examples = {{"torte manifest raw debian:12 | sha256sum", "the digest, computed by others"},
                   {"torte manifest raw oci:layout:app", "out of a directory"}},
      .positionals = {1, 1},
      .run = run_raw};
  static const Command kPush{
      .name = "manifest push",
      .summary = "send a list and its images to a registry",
      .usage = "[FLAGS] LIST [DESTINATION]",
      .about = "Sends every image of the list that is not there, then the list.",
      .group = "manifest lists",
      .flags = with_registry_flags({{.name = "all", .help = "every image (always done)"},
                                    {.name = "rm",
                                     .letter = 'p',
                                     .help = "forget the list afterwards",
                                     .aliases = {"purge"},
                                     .common = true}}),
      .examples = {{"torte manifest push app:1 registry.example/app:1", "under another name"}},
      .positionals = {1, 2},
      .run = run_push};
  static const Command kRm{.name = "manifest rm",
                           .summary = "forget a list",
                           .usage = "LIST...",
                           .about = "Its images stay.",
                           .group = "manifest lists",
                           .examples = {{"torte manifest rm app:1", "only the list goes"}},
                           .positionals = {1, Positionals::kAny},
                           .run = run_rm};
  static const std::vector<const Command*> kCommands = {&kCreate,  &kAdd, &kAnnotate, &kRemove,
                                                        &kInspect, &kRaw, &kPush,     &kRm};
  return kCommands;
}

}  // namespace cli
