#pragma once

#include <optional>
#include <string>

#include "store/oci/reference.h"

namespace cli {

/// A place images are copied from and to, as skopeo writes it: "docker://NAME", "oci:DIR[:NAME]",
/// "oci-archive:FILE[:NAME]", "docker-archive:FILE[:NAME]", "dir:DIR", "store:NAME".
struct Place {
  enum class Transport { kDocker, kOciDirectory, kOciArchive, kDockerArchive, kDirectory, kStore };
  Transport transport;
  std::string path;  ///< file or directory; empty for registries and the store
  std::string name;  ///< of the image; may be empty for files

  /// Throws UsageError for an unknown transport.
  static Place parse(const std::string& text);
  /// The same; nullopt where the text does not begin with a transport.
  static std::optional<Place> try_parse(const std::string& text);

  /// The name, with ":latest" where it has neither tag nor digest.
  oci::Reference reference() const;
};

/// "oci-archive", as it stands before the colon.
std::string transport_name(Place::Transport transport);

}  // namespace cli
