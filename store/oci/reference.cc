#include "store/oci/reference.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace oci {

namespace {

constexpr std::string_view kDefaultDomain = "docker.io";
constexpr size_t kMaxPathBytes = 255;

bool is_lower_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_alnum(char c) { return is_lower_alnum(c) || (c >= 'A' && c <= 'Z'); }
bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

[[noreturn]] void refuse(std::string_view text, std::string_view rule) {
  throw base::Error(base::Code::kInvalid,
                    base::str("\"", base::printable(text, 300), "\" is not an image name: ", rule),
                    "bad-reference");
}

/// Letters and digits in runs, joined by one ".", one or two "_", or any number of "-".
bool is_path_component(std::string_view text) {
  size_t at = 0;
  for (;;) {
    size_t run = at;
    while (at < text.size() && is_lower_alnum(text[at])) ++at;
    if (at == run) return false;
    if (at == text.size()) return true;
    size_t joint = at;
    char c = text[at];
    if (c != '.' && c != '_' && c != '-') return false;
    while (at < text.size() && text[at] == c) ++at;
    size_t width = at - joint;
    if ((c == '.' && width > 1) || (c == '_' && width > 2)) return false;
  }
}

bool is_path(std::string_view text) {
  std::vector<std::string> parts = base::split(text, '/');
  return std::all_of(parts.begin(), parts.end(), is_path_component);
}

/// A DNS label of letters, digits and inner hyphens.
bool is_domain_component(std::string_view text) {
  return !text.empty() && is_alnum(text.front()) && is_alnum(text.back()) &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_alnum(c) || c == '-'; });
}

/// host, [v6 address], either with :port.
bool is_domain(std::string_view text) {
  std::string_view host = text;
  std::string_view rest;
  if (text.starts_with('[')) {
    size_t end = text.find(']');
    if (end == std::string_view::npos) return false;
    host = text.substr(1, end - 1);
    rest = text.substr(end + 1);
    if (host.empty() ||
        !std::all_of(host.begin(), host.end(), [](char c) { return is_hex(c) || c == ':'; }))
      return false;
  } else {
    size_t colon = text.find(':');
    if (colon != std::string_view::npos) {
      host = text.substr(0, colon);
      rest = text.substr(colon);
    }
    std::vector<std::string> labels = base::split(host, '.');
    if (!std::all_of(labels.begin(), labels.end(), is_domain_component)) return false;
  }
  if (rest.empty()) return true;
  return rest.size() > 1 && rest[0] == ':' &&
         std::all_of(rest.begin() + 1, rest.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// 64 lower-case hex digits look like an image id and are never a name.
bool is_identifier(std::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(),
                                          [](char c) { return is_hex(c) && (c < 'A' || c > 'F'); });
}

/// Whether the part before the first slash is a registry: it has a dot, a colon or capitals, or is
/// "localhost".
bool names_registry(std::string_view first) {
  return first == "localhost" || first.find_first_of(".:") != std::string_view::npos ||
         base::to_lower(first) != first;
}

}  // namespace

bool is_valid_tag(std::string_view tag) {
  if (tag.empty() || tag.size() > 128 || tag[0] == '.' || tag[0] == '-') return false;
  return std::all_of(tag.begin(), tag.end(),
                     [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; });
}

Reference Reference::parse(std::string_view text) {
  if (text.empty()) refuse(text, "it is empty");
  if (is_identifier(text)) refuse(text, "64 hex digits are an image id");
  Reference ref;
  std::string_view rest = text;
  ref.domain_ = kDefaultDomain;
  size_t slash = rest.find('/');
  if (slash != std::string_view::npos && names_registry(rest.substr(0, slash))) {
    ref.domain_ = rest.substr(0, slash);
    rest.remove_prefix(slash + 1);
    if (ref.domain_ == "index.docker.io") ref.domain_ = kDefaultDomain;
  }
  if (size_t at = rest.find('@'); at != std::string_view::npos) {
    ref.digest_ = Digest::try_parse(rest.substr(at + 1));
    if (!ref.digest_) refuse(text, "what follows @ is not a sha256 or sha512 digest");
    rest = rest.substr(0, at);
  }
  if (size_t colon = rest.find(':'); colon != std::string_view::npos) {
    ref.tag_ = rest.substr(colon + 1);
    if (!is_valid_tag(ref.tag_))
      refuse(text,
             "a tag has up to 128 letters, digits, '_', '.' and '-', and begins with none of "
             "the last two");
    rest = rest.substr(0, colon);
  }
  ref.path_ = rest;
  if (ref.domain_ == kDefaultDomain && rest.find('/') == std::string_view::npos)
    ref.path_ = "library/" + ref.path_;
  if (base::to_lower(rest) != rest) refuse(text, "a repository is written in lower case");
  // A host with an underscore is no DNS name, yet docker reads it as one where the whole could be
  // a path.
  if (!is_domain(ref.domain_) && !is_path(ref.domain_)) refuse(text, "the registry is malformed");
  if (!is_path(ref.path_))
    refuse(text,
           "a repository has lower-case letters and digits, joined by '.', '_', '__' or '-', "
           "in parts divided by '/'");
  if (ref.path_.size() > kMaxPathBytes) refuse(text, "a repository has at most 255 characters");
  return ref;
}

std::optional<Reference> Reference::try_parse(std::string_view text) {
  try {
    return parse(text);
  } catch (const base::Error&) {
    return std::nullopt;
  }
}

std::string Reference::str() const {
  std::string text = name();
  if (!tag_.empty()) text += ":" + tag_;
  if (digest_) text += "@" + digest_->str();
  return text;
}

std::string Reference::familiar() const {
  std::string text = str();
  std::string_view library = "docker.io/library/";
  // Dropping "library/" must not turn the next part into a registry or into "library" itself.
  if (text.starts_with(library) && path_.find('/', 8) == std::string::npos)
    return text.substr(library.size());
  if (domain_ == kDefaultDomain && !names_registry(path_.substr(0, path_.find('/'))))
    return text.substr(kDefaultDomain.size() + 1);
  return text;
}

Reference Reference::with_default_tag() const {
  return tag_.empty() && !digest_ ? with_tag("latest") : *this;
}

Reference Reference::with_tag(std::string_view tag) const {
  if (!is_valid_tag(tag)) refuse(name() + ":" + std::string(tag), "the tag is malformed");
  Reference ref = *this;
  ref.tag_ = tag;
  ref.digest_.reset();
  return ref;
}

Reference Reference::with_digest(Digest digest) const {
  Reference ref = *this;
  ref.tag_.clear();
  ref.digest_ = std::move(digest);
  return ref;
}

}  // namespace oci
