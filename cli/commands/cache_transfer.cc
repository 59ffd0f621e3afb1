// torte cache export, torte cache import: what builds remember, carried from machine to machine.
#include "base/error.h"
#include "base/text.h"
#include "cli/build/cache_steps.h"
#include "cli/build/registry_cache.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/images/base_images.h"
#include "cli/images/registry_session.h"

namespace cli {

namespace {

/// A directory, a repository, or what --cache-to and --cache-from take.
CacheSpec place_of(const Arguments& arguments, bool to) {
  const std::string text = arguments.word(0);
  const char* flag = to ? "cache-to" : "cache-from";
  std::string spec = text;
  if (text.find('=') == std::string::npos) {
    const bool directory = text.starts_with('/') || text.starts_with('.');
    spec = directory ? base::str("type=local,", to ? "dest=" : "src=", text)
                     : "type=registry,ref=" + text;
  }
  CacheSpec place = CacheSpec::parse(spec, flag);
  if (place.type == CacheSpec::Type::kInline)
    throw UsageError("an inline cache is part of an image, made by torte build");
  place.all_steps = true;
  return place;
}

std::string count_of_steps(size_t count) {
  return base::str(count, count == 1 ? " step" : " steps");
}

int run_export(Context& context, const Arguments& arguments) {
  const CacheSpec place = place_of(arguments, true);
  RegistrySession session(context, arguments, arguments.get("progress"));
  const store::Lease lease = session.store->lease();
  std::optional<store::ImageRecord> image;
  if (auto name = arguments.find("image")) {
    image = find_image(*session.store, *name);
    if (!image) image = session.store->get_image(*name);  // says what is near
  }
  const std::vector<solve::SharedStep> steps = list_shared_steps(*session.store, image);
  if (steps.empty())
    throw base::Error(
        base::Code::kNotFound,
        image ? "no cached step made a layer of " + base::printable(arguments.get("image"), 200)
              : std::string("the store remembers no steps"),
        "cache-not-found")
        .add_help("torte cache ls shows what there is");
  RegistryCache cache(*session.store, session.registries, {}, {place}, session.options);
  cache.offer(steps);
  cache.require_offered();
  if (!context.quiet) context.out("exported " + count_of_steps(steps.size()) + "\n");
  return 0;
}

int run_import(Context& context, const Arguments& arguments) {
  const CacheSpec place = place_of(arguments, false);
  RegistrySession session(context, arguments, arguments.get("progress"));
  const store::Lease lease = session.store->lease();
  RegistryCache cache(*session.store, session.registries, {place}, {}, session.options);
  const ImportedSteps done = cache.import_all(!arguments.is_on("lazy"));
  if (context.quiet) return 0;
  std::string text =
      base::str("imported ", count_of_steps(done.added), ", ", done.known, " known already");
  if (done.untold > 0) text += base::str(", ", done.untold, " without a definition passed over");
  context.out(text + "\n");
  return 0;
}

}  // namespace

const std::vector<const Command*>& cache_transfer_commands() {
  static const Command kExport{
      .name = "cache export",
      .summary = "write cached steps with their layers to a directory or a registry",
      .usage = "[FLAGS] DIR|REPOSITORY|SPEC",
      .about =
          "Writes what build --cache-to would have written: one image a step, under a tag made of "
          "its key. A word that "
          "begins with / or . is a directory (an OCI layout), another one a repository; SPEC is "
          "what --cache-to takes, "
          "for a scope. What is there stays. Builds use it by --cache-from, stores take it by "
          "torte cache import.",
      .group = "images",
      .flags =
          with_registry_flags({{.name = "image",
                                .value = "NAME",
                                .help = "only the steps that made layers of this image",
                                .common = true},
                               {.name = "progress",
                                .value = "MODE",
                                .help = "how progress is shown: auto, tty, plain, json or quiet"}}),
      .examples = {{"torte cache export --image app ./cache",
                    "what building app again needs, to carry away"},
                   {"torte cache export registry.example/cache", "all steps, for other machines"}},
      .positionals = {1, 1},
      .run = run_export,
  };
  static const Command kImport{
      .name = "cache import",
      .summary = "remember cached steps from a directory or a registry",
      .usage = "[FLAGS] DIR|REPOSITORY|SPEC",
      .about =
          "Takes every step there that is not known here, with its layer: later builds find them "
          "without asking anybody. "
          "Whoever can write the place can put code into images.",
      .group = "images",
      .flags =
          with_registry_flags({{.name = "lazy",
                                .help = "leave the layers where they are until they are needed",
                                .common = true},
                               {.name = "progress",
                                .value = "MODE",
                                .help = "how progress is shown: auto, tty, plain, json or quiet"}}),
      .examples = {{"torte cache import ./cache", "what another machine exported"}},
      .positionals = {1, 1},
      .run = run_import,
  };
  static const std::vector<const Command*> kCommands = {&kExport, &kImport};
  return kCommands;
}

}  // namespace cli
