#include "cli/pull.h"

#include "base/error.h"
#include "base/text.h"
#include "store/oci/limits.h"

namespace cli {

namespace {

/// More do not help: file creation on one file system is what several layers share in the end. Each
/// costs some 12 MiB of buffers.
constexpr unsigned kLayersAtOnce = 3;

std::string get_config(store::Store& store, registry::Repository& repository,
                       const oci::Descriptor& config) {
  if (store.find_blob(config.digest)) return store.read_blob(config.digest, oci::kMaxConfigBytes);
  return base::with_context("configuration " + config.digest.str(), [&] {
    return repository.read_blob(config, oci::kMaxConfigBytes);
  });
}

}  // namespace

oci::Digest pull_image(store::Store& store, Registries& registries, const oci::Reference& reference,
                       const oci::Platform& platform, const TransferOptions& options) {
  return base::with_context("pull " + reference.familiar(), [&] {
    store::Lease lease = store.lease();
    registry::Repository repository = registries.repository(reference);
    registry::ResolvedImage found = repository.resolve(reference, platform);
    IncomingImage image{.manifest = found.manifest};
    image.config = oci::ImageConfig::parse(get_config(store, repository, found.manifest.config));
    image.open = [&](const oci::Descriptor& blob, uint64_t offset) {
      return repository.open_blob(blob, offset);
    };
    image.fetched = true;
    image.parallel = kLayersAtOnce;
    image.top = found.top;
    if (found.index) image.documents.push_back(found.index->bytes);
    image.abort = [&] { registries.abort(); };
    return import_image(store, image, {reference}, options);
  });
}

}  // namespace cli
