#pragma once

#include <optional>
#include <string>

#include "cli/registries.h"
#include "cli/transfer.h"
#include "store/oci/platform.h"

namespace cli {

struct Context;

/// A place images are copied from and to, as skopeo writes it: "docker://NAME", "oci:DIR[:NAME]",
/// "oci-archive:FILE[:NAME]", "docker-archive:FILE[:NAME]", "dir:DIR", "store:NAME".
struct Place {
  enum class Transport { kDocker, kOciDirectory, kOciArchive, kDockerArchive, kDirectory, kStore };
  Transport transport;
  std::string path;  ///< file or directory; empty for registries and the store
  std::string name;  ///< of the image; may be empty for files

  /// Throws UsageError for an unknown transport.
  static Place parse(const std::string& text);
};

struct CopyOptions {
  TransferOptions transfer;
  oci::Platform platform;
  bool all = false;  ///< registry to registry: every platform of an index, byte for byte
  bool referrers = false;  ///< the same, and what refers to each manifest
};

/// Copies an image and returns the digest of its manifest or index there. Blobs are verified on the
/// way and go through memory only; manifests are not changed, except that a docker archive has none.
oci::Digest copy_image(const Context& context, Registries& registries, const Place& from,
                       const Place& to, const CopyOptions& options);

/// Copies a manifest with its blobs, or an index with everything it lists, from one repository to
/// another, byte for byte; under a tag, or "" for its digest alone.
oci::Digest copy_everything(registry::Repository& from, registry::Repository& to,
                            const registry::Document& document, const std::string& tag,
                            bool referrers = false);

}  // namespace cli
