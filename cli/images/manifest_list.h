#pragma once

#include <map>
#include <optional>
#include <string>

#include "cli/images/registries.h"
#include "cli/images/transfer.h"
#include "store/oci/index.h"

namespace cli {

/// An index that is being put together, kept in the store under a name: what `torte manifest` works
/// on. A value; save() writes it back.
struct ManifestList {
  std::string name;  ///< normalised
  oci::Index index;
  /// Where each entry's image is, by digest: "store:IMAGE-ID" or "docker://NAME@DIGEST".
  std::map<std::string, std::string> sources;

  static ManifestList create(const std::string& name);
  static std::optional<ManifestList> find(store::Store& store, const std::string& name);
  /// Throws NotFound.
  static ManifestList get(store::Store& store, const std::string& name);
  void save(store::Store& store) const;

  /// The entry of a digest, or of the image a name leads to in this list. Throws NotFound.
  oci::Descriptor& entry(const std::string& digest_or_source);
  /// Replaces the entry of the same digest.
  void put(oci::Descriptor entry, std::string source);
};

/// Adds an image of the store, or of a registry ("docker://NAME", or a name the store does not
/// have). An index there brings all its entries.
void add_image(ManifestList& list, store::Store& store, Registries& registries,
               const std::string& image, const TransferOptions& options);

/// Sends all images of a list, and the list itself under a tag; its digest there.
oci::Digest push_list(const ManifestList& list, store::Store& store, Registries& registries,
                      const oci::Reference& destination, const TransferOptions& options);

}  // namespace cli
