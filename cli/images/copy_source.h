#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/images/image_place.h"
#include "cli/images/registries.h"
#include "cli/images/transfer.h"
#include "store/oci/platform.h"
#include "store/registry/repository.h"

namespace cli {

struct Context;

/// Where images are copied from: manifests and indexes with their exact bytes, and blobs. Documents
/// are verified; blobs are not before they reach a target. One thread, but blobs may be read by
/// several.
class CopySource {
 public:
  virtual ~CopySource() = default;
  /// What the name leads to: a manifest or an index. Throws NotFound.
  virtual registry::Document get_top() = 0;
  /// The manifest for a platform, of several where the name leads to an index; for this machine's
  /// when none is given. Throws NotFound.
  virtual registry::Document get_image(const std::optional<oci::Platform>& platform);
  /// A document that another one names.
  virtual registry::Document get_document(const oci::Descriptor& entry) = 0;
  virtual std::unique_ptr<base::Source> open_blob(const oci::Descriptor& blob, uint64_t offset) = 0;
  /// What names this as its subject.
  virtual std::vector<oci::Descriptor> list_referrers(const oci::Digest&) { return {}; }
  /// The repository it is, where it is one.
  virtual const registry::Repository* repository() const { return nullptr; }
};

/// `store` is the opened store where `place` is in it.
std::unique_ptr<CopySource> open_copy_source(Registries& registries, const Place& place,
                                             store::Store* store, const TransferOptions& options);
/// The same for a repository that was chosen already; `name` has a tag or a digest.
std::unique_ptr<CopySource> copy_source_of(const registry::Repository& repository,
                                           const oci::Reference& name);

/// A blob checked from its beginning, then read from `offset`.
std::unique_ptr<base::Source> open_verified(CopySource& source, const oci::Descriptor& blob,
                                            uint64_t offset = 0);
/// A small blob as text, verified. Throws Invalid above `limit`.
std::string read_blob(CopySource& source, const oci::Descriptor& blob, uint64_t limit);

bool is_index(const registry::Document& document);
/// What a manifest or index says something of, if it does.
std::optional<oci::Descriptor> subject_of(const registry::Document& document);

/// The index that `name` of the store leads to, if it was kept with the image it is a name of.
std::optional<oci::Index> find_index(store::Store& store, const store::ImageRecord& image,
                                     const std::string& name);

/// dir: is one image in one directory: what its name leads to as manifest.json, other manifests as
/// HEX.manifest.json, and blobs by the hex of their digest. [containers-transports(5)]
inline constexpr const char* kDirManifest = "manifest.json";
std::string dir_manifest_name(const oci::Digest& digest);

}  // namespace cli
