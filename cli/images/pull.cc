#include "cli/images/pull.h"

#include "base/error.h"
#include "base/text.h"
#include "cli/images/blob_places.h"
#include "cli/images/copy.h"
#include "cli/images/known_layers.h"
#include "cli/images/packed_import.h"
#include "store/event_log.h"
#include "store/oci/limits.h"

namespace cli {

namespace {

/// More do not help: file creation on one file system is what several layers share in the end. Each
/// costs some 12 MiB of buffers.
constexpr unsigned kLayersAtOnce = 3;

std::string get_config(store::Store& store, registry::Repository& repository,
                       const oci::Descriptor& config) {
  if (store.find_blob(config.digest)) return store.read_blob(config.digest, oci::kMaxConfigBytes);
  return base::with_context("configuration " + config.digest.str(),
                            [&] { return repository.read_blob(config, oci::kMaxConfigBytes); });
}

/// Asks one place after another. A mirror that fails in whatever way is passed over; only the
/// registry's own word is final.
template <typename Ask>
auto ask_sources(Registries& registries, const oci::Reference& reference,
                 const TransferOptions& options, Ask ask) {
  std::vector<registry::Repository> sources = registries.sources(reference);
  for (size_t i = 0;; ++i) {
    try {
      return std::pair(sources[i], ask(sources[i]));
    } catch (const base::Error& e) {
      if (i + 1 == sources.size() || e.code() == base::Code::kCancelled) throw;
      if (options.events != nullptr)
        options.events->emit(base::event::Note{
            base::str("mirror ", sources[i].name(), " is passed over: ", e.message())});
    }
  }
}

}  // namespace

oci::Digest pull_image(store::Store& store, Registries& registries, const oci::Reference& reference,
                       const oci::Platform& platform, const TransferOptions& options,
                       PullExtent extent) {
  return base::with_context("pull " + reference.familiar(), [&] {
    store::Lease lease = store.lease();
    auto [repository, found] = ask_sources(
        registries, reference, options,
        [&](registry::Repository& source) { return source.resolve(reference, platform); });
    IncomingImage image{.manifest = found.manifest};
    image.config = oci::ImageConfig::parse(get_config(store, repository, found.manifest.config));
    image.top = found.top;
    if (found.index) image.documents.push_back(found.index->bytes);
    image.open = [&repository = repository](const oci::Descriptor& blob, uint64_t offset) {
      return repository.open_blob(blob, offset);
    };
    image.fetched = true;
    image.parallel = kLayersAtOnce;
    const std::string place = repository.client().host() + "/" + repository.path();
    image.abort = [&] { registries.abort(); };
    std::vector<oci::Digest> blobs;
    for (const oci::Descriptor& layer : found.manifest.layers) blobs.push_back(layer.digest);
    store::Batch batch = store.batch();
    const bool remembered =
        extent == PullExtent::kDocuments && remember_image(store, batch, image, {reference}, place);
    const oci::Digest id = remembered ? oci::Digest::sha256_of(image.config.bytes())
                           : extent == PullExtent::kPacked
                               ? import_packed(store, image, {reference}, place, options)
                               : import_image(store, image, {reference}, options);
    store::log_event(store.layout(),
                     {.type = "image", .action = "pull", .id = id.str(), .name = reference.str()});
    remember_blob_places(store, repository.client().host(), repository.path(), blobs);
    return id;
  });
}

std::vector<oci::Digest> pull_all_platforms(store::Store& store, Registries& registries,
                                            const oci::Reference& reference,
                                            const TransferOptions& options, bool packed) {
  return base::with_context("pull " + reference.familiar(), [&] {
    store::Lease lease = store.lease();
    auto [repository, document] =
        ask_sources(registries, reference, options, [&](registry::Repository& source) {
          return source.get_document(reference.digest() ? reference.digest()->str()
                                                        : reference.tag());
        });
    auto source = copy_source_of(repository, reference);
    auto target = copy_target_of(store, reference, options,
                                 {.packed = packed, .abort = [&] { registries.abort(); }});
    copy_document(*source, *target, document, Extent::kAll);
    store::ImageRecord main = store.get_image(reference.str());
    std::vector<oci::Digest> ids = {main.id};
    if (auto index = find_index(store, main, reference.str()))
      for (const oci::Descriptor& entry : index->manifests)
        if (auto image = store.find_image(entry.digest.str()); image && image->id != main.id)
          ids.push_back(image->id);
    return ids;
  });
}

}  // namespace cli
