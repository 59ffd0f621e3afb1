#pragma once

#include <optional>
#include <string>

#include "cli/images/copy_source.h"
#include "cli/images/copy_target.h"

namespace cli {

struct Context;

/// How much of an index is copied.
enum class Extent {
  kOne,        ///< the image for one platform
  kAll,        ///< the index and everything it lists
  kIndexOnly,  ///< the index alone, for a place that has what it lists, or will not need it
};

struct CopyOptions {
  TransferOptions transfer;
  std::optional<oci::Platform> platform =
      {};  ///< this machine's when unset; what is in the store otherwise
  Extent extent = Extent::kOne;
  bool referrers =
      false;  ///< between registries and OCI layouts: also what refers to each document
  bool preserve_digests = false;  ///< refuse whatever would change one
};

/// Copies an image and returns the digest of its manifest or index there. Blobs are verified on the
/// way and go through memory only; documents keep their bytes, except that a docker archive may
/// need a manifest of its own.
oci::Digest copy_image(const Context& context, Registries& registries, const Place& from,
                       const Place& to, const CopyOptions& options);

/// Copies a document and whatever it names, as far as `extent` says, and ends with it as the top.
oci::Digest copy_document(CopySource& from, CopyTarget& to, const registry::Document& document,
                          Extent extent, bool referrers = false);
/// The same without making it the top, or finishing.
void copy_below(CopySource& from, CopyTarget& to, const registry::Document& document);

}  // namespace cli
