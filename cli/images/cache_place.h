#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/images/registries.h"
#include "cli/images/transfer.h"
#include "store/registry/repository.h"

namespace cli {

/// Where a shared build cache keeps its entries: ordinary images under tags. May be shared by
/// threads.
class CachePlace {
 public:
  virtual ~CachePlace() = default;
  virtual std::string name() const = 0;    ///< for messages
  virtual std::string source() const = 0;  ///< LayerBlob::source of blobs that are here
  virtual std::optional<registry::Document> find(const std::string& tag) = 0;
  virtual bool has(const std::string& tag) = 0;
  virtual std::vector<std::string> list_tags() = 0;
  /// A small blob, verified.
  virtual std::string read_blob(const oci::Descriptor& blob, uint64_t limit) = 0;
  /// Brings a layer here and returns the blob that stands for it.
  virtual oci::Descriptor put_layer(const oci::DiffId& layer) = 0;
  /// The configuration, then the manifest: from then on the entry is there.
  virtual void put_entry(const oci::Manifest& manifest, const std::string& config,
                         const std::string& tag) = 0;
};

/// A repository of a registry. The store and the registries must outlive it; so for the next.
std::unique_ptr<CachePlace> registry_place(store::Store& store, Registries& registries,
                                           const oci::Reference& repository,
                                           TransferOptions options);
/// An OCI layout in a directory, which other tools can read; made when first written to. Several
/// processes may write to it.
std::unique_ptr<CachePlace> directory_place(store::Store& store, Registries& registries,
                                            const std::filesystem::path& directory,
                                            TransferOptions options);

/// Where an OCI layout keeps a blob.
std::filesystem::path layout_blob(const std::filesystem::path& directory,
                                  const oci::Digest& digest);

}  // namespace cli
