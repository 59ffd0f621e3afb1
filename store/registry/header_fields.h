#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Header fields of registries that have a grammar of their own. Everything here reads foreign
/// bytes: what does not parse is absent, never a guess.
namespace registry {

/// One challenge of a WWW-Authenticate header: how the server wants to be convinced.
struct Challenge {
  std::string scheme;                             ///< lower case: "basic", "bearer"
  std::map<std::string, std::string> parameters;  ///< names in lower case
  /// A parameter's value, or "".
  std::string get(const std::string& name) const;
};

/// All challenges of a header, in order; a malformed rest is left out. [RFC 9110 11.6.1]
std::vector<Challenge> parse_challenges(std::string_view header);

/// The target of the first link with rel="next". [RFC 8288 3]
std::optional<std::string> parse_next_link(std::string_view header);

/// "bytes 10-99/100" or "bytes 10-99/*": first and last byte, and the whole where it is told.
struct ContentRange {
  uint64_t first = 0;
  uint64_t last = 0;
  std::optional<uint64_t> total = {};
};
std::optional<ContentRange> parse_content_range(std::string_view header);

/// "0-99" of an upload: how many bytes the registry has. "0-0" is one byte or, as registries answer
/// to a fresh upload, none: nullopt then.
std::optional<uint64_t> parse_upload_range(std::string_view header);

/// Seconds from now: a number, or a date (RFC 9110 10.2.3). `now` is seconds since 1970.
std::optional<uint64_t> parse_retry_after(std::string_view header, int64_t now);

}  // namespace registry
