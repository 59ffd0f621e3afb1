#include "cli/build/lock_file.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "cli/images/base_images.h"

namespace cli {

namespace {

using Json = nlohmann::json;
constexpr int kVersion = 1;
constexpr uint64_t kMostBytes = 4 << 20;

std::map<std::string, std::string> read_map(const Json& json, const char* key,
                                            const std::string& path) {
  std::map<std::string, std::string> out;
  if (!json.contains(key)) return out;
  for (const auto& [name, value] : json[key].items()) {
    if (!value.is_string())
      throw base::Error(base::Code::kInvalid,
                        "lock file " + path + ": " + base::printable(name) + " is no text",
                        "lock-invalid");
    out[name] = value.get<std::string>();
  }
  return out;
}

}  // namespace

LockFile LockFile::read(const std::string& path, bool required) {
  LockFile lock;
  std::optional<std::string> text = sys::find_user_file(path, kMostBytes);
  if (!text) {
    if (required)
      throw base::Error(base::Code::kNotFound, "lock file " + path + " does not exist",
                        "lock-missing")
          .add_help("write it with --lock " + path + " and without --locked");
    return lock;
  }
  Json json = Json::parse(*text, nullptr, false);
  if (!json.is_object() || json.value("version", 0) != kVersion)
    throw base::Error(base::Code::kInvalid, "lock file " + path + " is none of version 1",
                      "lock-invalid");
  lock.images = read_map(json, "images", path);
  lock.sources = read_map(json, "sources", path);
  return lock;
}

std::string LockFile::text() const {
  Json json = {{"version", kVersion}, {"images", images}, {"sources", sources}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

void LockFile::write(const std::string& path) const {
  std::string bytes = text();
  if (sys::find_user_file(path, kMostBytes) != bytes) sys::write_file_durably(path, bytes, 0644);
}

plan::BaseImage LockedImages::get(const std::string& reference, const oci::Platform& platform) {
  std::string key = reference + " " + platform.str();
  auto pin = lock_.images.find(key);
  if (pin == lock_.images.end() && locked_)
    throw base::Error(base::Code::kDenied,
                      "base image " + base::printable(reference) + " is not in the lock file",
                      "not-locked");
  if (pin != lock_.images.end()) {
    auto id = oci::Digest::try_parse(pin->second);
    std::optional<store::ImageRecord> record;
    if (id) record = store_.find_image_by_id(*id);
    if (record) {
      resolved_[key] = pin->second;
      return {reference, record->id.str(), read_config(store_, *record), record->layers};
    }
  }
  plan::BaseImage image = next_.get(reference, platform);
  if (locked_ && image.identity != pin->second)
    throw base::Error(base::Code::kDenied,
                      base::str("base image ", base::printable(reference), " is ", image.identity,
                                ", the lock file says ", base::printable(pin->second)),
                      "lock-drift")
        .add_help("build without --locked to write the lock file again");
  resolved_[key] = image.identity;
  return image;
}

}  // namespace cli
