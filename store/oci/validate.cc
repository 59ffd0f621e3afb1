#include "store/oci/validate.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "base/text.h"
#include "store/oci/base64.h"
#include "store/oci/digest.h"
#include "store/oci/media_types.h"
#include "store/oci/strict_json.h"

// Unlike Fields, this reader takes a null for a value of the wrong type: the specification allows
// it in four places only.

namespace oci {

namespace {

using Json = nlohmann::json;

[[noreturn]] void fail(const std::string& where, std::string_view rule) {
  throw base::Error(base::Code::kInvalid, base::str(where, ": ", rule), "bad-document");
}

/// The value under `key` of an object, or null when there is no such key.
const Json* member(const Json& object, const char* key) {
  auto at = object.find(key);
  return at == object.end() ? nullptr : &*at;
}

const Json& required(const Json& object, const std::string& where, const char* key) {
  const Json* value = member(object, key);
  if (value == nullptr) fail(where, base::str(key, " is missing"));
  return *value;
}

void require_object(const Json& value, const std::string& where) {
  if (!value.is_object()) fail(where, "not an object");
}

void require_text(const Json& value, const std::string& where) {
  if (!value.is_string()) fail(where, "not a string");
}

void optional_text(const Json& object, const std::string& where, const char* key) {
  if (const Json* value = member(object, key)) require_text(*value, where + "." + key);
}

enum class Null { kRefused, kAllowed };

void optional_texts(const Json& object, const std::string& where, const char* key,
                    Null null = Null::kRefused) {
  const Json* value = member(object, key);
  if (value == nullptr || (null == Null::kAllowed && value->is_null())) return;
  if (!value->is_array()) fail(where + "." + key, "not an array");
  for (const Json& item : *value) require_text(item, where + "." + key);
}

enum class Values { kText, kObject };

void optional_map(const Json& object, const std::string& where, const char* key, Values values,
                  Null null = Null::kRefused) {
  const Json* value = member(object, key);
  if (value == nullptr || (null == Null::kAllowed && value->is_null())) return;
  require_object(*value, where + "." + key);
  for (const auto& [name, item] : value->items())
    if (values == Values::kText ? !item.is_string() : !item.is_object())
      fail(where + "." + key,
           values == Values::kText ? "a value is not a string" : "a value is not an object");
}

void optional_flag(const Json& object, const std::string& where, const char* key) {
  const Json* value = member(object, key);
  if (value != nullptr && !value->is_boolean()) fail(where + "." + key, "not true or false");
}

void require_media_type(const Json& value, const std::string& where) {
  require_text(value, where);
  if (!is_valid_media_type(value.get_ref<const std::string&>())) fail(where, "not a media type");
}

void optional_media_type(const Json& object, const std::string& where, const char* key) {
  if (const Json* value = member(object, key)) require_media_type(*value, where + "." + key);
}

bool is_lower_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

/// algorithm ":" encoded; the algorithm is words joined by one of "+._-".
/// [OCI image-spec, descriptor.md, "Digests"]
bool is_digest(std::string_view text) {
  size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon + 1 == text.size()) return false;
  bool word = false;
  for (char c : text.substr(0, colon)) {
    if (!is_lower_alnum(c) && (!word || std::string_view("+._-").find(c) == std::string_view::npos))
      return false;
    word = is_lower_alnum(c);
  }
  if (!word) return false;
  std::string_view encoded = text.substr(colon + 1);
  bool spelled = std::all_of(encoded.begin(), encoded.end(), [](char c) {
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z') || c == '=' || c == '_' || c == '-';
  });
  // Registered algorithms fix the alphabet and the length too.
  bool registered = text.starts_with("sha256:") || text.starts_with("sha512:");
  return spelled && (!registered || Digest::try_parse(text));
}

/// A scheme and something after it, without blanks. [RFC 3986 section 3]
bool is_uri(std::string_view text) {
  size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  std::string scheme = base::to_lower(text.substr(0, colon));
  if (scheme[0] < 'a' || scheme[0] > 'z') return false;
  for (char c : scheme)
    if (!is_lower_alnum(c) && c != '+' && c != '-' && c != '.') return false;
  return std::none_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == '<' || c == '>' || c == '"' || c == '\\' ||
           c == '^' || c == '`' || c == '{' || c == '|' || c == '}';
  });
}

void check_platform(const Json& platform, const std::string& where) {
  require_object(platform, where);
  require_text(required(platform, where, "architecture"), where + ".architecture");
  require_text(required(platform, where, "os"), where + ".os");
  optional_text(platform, where, "os.version");
  optional_texts(platform, where, "os.features");
  optional_text(platform, where, "variant");
}

void check_descriptor(const Json& value, const std::string& where) {
  require_object(value, where);
  require_media_type(required(value, where, "mediaType"), where + ".mediaType");
  const Json& size = required(value, where, "size");
  bool counts =
      size.is_number_integer() &&
      (size.is_number_unsigned() ? size.get<uint64_t>() <= INT64_MAX : size.get<int64_t>() >= 0);
  if (!counts) fail(where + ".size", "not an integer from 0 to 2^63-1");
  const Json& digest = required(value, where, "digest");
  require_text(digest, where + ".digest");
  if (!is_digest(digest.get_ref<const std::string&>())) fail(where + ".digest", "not a digest");
  optional_texts(value, where, "urls");
  if (const Json* urls = member(value, "urls"))
    for (const Json& url : *urls)
      if (!is_uri(url.get_ref<const std::string&>())) fail(where + ".urls", "not a URI");
  optional_text(value, where, "data");
  if (const Json* data = member(value, "data"))
    if (!decode_base64(data->get_ref<const std::string&>())) fail(where + ".data", "not base64");
  optional_media_type(value, where, "artifactType");
  optional_map(value, where, "annotations", Values::kText);
  if (const Json* platform = member(value, "platform"))
    check_platform(*platform, where + ".platform");
}

