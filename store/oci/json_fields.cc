#include "store/oci/json_fields.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "store/oci/base64.h"
#include "store/oci/media_types.h"

namespace oci {

Fields::Fields(const nlohmann::json& object, std::string where)
    : object_(object), where_(std::move(where)) {
  if (!object.is_object())
    throw base::Error(base::Code::kInvalid, where_ + ": not a JSON object", "bad-document");
}

std::string Fields::where(std::string_view key) const {
  // The first level is "manifest: config", deeper ones "manifest: config.size".
  return base::str(where_, where_.find(": ") == std::string::npos ? ": " : ".", key);
}

void Fields::fail(std::string_view key, std::string_view rule) const {
  throw base::Error(base::Code::kInvalid, base::str(where(key), ": ", rule), "bad-document");
}

const nlohmann::json* Fields::find(std::string_view key) const {
  auto at = object_.find(key);
  return at == object_.end() || at->is_null() ? nullptr : &*at;
}

std::string Fields::text(std::string_view key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return {};
  if (!value->is_string()) fail(key, "not a string");
  const std::string& text = value->get_ref<const std::string&>();
  if (text.find('\0') != std::string::npos) fail(key, "holds a NUL character");
  return text;
}

std::string Fields::required_text(std::string_view key) const {
  if (!has(key)) fail(key, "missing");
  return text(key);
}

bool Fields::flag(std::string_view key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return false;
  if (!value->is_boolean()) fail(key, "not true or false");
  return value->get<bool>();
}

std::optional<int64_t> Fields::integer(std::string_view key, int64_t least, int64_t most) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return std::nullopt;
  std::string rule = base::str("not an integer from ", least, " to ", most);
  if (!value->is_number_integer()) fail(key, rule);
  // An unsigned value above 2^63-1 must not wrap to a negative one.
  if (value->is_number_unsigned() && value->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX))
    fail(key, rule);
  int64_t number = value->get<int64_t>();
  if (number < least || number > most) fail(key, rule);
  return number;
}

const nlohmann::json* Fields::array(std::string_view key) const {
  const nlohmann::json* value = find(key);
  if (value != nullptr && !value->is_array()) fail(key, "not an array");
  return value;
}

std::vector<std::string> Fields::texts(std::string_view key) const {
  std::vector<std::string> out;
  const nlohmann::json* list = array(key);
  if (list == nullptr) return out;
  for (const nlohmann::json& item : *list) {
    if (!item.is_string()) fail(key, "not an array of strings");
    out.push_back(item.get<std::string>());
    if (out.back().find('\0') != std::string::npos) fail(key, "holds a NUL character");
  }
  return out;
}

std::map<std::string, std::string> Fields::text_map(std::string_view key) const {
  std::map<std::string, std::string> out;
  const nlohmann::json* value = find(key);
  if (value == nullptr) return out;
  if (!value->is_object()) fail(key, "not an object of strings");
  for (const auto& [name, item] : value->items()) {
    if (!item.is_string()) fail(key, "not an object of strings");
    out.emplace(name, item.get<std::string>());
  }
  return out;
}

std::set<std::string> Fields::keys(std::string_view key) const {
  std::set<std::string> out;
  const nlohmann::json* value = find(key);
  if (value == nullptr) return out;
  if (!value->is_object()) fail(key, "not an object");
  for (const auto& [name, item] : value->items()) out.insert(name);
  return out;
}

std::optional<Descriptor> Fields::descriptor(std::string_view key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return std::nullopt;
  return read_descriptor(*value, where(key));
}

std::vector<Descriptor> Fields::descriptors(std::string_view key, size_t most) const {
  const nlohmann::json* list = array(key);
  if (list == nullptr) fail(key, "missing");
  if (list->size() > most) fail(key, base::str(list->size(), " entries; the limit is ", most));
  std::vector<Descriptor> out;
  for (size_t i = 0; i < list->size(); ++i)
    out.push_back(read_descriptor((*list)[i], where(base::str(key, "[", i, "]"))));
  return out;
}

std::string Fields::without(const std::vector<std::string_view>& known) const {
  nlohmann::json rest = nlohmann::json::object();
  for (const auto& [name, item] : object_.items())
    if (std::find(known.begin(), known.end(), name) == known.end()) rest[name] = item;
  return rest.empty() ? std::string() : rest.dump();
}

Descriptor read_descriptor(const nlohmann::json& object, const std::string& where) {
  Fields fields(object, where);
  std::string type = fields.required_text("mediaType");
  if (!is_valid_media_type(type)) fields.fail("mediaType", "not a media type");
  auto digest = Digest::try_parse(fields.required_text("digest"));
  if (!digest) fields.fail("digest", "not a sha256 or sha512 digest in lower-case hex");
  auto size = fields.integer("size", 0, INT64_MAX);
  if (!size) fields.fail("size", "missing");
  Descriptor out{std::move(type), *std::move(digest), static_cast<uint64_t>(*size)};
  out.urls = fields.texts("urls");
  out.annotations = fields.text_map("annotations");
  out.artifact_type = fields.text("artifactType");
  if (fields.has("data")) {
    auto data = decode_base64(fields.text("data"));
    if (!data) fields.fail("data", "not base64");
    if (data->size() != out.size_bytes) fields.fail("data", "not as long as size says");
    Verifier verifier(out.digest, {}, fields.where("data"));
    verifier.write(base::as_bytes(*data));
    verifier.finish();
    out.data = *std::move(data);
  }
  if (const nlohmann::json* platform = fields.find("platform"))
    out.platform = read_platform(Fields(*platform, fields.where("platform")));
  return out;
}

nlohmann::ordered_json write_descriptor(const Descriptor& descriptor) {
  nlohmann::ordered_json out;
  out["mediaType"] = descriptor.media_type;
  out["digest"] = descriptor.digest.str();
  out["size"] = descriptor.size_bytes;
  if (!descriptor.urls.empty()) out["urls"] = descriptor.urls;
  if (!descriptor.annotations.empty()) out["annotations"] = descriptor.annotations;
  if (!descriptor.data.empty()) out["data"] = encode_base64(descriptor.data);
  if (descriptor.platform) {
    nlohmann::ordered_json platform;
    write_platform(*descriptor.platform, platform);
    out["platform"] = std::move(platform);
  }
  if (!descriptor.artifact_type.empty()) out["artifactType"] = descriptor.artifact_type;
  return out;
}

Platform read_platform(const Fields& fields) {
  return Platform{.os = fields.required_text("os"),
                  .architecture = fields.required_text("architecture"),
                  .variant = fields.text("variant"),
                  .os_version = fields.text("os.version"),
                  .os_features = fields.texts("os.features")};
}

void write_platform(const Platform& platform, nlohmann::ordered_json& out) {
  out["architecture"] = platform.architecture;
  out["os"] = platform.os;
  if (!platform.os_version.empty()) out["os.version"] = platform.os_version;
  if (!platform.os_features.empty()) out["os.features"] = platform.os_features;
  if (!platform.variant.empty()) out["variant"] = platform.variant;
}

void merge_other_fields(const std::string& text, nlohmann::ordered_json& out) {
  if (text.empty()) return;
  nlohmann::json rest = nlohmann::json::parse(text);
  for (const auto& [name, item] : rest.items())
    if (!out.contains(name)) out[name] = item;
}

std::string dump_json(const nlohmann::ordered_json& document) {
  return document.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace oci
