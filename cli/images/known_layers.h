#pragma once

#include <memory>
#include <vector>

#include "cli/images/registries.h"
#include "cli/images/transfer.h"
#include "store/registry/repository.h"

/// Layers that are known and have not come: an image or a cached step is remembered with what a
/// registry says of its layers, and their bytes are fetched, and proven, when somebody needs their
/// files. [spec/scale-out.md 1]
namespace cli {

/// Remembers an image under `names` without unpacking its layers, and commits `batch`, which may
/// have blobs of them; `place` is where the others are: "host/repository". False, and nothing is
/// committed, where that would not be safe, because the store has a layer of it on other layers
/// than here, or (unless the blobs in the batch are `proven` to be the layers) knows it as another
/// blob: then the image must be unpacked. Throws what the documents deserve.
bool remember_image(store::Store& store, store::Batch& batch, const IncomingImage& image,
                    const std::vector<oci::Reference>& names, const std::string& place,
                    bool proven = false);
/// Remembers a cached step, and the one layer it made as that blob of `source`: "host/repository",
/// or the absolute path of an OCI layout. `tar_size_bytes` is 0 where nobody told.
void remember_step(store::Store& store, const std::string& source, const oci::Descriptor& blob,
                   uint64_t tar_size_bytes, store::CacheRecord record);

/// Whether all these are there. Costs a look each.
bool are_here(const store::Store& store, const std::vector<oci::DiffId>& layers);
/// Fetches those layers of a stack (bottom first) that are known and not there, several at once.
/// Throws NotFound for one nobody knows.
void fetch_known_layers(store::Store& store, Registries& registries,
                        const std::vector<oci::DiffId>& stack, const TransferOptions& options);

/// The blob of a layer that has not come; nullopt for other layers.
std::optional<store::LayerBlob> find_elsewhere(store::Store& store, const oci::DiffId& layer);
/// Its bytes from an offset on, the whole of it verified on the way.
std::unique_ptr<base::Source> open_elsewhere(Registries& registries, const store::LayerBlob& blob,
                                             uint64_t offset);

/// Makes `store` fetch by itself what it only knows, with the credentials that are lying about, or
/// as the flags of `arguments` say, unless that is null. Context and arguments must outlive the
/// store.
void provide_from_registries(const Context& context, const Arguments* arguments,
                             store::Store& store);
/// The same as a command was told to: with its credentials and tries, ended by its signals. Both
/// must outlive the use of the store.
void provide_from_registries(Registries& registries, const TransferOptions& options,
                             store::Store& store);

}  // namespace cli
