#include "cli/images/cache_place.h"

#include <functional>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/sys/lock.h"
#include "base/text.h"
#include "cli/images/blob_files.h"
#include "cli/images/known_layers.h"
#include "cli/images/push.h"
#include "store/oci/index.h"
#include "store/oci/limits.h"
#include "store/oci/media_types.h"

namespace cli {

namespace {

constexpr const char* kRefName = "org.opencontainers.image.ref.name";

class RegistryPlace : public CachePlace {
 public:
  RegistryPlace(store::Store& store, Registries& registries, const oci::Reference& repository,
                TransferOptions options)
      : store_(store),
        registries_(registries),
        reference_(repository),
        options_(std::move(options)) {}

  std::string name() const override { return reference_.name(); }
  std::string source() const override {
    registry::Repository there = repository();
    return there.client().host() + "/" + there.path();
  }
  std::optional<registry::Document> find(const std::string& tag) override {
    return repository().find_document(tag);
  }
  bool has(const std::string& tag) override { return repository().find_digest(tag).has_value(); }
  std::vector<std::string> list_tags() override { return repository().list_tags(); }
  std::string read_blob(const oci::Descriptor& blob, uint64_t limit) override {
    return repository().read_blob(blob, limit);
  }
  oci::Descriptor put_layer(const oci::DiffId& layer) override {
    return push_layer(store_, registries_, repository(), layer, Packing::kAsIs, options_);
  }
  void put_entry(const oci::Manifest& manifest, const std::string& config,
                 const std::string& tag) override {
    registry::Repository there = repository();
    there.prepare_to_write();
    there.put_blob(manifest.config.digest, manifest.config.size_bytes, [&](uint64_t offset) {
      return std::make_unique<base::MemorySource>(base::as_bytes(config).subspan(offset));
    });
    there.put_document(manifest.bytes(), manifest.media_type, tag);
  }

 private:
  registry::Repository repository() const { return registries_.repository(reference_); }

  store::Store& store_;
  Registries& registries_;
  const oci::Reference reference_;
  const TransferOptions options_;
};

class DirectoryPlace : public CachePlace {
 public:
  DirectoryPlace(store::Store& store, Registries& registries, std::filesystem::path directory,
                 TransferOptions options)
      : store_(store),
        registries_(registries),
        directory_(std::move(directory)),
        options_(std::move(options)) {}

  std::string name() const override { return directory_.string(); }
  std::string source() const override { return directory_.string(); }

  std::optional<registry::Document> find(const std::string& tag) override {
    oci::Index index = read_index();
    for (const oci::Descriptor& entry : index.manifests) {
      auto named = entry.annotations.find(kRefName);
      if (named == entry.annotations.end() || named->second != tag) continue;
      return registry::Document{read_blob(entry, oci::kMaxManifestBytes), entry.media_type,
                                entry.digest};
    }
    return std::nullopt;
  }
  bool has(const std::string& tag) override { return find(tag).has_value(); }
  std::vector<std::string> list_tags() override {
    std::vector<std::string> tags;
    const oci::Index index = read_index();
    for (const oci::Descriptor& entry : index.manifests)
      if (std::string name = entry.annotation(kRefName); !name.empty())
        tags.push_back(std::move(name));
    return tags;
  }

  std::string read_blob(const oci::Descriptor& blob, uint64_t limit) override {
    oci::VerifiedSource source(open_blob_file(layout_blob(directory_, blob.digest), 0), blob.digest,
                               blob.size_bytes);
    return base::read_all(source, limit);
  }

  oci::Descriptor put_layer(const oci::DiffId& layer) override {
    if (auto elsewhere = find_elsewhere(store_, layer)) {
      put_blob(elsewhere->digest, [&] { return open_elsewhere(registries_, *elsewhere, 0); });
      return describe(*elsewhere);
    }
    auto packed = find_packed(store_, layer, Packing::kAsIs);
    oci::Descriptor blob = packed ? *packed : pack_layer(store_, layer, Packing::kAsIs, options_);
    put_blob(blob.digest,
             [&] { return std::make_unique<store::BlobReader>(store_.open_blob(blob.digest)); });
    return blob;
  }

  void put_entry(const oci::Manifest& manifest, const std::string& config,
                 const std::string& tag) override {
    std::string text = manifest.bytes();
    put_text(manifest.config.digest, config);
    put_text(oci::Digest::sha256_of(text), text);
    sys::FileLock lock =
        sys::FileLock::acquire(directory_ / ".torte-lock", sys::FileLock::Mode::kExclusive);
    oci::Index index = read_index();
    oci::Descriptor entry = manifest.describe();
    entry.annotations[kRefName] = tag;
    index.manifests.push_back(std::move(entry));
    index.raw.clear();
    sys::write_file_durably(directory_ / "oci-layout", R"({"imageLayoutVersion":"1.0.0"})", 0644);
    sys::write_file_durably(directory_ / "index.json", index.bytes(), 0644);
  }

 private:
  /// One entry a step: more than a manifest may have.
  static constexpr uint64_t kMostIndexBytes = 64 << 20;

  oci::Index read_index() const {
    auto text = sys::find_user_file(directory_ / "index.json", kMostIndexBytes);
    if (text) return oci::Index::parse(*text);
    return {.media_type = std::string(oci::media_type::kIndex)};
  }

  void put_text(const oci::Digest& digest, const std::string& text) {
    put_blob(digest, [&] { return std::make_unique<base::MemorySource>(base::as_bytes(text)); });
  }

  void put_blob(const oci::Digest& digest,
                const std::function<std::unique_ptr<base::Source>()>& open) {
    write_blob_file(layout_blob(directory_, digest), open);
  }

  store::Store& store_;
  Registries& registries_;
  const std::filesystem::path directory_;
  const TransferOptions options_;
};

}  // namespace

std::filesystem::path layout_blob(const std::filesystem::path& directory,
                                  const oci::Digest& digest) {
  return directory / "blobs" / digest.algorithm() / digest.hex();
}

std::unique_ptr<CachePlace> registry_place(store::Store& store, Registries& registries,
                                           const oci::Reference& repository,
                                           TransferOptions options) {
  return std::make_unique<RegistryPlace>(store, registries, repository, std::move(options));
}

std::unique_ptr<CachePlace> directory_place(store::Store& store, Registries& registries,
                                            const std::filesystem::path& directory,
                                            TransferOptions options) {
  return std::make_unique<DirectoryPlace>(store, registries, directory, std::move(options));
}

}  // namespace cli
