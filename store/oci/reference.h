#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

#include "store/oci/digest.h"

namespace oci {

/// Where an image is: registry, repository, tag and digest, in docker's normal form: no registry
/// means docker.io, and a single name there gets "library/". A value that cannot exist malformed.
///   Reference::parse("busybox").str() == "docker.io/library/busybox"
/// [spec/cli.md G6]
class Reference {
 public:
  /// Throws Invalid (id "bad-reference") saying which rule the text breaks.
  static Reference parse(std::string_view text);
  static std::optional<Reference> try_parse(std::string_view text);

  /// "docker.io", "localhost:5000".
  const std::string& domain() const { return domain_; }
  /// "library/busybox".
  const std::string& path() const { return path_; }
  /// "docker.io/library/busybox".
  std::string name() const { return domain_ + "/" + path_; }
  /// Empty when none was given.
  const std::string& tag() const { return tag_; }
  const std::optional<Digest>& digest() const { return digest_; }
  /// name[:tag][@digest], in full.
  std::string str() const;
  /// As people write it: "busybox:latest", "user/app", "quay.io/a/b:1".
  std::string familiar() const;

  /// The same with ":latest" when there is neither tag nor digest.
  Reference with_default_tag() const;
  /// The same repository with another tag and no digest. Throws Invalid for a malformed tag.
  Reference with_tag(std::string_view tag) const;
  /// The same repository by digest; the tag is dropped.
  Reference with_digest(Digest digest) const;

  auto operator<=>(const Reference&) const = default;

 private:
  Reference() = default;
  std::string domain_;
  std::string path_;
  std::string tag_;
  std::optional<Digest> digest_;
};

/// [A-Za-z0-9_][A-Za-z0-9_.-]{0,127}
bool is_valid_tag(std::string_view tag);

}  // namespace oci
