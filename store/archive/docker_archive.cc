#include "store/archive/docker_archive.h"

#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "store/layer/compression.h"
#include "store/oci/limits.h"
#include "store/oci/media_types.h"
#include "store/oci/strict_json.h"

namespace archive {

namespace {

using nlohmann::json;

[[noreturn]] void invalid(const std::string& rule) {
  throw base::Error(base::Code::kInvalid, "manifest.json: " + rule, "bad-layout");
}

std::string text_of(const json& value, const char* what) {
  if (!value.is_string()) invalid(base::str(what, " is not a string"));
  return value.get<std::string>();
}

/// A list under `key`; null and absent are empty.
std::vector<std::string> texts_of(const json& object, const char* key) {
  std::vector<std::string> out;
  auto at = object.find(key);
  if (at == object.end() || at->is_null()) return out;
  if (!at->is_array()) invalid(base::str(key, " is not an array"));
  for (const json& item : *at) out.push_back(text_of(item, key));
  return out;
}

class DockerArchive : public ImageLayout {
 public:
  explicit DockerArchive(std::unique_ptr<FileSet> files) : files_(std::move(files)) {
    index_.media_type = oci::media_type::kIndex;
    base::with_context(files_->name(), [&] { read(); });
  }

  Format format() const override { return Format::kDockerArchive; }
  const oci::Index& index() const override { return index_; }

 protected:
  std::optional<FileSlice> find_blob(const oci::Digest& digest) const override {
    auto at = blobs_.find(digest);
    return at == blobs_.end() ? std::nullopt : std::optional(at->second);
  }

 private:
  FileSlice get_file(const std::string& path) const {
    auto file = files_->find(sys::RootedPath(path));
    if (!file) invalid("names \"" + base::printable(path, 100) + "\", which is not there");
    return *file;
  }

  void read() {
    FileSlice file = get_file("/manifest.json");
    json document = oci::parse_strict_json(file.read_text(oci::kMaxManifestBytes), "manifest.json");
    if (!document.is_array()) invalid("not an array");
    for (const json& item : document) {
      if (!item.is_object()) invalid("an entry is not an object");
      add_image(item);
    }
  }

  void add_image(const json& item) {
    if (!item.contains("Config")) invalid("an entry has no Config");
    std::string path = text_of(item["Config"], "Config");
    FileSlice file = get_file(path);
    std::string text = file.read_text(oci::kMaxConfigBytes);
    oci::ImageConfig config = oci::ImageConfig::parse(text);
    oci::Descriptor config_blob = oci::Descriptor::of(oci::media_type::kConfig, text);
    require_named(path, config_blob.digest);
    blobs_.insert_or_assign(config_blob.digest, file);

    std::vector<std::string> layers = texts_of(item, "Layers");
    if (layers.size() > oci::kMaxLayers)
      invalid(base::str(layers.size(), " layers; the limit is ", oci::kMaxLayers));
    if (layers.size() != config.diff_ids.size())
      invalid(base::str("image ", config_blob.digest.str(), " has ", layers.size(),
                        " layers and its configuration ", config.diff_ids.size(), " diff ids"));
    oci::Manifest manifest{.media_type = std::string(oci::media_type::kManifest),
                           .config = config_blob};
    for (size_t i = 0; i < layers.size(); ++i)
      manifest.layers.push_back(describe_layer(layers[i], config.diff_ids[i]));
    add_entries(manifest, config.platform, texts_of(item, "RepoTags"));
  }

  /// A file named by a digest must have it: "<hex>.json", "blobs/sha256/<hex>".
  static void require_named(const std::string& path, const oci::Digest& digest) {
    std::string stem = path.substr(path.rfind('/') + 1);
    if (stem.ends_with(".json")) stem.resize(stem.size() - 5);
    auto named = oci::Digest::try_parse("sha256:" + stem);
    if (named && *named != digest)
      throw base::Error(base::Code::kCorrupt,
                        base::str("config ", base::printable(path, 120),
                                  " does not match its digest: it is ", digest.str()),
                        "digest-mismatch");
  }

  oci::Descriptor describe_layer(const std::string& path, const oci::DiffId& diff_id) {
    FileSlice file = get_file(path);
    std::string head = file.head(16);
    layer::Compression packed = layer::detect(base::as_bytes(head));
    std::string_view type = oci::media_type::kLayer;
    oci::Digest digest = diff_id.digest();  // proven when the layer is read
    if (packed != layer::Compression::kNone) {
      if (packed == layer::Compression::kGzip)
        type = oci::media_type::kLayerGzip;
      else if (packed == layer::Compression::kZstd)
        type = oci::media_type::kLayerZstd;
      else
        throw base::Error(base::Code::kUnsupported,
                          base::str("layer ", base::printable(path, 120), " is packed with ",
                                    layer::compression_name(packed)),
                          "bad-layout");
      oci::Digester hash;
      auto source = file.open();
      base::copy(*source, hash);
      digest = hash.finish();
    }
    blobs_.insert_or_assign(digest, file);
    return oci::Descriptor{std::string(type), digest, file.size_bytes()};
  }

  void add_entries(const oci::Manifest& manifest, const oci::Platform& platform,
                   const std::vector<std::string>& names) {
    std::string text = manifest.to_json();
    oci::Descriptor entry = oci::Descriptor::of(oci::media_type::kManifest, text);
    entry.platform = platform;
    sys::UniqueFd fd = sys::sealed_memfd("manifest", base::as_bytes(text));
    blobs_.insert_or_assign(
        entry.digest, FileSlice(std::make_shared<sys::UniqueFd>(std::move(fd)), 0, text.size(),
                                "manifest made from manifest.json"));
    if (names.empty()) index_.manifests.push_back(entry);
    for (const std::string& name : names) {
      entry.annotations = {{std::string(oci::annotation::kRefName), name}};
      index_.manifests.push_back(entry);
    }
  }

  std::unique_ptr<FileSet> files_;
  oci::Index index_;
  std::map<oci::Digest, FileSlice> blobs_;
};

}  // namespace

std::unique_ptr<ImageLayout> docker_archive(std::unique_ptr<FileSet> files) {
  return std::make_unique<DockerArchive>(std::move(files));
}

}  // namespace archive