void check_header(const Json& document, const std::string& where) {
  require_object(document, where);
  const Json& version = required(document, where, "schemaVersion");
  if (!version.is_number_integer() || version != 2) fail(where + ".schemaVersion", "must be 2");
  optional_media_type(document, where, "mediaType");
  optional_media_type(document, where, "artifactType");
  if (const Json* subject = member(document, "subject"))
    check_descriptor(*subject, where + ".subject");
  optional_map(document, where, "annotations", Values::kText);
}

void check_descriptors(const Json& list, const std::string& where) {
  if (!list.is_array()) fail(where, "not an array");
  for (size_t i = 0; i < list.size(); ++i) check_descriptor(list[i], base::str(where, "[", i, "]"));
}

void check_manifest(const Json& document) {
  check_header(document, "manifest");
  check_descriptor(required(document, "manifest", "config"), "manifest.config");
  const Json& layers = required(document, "manifest", "layers");
  check_descriptors(layers, "manifest.layers");
  if (layers.empty()) fail("manifest.layers", "empty; one entry is the least");
  if (document.contains("manifests")) fail("manifest.manifests", "has no place beside layers");
}

void check_index(const Json& document) {
  check_header(document, "index");
  check_descriptors(required(document, "index", "manifests"), "index.manifests");
  if (document.contains("layers")) fail("index.layers", "has no place beside manifests");
}

/// RFC 3339 date and time: 2006-01-02T15:04:05[.fraction](Z|+hh:mm).
bool is_date_time(std::string_view text) {
  auto digits = [&](size_t at, size_t count, unsigned most) {
    if (at + count > text.size()) return false;
    auto value = base::parse_decimal(text.substr(at, count));
    return value && *value <= most;
  };
  if (text.size() < 20 || !digits(0, 4, 9999) || text[4] != '-' || !digits(5, 2, 12) ||
      text[7] != '-' || !digits(8, 2, 31) || (text[10] != 'T' && text[10] != 't') ||
      !digits(11, 2, 23) || text[13] != ':' || !digits(14, 2, 59) || text[16] != ':' ||
      !digits(17, 2, 60))
    return false;
  size_t at = 19;
  if (text[at] == '.') {
    size_t start = ++at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    if (at == start) return false;
  }
  std::string_view zone = text.substr(at);
  if (zone == "Z" || zone == "z") return true;
  return zone.size() == 6 && (zone[0] == '+' || zone[0] == '-') && zone[3] == ':' &&
         digits(at + 1, 2, 23) && digits(at + 4, 2, 59);
}

void optional_date(const Json& object, const std::string& where, const char* key) {
  optional_text(object, where, key);
  if (const Json* value = member(object, key))
    if (!is_date_time(value->get_ref<const std::string&>()))
      fail(where + "." + key, "not an RFC 3339 time");
}

void check_container_config(const Json& config) {
  const std::string where = "config.config";
  require_object(config, where);
  for (const char* key : {"User", "WorkingDir", "StopSignal"}) optional_text(config, where, key);
  optional_texts(config, where, "Env");
  if (const Json* env = member(config, "Env"))
    for (const Json& item : *env)
      if (size_t equals = item.get_ref<const std::string&>().find('=');
          equals == std::string::npos || equals == 0)
        fail(where + ".Env", "an entry is not NAME=value");
  optional_texts(config, where, "Entrypoint", Null::kAllowed);
  optional_texts(config, where, "Cmd", Null::kAllowed);
  optional_map(config, where, "ExposedPorts", Values::kObject);
  optional_map(config, where, "Volumes", Values::kObject, Null::kAllowed);
  optional_map(config, where, "Labels", Values::kText, Null::kAllowed);
  optional_flag(config, where, "ArgsEscaped");
}

void check_config(const Json& document) {
  const std::string where = "config";
  require_object(document, where);
  check_platform(document, where);
  optional_date(document, where, "created");
  optional_text(document, where, "author");
  if (const Json* config = member(document, "config")) check_container_config(*config);
  const Json& rootfs = required(document, where, "rootfs");
  require_object(rootfs, "config.rootfs");
  if (required(rootfs, "config.rootfs", "type") != "layers")
    fail("config.rootfs.type", "must be \"layers\"");
  required(rootfs, "config.rootfs", "diff_ids");
  optional_texts(rootfs, "config.rootfs", "diff_ids");
  const Json* history = member(document, "history");
  if (history == nullptr) return;
  if (!history->is_array()) fail("config.history", "not an array");
  for (const Json& entry : *history) {
    require_object(entry, "config.history");
    optional_date(entry, "config.history", "created");
    for (const char* key : {"author", "created_by", "comment"})
      optional_text(entry, "config.history", key);
    optional_flag(entry, "config.history", "empty_layer");
  }
}

void check_layout(const Json& document) {
  require_object(document, "oci-layout");
  if (required(document, "oci-layout", "imageLayoutVersion") != "1.0.0")
    fail("oci-layout.imageLayoutVersion", "must be \"1.0.0\"");
}

}  // namespace

void validate_document(DocumentType type, std::string_view json) {
  Json document = parse_strict_json(json, "document");
  switch (type) {
    case DocumentType::kManifest:
      return check_manifest(document);
    case DocumentType::kIndex:
      return check_index(document);
    case DocumentType::kConfig:
      return check_config(document);
    case DocumentType::kLayout:
      return check_layout(document);
    case DocumentType::kDescriptor:
      return check_descriptor(document, "descriptor");
  }
}

}  // namespace oci
