#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace registry {

/// What credentials are bound to: scheme, host and port, nothing less. [spec/security.md 7]
struct Origin {
  std::string scheme;  ///< "https" or "http"
  std::string host;    ///< lower case; IPv6 literals in brackets
  uint16_t port = 0;

  /// "https://registry.example:5000"; the scheme's own port is left out.
  std::string str() const;
  /// "registry.example:5000".
  std::string authority() const;
  auto operator<=>(const Origin&) const = default;
};

/// An http or https address without user information or fragment. A value that cannot exist
/// malformed: parsing is its only door.
class Url {
 public:
  /// Absolute addresses of http and https only. Throws Invalid.
  static Url parse(std::string_view text);
  static std::optional<Url> try_parse(std::string_view text);
  /// `target` begins with '/'.
  Url(Origin origin, std::string target);

  /// What a Location or Link header means, read at this address: absolute, "//host/path", "/path",
  /// "?query" or relative. User information in it is dropped. nullopt: malformed, or neither http
  /// nor https. [RFC 3986 5.2]
  std::optional<Url> resolve(std::string_view reference) const;

  const Origin& origin() const { return origin_; }
  /// Path and query.
  const std::string& target() const { return target_; }
  std::string str() const { return origin_.str() + target_; }

  /// The same with NAME=VALUE added to the query; the value is escaped.
  Url with_query(std::string_view name, std::string_view value) const;

  bool operator==(const Url&) const = default;

 private:
  Origin origin_;
  std::string target_;
};

/// Bytes that are not unreserved become %XX; `keep` are left as they are.
std::string percent_encode(std::string_view text, std::string_view keep = {});

/// True for names and addresses of this machine: localhost, 127.0.0.0/8, ::1.
bool is_loopback_host(std::string_view host);

}  // namespace registry
