#include "cli/pull.h"

#include "base/error.h"
#include "base/text.h"
#include "cli/blob_places.h"
#include "cli/known_layers.h"
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

struct Found {
  registry::Repository repository;
  registry::ResolvedImage image;
};

/// A mirror that fails in whatever way is passed over; only the registry's own word is final.
Found resolve(Registries& registries, const oci::Reference& reference,
              const oci::Platform& platform, const TransferOptions& options) {
  std::vector<registry::Repository> sources = registries.sources(reference);
  for (size_t i = 0;; ++i) {
    try {
      return {sources[i], sources[i].resolve(reference, platform)};
    } catch (const base::Error& e) {
      if (i + 1 == sources.size() || e.code() == base::Code::kCancelled) throw;
      if (options.events != nullptr)
        options.events->emit(base::event::Note{
            base::str("mirror ", sources[i].name(), " is passed over: ", e.message())});
    }
  }
}

oci::Digest pull(store::Store& store, Registries& registries, const oci::Reference& reference,
                 const oci::Platform& platform, const TransferOptions& options, bool later) {
  return base::with_context("pull " + reference.familiar(), [&] {
    store::Lease lease = store.lease();
    auto [repository, found] = resolve(registries, reference, platform, options);
    IncomingImage image{.manifest = found.manifest};
    image.config = oci::ImageConfig::parse(get_config(store, repository, found.manifest.config));
    std::vector<oci::Digest> blobs;
    for (const oci::Descriptor& layer : found.manifest.layers) blobs.push_back(layer.digest);
    if (later && remember_image(store, repository, found, image.config, reference)) {
      remember_blob_places(store, repository.client().host(), repository.path(), blobs);
      return oci::Digest::sha256_of(image.config.bytes());
    }
    image.open = [&repository](const oci::Descriptor& blob, uint64_t offset) {
      return repository.open_blob(blob, offset);
    };
    image.fetched = true;
    image.parallel = kLayersAtOnce;
    image.top = found.top;
    if (found.index) image.documents.push_back(found.index->bytes);
    image.abort = [&] { registries.abort(); };
    oci::Digest id = import_image(store, image, {reference}, options);
    remember_blob_places(store, repository.client().host(), repository.path(), blobs);
    return id;
  });
}

}  // namespace

oci::Digest pull_image(store::Store& store, Registries& registries, const oci::Reference& reference,
                       const oci::Platform& platform, const TransferOptions& options) {
  return pull(store, registries, reference, platform, options, false);
}

oci::Digest pull_image_later(store::Store& store, Registries& registries,
                             const oci::Reference& reference, const oci::Platform& platform,
                             const TransferOptions& options) {
  return pull(store, registries, reference, platform, options, true);
}

}  // namespace cli
