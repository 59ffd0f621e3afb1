#include "cli/images/base_images.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "cli/context.h"
#include "cli/images/known_layers.h"
#include "cli/images/pull.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "overlay/packed_mount.h"
#include "store/oci/limits.h"
#include "store/oci/reference.h"

namespace cli {

PullPolicy parse_pull_policy(const std::string& text) {
  if (text == "always" || text == "true") return PullPolicy::kAlways;
  if (text == "never" || text == "false") return PullPolicy::kNever;
  if (text == "missing" || text.empty()) return PullPolicy::kMissing;
  if (text == "newer") return PullPolicy::kNewer;
  throw UsageError("--pull must be always, missing, newer or never, not " + base::printable(text));
}

oci::ImageConfig read_config(store::Store& store, const store::ImageRecord& image) {
  return base::with_context("configuration of image " + image.id.str(), [&] {
    return oci::ImageConfig::parse(store.read_blob(image.id, oci::kMaxConfigBytes));
  });
}

std::optional<store::ImageRecord> find_image(store::Store& store, const std::string& text) {
  std::optional<store::ImageRecord> image = store.find_image(text);
  if (image) return image;
  std::optional<oci::Reference> reference = oci::Reference::try_parse(text);
  constexpr std::string_view kLibrary = "library/";
  if (!reference || reference->domain() != "docker.io" || !reference->path().starts_with(kLibrary))
    return std::nullopt;
  std::string local = "localhost/" + reference->path().substr(kLibrary.size());
  if (!reference->tag().empty()) local += ":" + reference->tag();
  return store.find_image(local);
}

oci::Reference name_of_platform(const oci::Reference& name, const oci::Platform& platform) {
  std::string text = platform.str();
  std::replace(text.begin(), text.end(), '/', '-');
  return name.with_tag(name.tag() + "-" + text);
}

namespace {

/// Images kept for another platform do not count.
std::optional<store::ImageRecord> find_for(store::Store& store, const std::string& text,
                                           const oci::Platform& platform) {
  std::optional<store::ImageRecord> image = find_image(store, text);
  if (image && !image->platform.empty() &&
      !oci::Platform::parse(image->platform).satisfies(platform))
    return std::nullopt;
  return image;
}

/// Whether the name leads to what the store has by it.
bool is_current(const store::ImageRecord& image, const oci::Reference& reference,
                Registries& registries) {
  auto digest = registries.repository(reference).find_digest(
      reference.digest() ? reference.digest()->str() : reference.tag());
  if (!digest) return true;
  for (const store::Name& name : image.names)
    if (name.name == reference.str() && name.digest == *digest) return true;
  return image.manifest == *digest;
}

/// Names below localhost/ without a port are our own: no registry is asked for them.
bool is_local_name(const oci::Reference& reference) { return reference.domain() == "localhost"; }

/// Its files can be had without fetching or unpacking anything.
bool is_ready_to_run(store::Store& store, const store::ImageRecord& image) {
  return are_here(store, image.layers) ||
         (overlay::can_serve_packed() && overlay::find_packed_layers(store, image.layers));
}

[[noreturn]] void missing(const std::string& text, const std::string& help) {
  throw base::Error(base::Code::kNotFound,
                    "image " + base::printable(text, 200) + " is not in the store", "image-missing")
      .add_help(help);
}

}  // namespace

oci::Digest pull_by_policy(store::Store& store, Registries& registries,
                           const oci::Reference& reference, const oci::Platform& platform,
                           PullPolicy policy, const TransferOptions& options, PullExtent extent) {
  std::optional<store::ImageRecord> image;
  if (policy != PullPolicy::kAlways) image = find_for(store, reference.str(), platform);
  if (image && policy != PullPolicy::kNewer) return image->id;
  if (policy == PullPolicy::kNever)
    missing(reference.familiar(), "it may not be pulled: the policy is never");
  if (is_local_name(reference))
    missing(reference.familiar(), "torte build, load or import makes it");
  if (image) {
    try {
      if (is_current(*image, reference, registries)) return image->id;
    } catch (const registry::TransportError& e) {
      if (options.events != nullptr)
        options.events->emit(base::event::Note{
            base::str(e.what(), "; using the ", reference.familiar(), " that is in the store")});
      return image->id;
    }
  }
  try {
    return pull_image(store, registries, reference, platform, options, extent);
  } catch (base::Error& e) {
    if (e.id() == "registry-unreachable" || e.id() == "registry-silent")
      e.add_help(base::str(
          "offline? torte load brings images in from files; torte images shows what is here"));
    if (auto other = find_image(store, reference.str()))
      e.add_fact(base::str("the store has ", reference.familiar(), " for ", other->platform,
                           ", not for ", platform.str()));
    throw;
  }
}

store::ImageRecord get_or_pull(store::Store& store, Registries& registries, const std::string& text,
                               const oci::Platform& platform, PullPolicy policy,
                               const TransferOptions& options, PullExtent extent) {
  bool fresh = policy == PullPolicy::kAlways || policy == PullPolicy::kNewer;
  if (!fresh)
    if (auto image = find_for(store, text, platform)) return *std::move(image);
  auto reference = oci::Reference::try_parse(text);
  // An id, or a name that exists only here: there is nowhere to ask.
  std::optional<store::ImageRecord> local = fresh ? find_image(store, text) : std::nullopt;
  if (local && (!reference || local->id.hex().starts_with(text) || local->id.str() == text))
    return *std::move(local);
  if (!reference) missing(text, "no registry can be asked for it: it is not a name");
  // Where no registry may be asked, one of another platform is better than none; builds warn of it.
  if (policy == PullPolicy::kNever || is_local_name(*reference))
    if (auto other = find_image(store, text)) return *std::move(other);
  if (policy == PullPolicy::kNever) missing(text, "it may not be pulled: the policy is never");
  oci::Digest id = pull_by_policy(store, registries, reference->with_default_tag(), platform,
                                  policy, options, extent);
  auto image = store.find_image_by_id(id);
  CHECK(image.has_value());
  return *std::move(image);
}

namespace {

/// --platform, or --os and --arch, which complete each other by what this machine is.
std::optional<oci::Platform> wanted_platform(const Arguments& arguments) {
  const bool parts = arguments.has("os") || arguments.has("arch");
  if (parts && arguments.has("platform"))
    throw UsageError("--platform says what --os and --arch say; use one of them");
  if (auto text = arguments.find("platform")) return oci::Platform::parse(*text);
  if (!parts) return std::nullopt;
  const oci::Platform host = oci::Platform::host();
  return oci::Platform::parse(
      base::str(arguments.get("os", host.os), "/", arguments.get("arch", host.architecture)));
}

}  // namespace

store::ImageRecord get_image_to_run(Context& context, const Arguments& arguments,
                                    store::Store& store, const std::string& text) {
  PullPolicy policy = parse_pull_policy(arguments.get("pull", "missing"));
  const std::optional<oci::Platform> wanted = wanted_platform(arguments);
  const oci::Platform platform = wanted.value_or(oci::Platform::host());
  if (policy == PullPolicy::kMissing || policy == PullPolicy::kNever) {
    // The usual way touches nothing that belongs to registries. An image of another platform runs
    // where the machine has a handler for it, if it was not asked for otherwise.
    auto image = wanted ? find_for(store, text, platform) : find_image(store, text);
    if (image && is_ready_to_run(store, *image)) return *std::move(image);
  }
  Interrupt interrupt;
  auto events = context.make_progress();
  TransferOptions options;
  options.stop = interrupt.token();
  options.events = events.get();
  Registries registries(context, arguments, interrupt.token(), events.get());
  store::ImageRecord image = get_or_pull(store, registries, text, platform, policy, options);
  if (!is_ready_to_run(store, image)) fetch_known_layers(store, registries, image.layers, options);
  return image;
}

std::vector<Flag> with_pull_flags(std::vector<Flag> flags) {
  flags.push_back({.name = "pull",
                   .value = "WHEN",
                   .help = "fetch the image: always, missing, newer or never (default: missing)",
                   .choices = {"always", "missing", "newer", "never"}});
  flags.push_back({.name = "platform",
                   .value = "OS/ARCH",
                   .help = "which of several platforms (default: this machine's)"});
  flags.push_back({.name = "arch", .value = "ARCH", .help = "the same by architecture alone"});
  flags.push_back({.name = "os", .value = "OS", .help = "the same by operating system alone"});
  return with_registry_flags(std::move(flags));
}

plan::BaseImage StoreImages::get(const std::string& reference, const oci::Platform& platform) {
  oci::Platform wanted = platform.os.empty() ? oci::Platform::host() : platform;
  // Where nothing may be fetched, an image for another platform is better than none: the planner
  // says so (InvalidBaseImagePlatform). [spec/dockerfile.md S4]
  std::optional<store::ImageRecord> other;
  if (policy_ == PullPolicy::kNever) other = find_image(store_, reference);
  store::ImageRecord image = other ? *std::move(other)
                                   : get_or_pull(store_, registries_, reference, wanted, policy_,
                                                 options_, PullExtent::kDocuments);
  plan::BaseImage base;
  base.reference = reference;
  base.identity = image.id.str();
  base.config = read_config(store_, image);
  base.layers = image.layers;
  return base;
}

}  // namespace cli
