#include "store/registry/url.h"

#include <arpa/inet.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace registry {

namespace {

bool is_alnum(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// What may stand in a path or query as it is; everything else must come escaped.
bool is_target_byte(char c) {
  return is_alnum(c) ||
         std::string_view("-._~!$&'()*+,;=:@/?%[]").find(c) != std::string_view::npos;
}

bool is_good_target(std::string_view target) {
  constexpr size_t kMostBytes = 8192;
  return target.starts_with('/') && target.size() <= kMostBytes &&
         std::all_of(target.begin(), target.end(), is_target_byte);
}

bool is_good_host(std::string_view host) {
  if (host.empty() || host.size() > 255) return false;
  if (host.front() == '[') {
    if (host.back() != ']') return false;
    in6_addr address;
    return ::inet_pton(AF_INET6, std::string(host.substr(1, host.size() - 2)).c_str(), &address) ==
           1;
  }
  return std::all_of(host.begin(), host.end(),
                     [](char c) { return is_alnum(c) || c == '.' || c == '-' || c == '_'; });
}

uint16_t default_port(std::string_view scheme) { return scheme == "https" ? 443 : 80; }

/// "user@host:port", of which the user is dropped.
std::optional<Origin> read_authority(std::string scheme, std::string_view text) {
  if (size_t at = text.rfind('@'); at != std::string_view::npos) text.remove_prefix(at + 1);
  Origin origin{std::move(scheme), {}, 0};
  size_t end = text.starts_with('[') ? text.find(']') : text.find(':');
  if (text.starts_with('[')) {
    if (end == std::string_view::npos) return std::nullopt;
    ++end;
  }
  origin.host = base::to_lower(text.substr(0, end));
  origin.port = default_port(origin.scheme);
  if (!is_good_host(origin.host)) return std::nullopt;
  if (end >= text.size()) return origin;
  if (text[end] != ':') return std::nullopt;
  std::string_view digits = text.substr(end + 1);
  if (digits.empty()) return origin;
  auto port = base::parse_decimal(digits);
  if (!port || *port == 0 || *port > 65535) return std::nullopt;
  origin.port = static_cast<uint16_t>(*port);
  return origin;
}

std::string_view without_fragment(std::string_view text) { return text.substr(0, text.find('#')); }

/// Takes "." and ".." out of a path. [RFC 3986 5.2.4]
std::string tidy_path(std::string_view path) {
  std::vector<std::string> kept;
  std::vector<std::string> parts = base::split(path.substr(1), '/');
  for (size_t i = 0; i < parts.size(); ++i) {
    bool last = i + 1 == parts.size();
    if (parts[i] == "..") {
      if (!kept.empty()) kept.pop_back();
      if (last) kept.emplace_back();
    } else if (parts[i] == ".") {
      if (last) kept.emplace_back();
    } else {
      kept.push_back(parts[i]);
    }
  }
  return "/" + base::join(kept, "/");
}

}  // namespace

std::string Origin::authority() const {
  return port == default_port(scheme) ? host : base::str(host, ":", port);
}

std::string Origin::str() const { return scheme + "://" + authority(); }

Url::Url(Origin origin, std::string target)
    : origin_(std::move(origin)), target_(std::move(target)) {
  CHECK(is_good_target(target_));
}

std::optional<Url> Url::try_parse(std::string_view text) {
  text = without_fragment(text);
  size_t mark = text.find("://");
  if (mark == std::string_view::npos) return std::nullopt;
  std::string scheme = base::to_lower(text.substr(0, mark));
  if (scheme != "https" && scheme != "http") return std::nullopt;
  std::string_view rest = text.substr(mark + 3);
  size_t end = std::min(rest.find_first_of("/?"), rest.size());
  auto origin = read_authority(std::move(scheme), rest.substr(0, end));
  if (!origin) return std::nullopt;
  std::string target(rest.substr(end));
  if (!target.starts_with('/')) target.insert(0, "/");
  if (!is_good_target(target)) return std::nullopt;
  return Url(*std::move(origin), std::move(target));
}

Url Url::parse(std::string_view text) {
  auto url = try_parse(text);
  if (!url)
    throw base::Error(base::Code::kInvalid,
                      base::printable(text, 200) + " is not an http or https address", "bad-url");
  return *std::move(url);
}

std::optional<Url> Url::resolve(std::string_view reference) const {
  reference = without_fragment(reference);
  if (reference.starts_with("//")) return try_parse(origin_.scheme + ":" + std::string(reference));
  size_t colon = reference.find_first_of(":/?");
  if (colon != std::string_view::npos && reference[colon] == ':') return try_parse(reference);
  std::string_view path = std::string_view(target_).substr(0, target_.find('?'));
  std::string target;
  if (reference.starts_with('/')) {
    target = reference;
  } else if (reference.starts_with('?')) {
    target = std::string(path) + std::string(reference);
  } else if (reference.empty()) {
    target = target_;
  } else {
    target = std::string(path.substr(0, path.rfind('/') + 1)) + std::string(reference);
  }
  size_t query = std::min(target.find('?'), target.size());
  if (!is_good_target(target)) return std::nullopt;
  return Url(origin_, tidy_path(std::string_view(target).substr(0, query)) + target.substr(query));
}

Url Url::with_query(std::string_view name, std::string_view value) const {
  Url out = *this;
  out.target_ += out.target_.find('?') == std::string::npos ? '?' : '&';
  out.target_ += percent_encode(name) + "=" + percent_encode(value);
  return out;
}

std::string percent_encode(std::string_view text, std::string_view keep) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    if (is_alnum(c) || std::string_view("-._~").find(c) != std::string_view::npos ||
        keep.find(c) != std::string_view::npos) {
      out += c;
      continue;
    }
    auto byte = static_cast<unsigned char>(c);
    out += {'%', kHex[byte >> 4], kHex[byte & 15]};
  }
  return out;
}

bool is_loopback_host(std::string_view host) {
  if (host == "localhost" || host.ends_with(".localhost") || host == "[::1]") return true;
  in_addr address;
  return ::inet_pton(AF_INET, std::string(host).c_str(), &address) == 1 &&
         (ntohl(address.s_addr) >> 24) == 127;
}

}  // namespace registry
