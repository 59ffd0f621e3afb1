#include "cli/base_images.h"

#include "base/error.h"
#include "base/text.h"
#include "cli/options.h"
#include "store/oci/limits.h"
#include "store/oci/reference.h"

namespace cli {

PullPolicy parse_pull_policy(const std::string& text) {
  if (text == "always" || text == "true") return PullPolicy::kAlways;
  if (text == "never" || text == "false") return PullPolicy::kNever;
  if (text == "missing" || text.empty()) return PullPolicy::kMissing;
  throw UsageError("--pull must be always, missing or never, not " + base::printable(text));
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

plan::BaseImage StoreImages::get(const std::string& reference, const oci::Platform&) {
  if (policy_ == PullPolicy::kAlways)
    throw base::Error(base::Code::kUnsupported, "--pull=always: registries are not built yet", "not-built")
        .add_help("leave --pull out to use the images of the store");
  std::optional<store::ImageRecord> image = find_image(store_, reference);
  if (!image)
    throw base::Error(base::Code::kNotFound, "image " + reference + " is not in the store",
                      "image-missing")
        .add_help("torte load or torte import brings it in; pulling from registries is not built yet");
  plan::BaseImage base;
  base.reference = reference;
  base.identity = image->id.str();
  base.config = read_config(store_, *image);
  base.layers = image->layers;
  return base;
}

}  // namespace cli
