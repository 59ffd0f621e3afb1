#include "cli/images/copy_source.h"

#include <map>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "cli/images/base_images.h"
#include "cli/images/blob_files.h"
#include "store/archive/image_layout.h"
#include "store/oci/index.h"
#include "store/oci/limits.h"
#include "store/oci/media_types.h"

namespace cli {

namespace {

registry::Document document_of(std::string bytes, std::string media_type) {
  oci::Digest digest = oci::Digest::sha256_of(bytes);
  return {std::move(bytes), std::move(media_type), std::move(digest)};
}

class RegistrySource : public CopySource {
 public:
  RegistrySource(registry::Repository repository, oci::Reference name)
      : repository_(std::move(repository)), name_(std::move(name)) {}

  registry::Document get_top() override {
    return repository_.get_document(name_.digest() ? name_.digest()->str() : name_.tag());
  }
  registry::Document get_image(const std::optional<oci::Platform>& platform) override {
    registry::ResolvedImage found =
        repository_.resolve(name_, platform.value_or(oci::Platform::host()));
    found.document.media_type = found.manifest.media_type;
    return std::move(found.document);
  }
  registry::Document get_document(const oci::Descriptor& entry) override {
    registry::Document document = repository_.get_document(entry.digest.str());
    document.media_type = entry.media_type;
    return document;
  }
  std::unique_ptr<base::Source> open_blob(const oci::Descriptor& blob, uint64_t offset) override {
    return repository_.open_blob(blob, offset);
  }
  std::vector<oci::Descriptor> list_referrers(const oci::Digest& digest) override {
    return repository_.list_referrers(digest);
  }
  const registry::Repository* repository() const override { return &repository_; }

 private:
  registry::Repository repository_;
  oci::Reference name_;
};

/// Of files, whose blobs are there from their beginning.
std::unique_ptr<base::Source> from_offset(std::unique_ptr<base::Source> source, uint64_t offset) {
  skip(*source, offset);
  return source;
}

class LayoutSource : public CopySource {
 public:
  LayoutSource(const Place& place, const TransferOptions& options) : name_(place.name) {
    archive::OpenOptions opening;
    opening.limits = options.limits;
    layout_ = archive::ImageLayout::open(place.path, opening);
  }

  registry::Document get_top() override { return get_document(layout_->get_entry(name_)); }
  registry::Document get_image(const std::optional<oci::Platform>& platform) override {
    return get_document(
        layout_->get_image(name_, platform.value_or(oci::Platform::host())).descriptor);
  }
  registry::Document get_document(const oci::Descriptor& entry) override {
    return {layout_->read_blob(entry, oci::kMaxManifestBytes), entry.media_type, entry.digest};
  }
  std::unique_ptr<base::Source> open_blob(const oci::Descriptor& blob, uint64_t offset) override {
    return from_offset(layout_->open_unverified_blob(blob), offset);
  }
  std::vector<oci::Descriptor> list_referrers(const oci::Digest& digest) override {
    if (!referrers_) referrers_ = read_referrers();
    auto [first, last] = referrers_->equal_range(digest);
    std::vector<oci::Descriptor> list;
    for (auto each = first; each != last; ++each) list.push_back(each->second);
    return list;
  }

 private:
  /// They are entries of their own in index.json. [OCI image-spec, image-layout.md]
  std::multimap<oci::Digest, oci::Descriptor> read_referrers() {
    std::multimap<oci::Digest, oci::Descriptor> referrers;
    std::set<oci::Digest> seen;
    for (const oci::Descriptor& entry : layout_->index().manifests) {
      if (!seen.insert(entry.digest).second || !layout_->has_blob(entry.digest)) continue;
      if (auto subject = subject_of(get_document(entry))) referrers.emplace(subject->digest, entry);
    }
    return referrers;
  }

  std::string name_;
  std::unique_ptr<archive::ImageLayout> layout_;
  std::optional<std::multimap<oci::Digest, oci::Descriptor>> referrers_;  ///< by subject
};

class DirectorySource : public CopySource {
 public:
  explicit DirectorySource(std::filesystem::path directory) : directory_(std::move(directory)) {}

  registry::Document get_top() override {
    return document_of(sys::read_user_file(directory_ / kDirManifest, oci::kMaxManifestBytes), {});
  }
  registry::Document get_document(const oci::Descriptor& entry) override {
    std::filesystem::path file = directory_ / dir_manifest_name(entry.digest);
    std::string bytes = sys::read_user_file(file, oci::kMaxManifestBytes);
    base::with_context(file.string(), [&] {
      oci::Verifier verifier(entry.digest, entry.size_bytes, "manifest");
      verifier.write(base::as_bytes(bytes));
      verifier.finish();
    });
    return {std::move(bytes), entry.media_type, entry.digest};
  }
  std::unique_ptr<base::Source> open_blob(const oci::Descriptor& blob, uint64_t offset) override {
    return open_blob_file(directory_ / blob.digest.hex(), offset);
  }

 private:
  std::filesystem::path directory_;
};

class StoreSource : public CopySource {
 public:
  StoreSource(store::Store& store, std::string name, const TransferOptions& options)
      : store_(store), name_(std::move(name)), options_(options), lease_(store.lease()) {
    auto image = find_image(store_, name_);
    image_ = image ? *std::move(image) : store_.get_image(name_);  // says what is near
  }

  registry::Document get_top() override {
    if (auto index = find_index(store_, image_, name_))
      return document_of(index->bytes(), index->media_type);
    return manifest_of(image_);
  }
  registry::Document get_image(const std::optional<oci::Platform>& platform) override {
    if (platform && !oci::Platform::parse(image_.platform).satisfies(*platform))
      throw base::Error(base::Code::kNotFound,
                        base::str(base::printable(name_, 200), " is for ", image_.platform,
                                  ", not for ", platform->str()));
    return manifest_of(image_);
  }
  registry::Document get_document(const oci::Descriptor& entry) override {
    if (auto image = store_.find_image(entry.digest.str())) return manifest_of(*image);
    // What an index names beside images: attestations, further indexes.
    if (!store_.find_blob(entry.digest)) {
      std::string which = entry.platform ? " for " + entry.platform->str() : std::string();
      throw base::Error(base::Code::kNotFound,
                        base::str("manifest ", entry.digest.str(), which, " is not in the store"),
                        "platform-missing")
          .add_help("torte pull --all-platforms brings all of them");
    }
    return {store_.read_blob(entry.digest, oci::kMaxManifestBytes), entry.media_type, entry.digest};
  }
  std::unique_ptr<base::Source> open_blob(const oci::Descriptor& blob, uint64_t offset) override {
    return from_offset(std::make_unique<store::BlobReader>(store_.open_blob(blob.digest)), offset);
  }

 private:
  registry::Document manifest_of(const store::ImageRecord& image) {
    oci::Manifest manifest = prepare_image(store_, image, Packing::kAsIs, options_).manifest;
    if (image.manifest && manifest.describe().digest != *image.manifest)
      throw base::Error(
          base::Code::kNotFound,
          base::str("blobs of manifest ", image.manifest->str(), " are no longer in the store"),
          "blob-missing")
          .add_help("torte pull brings them again");
    return document_of(manifest.bytes(), manifest.media_type);
  }

  store::Store& store_;
  std::string name_;
  const TransferOptions& options_;
  store::Lease lease_;
  store::ImageRecord image_{.id = oci::Digest::sha256_of("")};
};

}  // namespace

registry::Document CopySource::get_image(const std::optional<oci::Platform>& platform) {
  const oci::Platform wanted = platform.value_or(oci::Platform::host());
  registry::Document document = get_top();
  for (size_t depth = 0; is_index(document); ++depth) {
    if (depth >= oci::kMaxIndexDepth)
      throw base::Error(base::Code::kInvalid, "too many indexes inside each other");
    oci::Index index = oci::Index::parse(document.bytes, document.media_type);
    const oci::Descriptor* entry = index.find(wanted);
    if (entry == nullptr)
      throw base::Error(base::Code::kNotFound,
                        base::str("index ", document.digest.str(), ": no image for ", wanted.str()),
                        "platform-missing");
    document = get_document(oci::Descriptor(*entry));
  }
  return document;
}

std::unique_ptr<CopySource> open_copy_source(Registries& registries, const Place& place,
                                             store::Store* store, const TransferOptions& options) {
  switch (place.transport) {
    case Place::Transport::kDocker:
      registries.policy().require(place.reference());
      return copy_source_of(registries.repository(place.reference()), place.reference());
    case Place::Transport::kDirectory:
      registries.policy().require(transport_name(place.transport), place.path);
      return std::make_unique<DirectorySource>(place.path);
    case Place::Transport::kStore:
      CHECK(store != nullptr);
      return std::make_unique<StoreSource>(*store, place.name, options);
    default:
      registries.policy().require(transport_name(place.transport), place.path);
      return std::make_unique<LayoutSource>(place, options);
  }
}

std::unique_ptr<CopySource> copy_source_of(const registry::Repository& repository,
                                           const oci::Reference& name) {
  return std::make_unique<RegistrySource>(repository, name);
}

std::unique_ptr<base::Source> open_verified(CopySource& source, const oci::Descriptor& blob,
                                            uint64_t offset) {
  return from_offset(std::make_unique<oci::VerifiedSource>(source.open_blob(blob, 0), blob.digest,
                                                           blob.size_bytes),
                     offset);
}

std::string read_blob(CopySource& source, const oci::Descriptor& blob, uint64_t limit) {
  auto bytes = open_verified(source, blob);
  return base::read_all(*bytes, limit);
}

bool is_index(const registry::Document& document) {
  return oci::document_kind(document.bytes, document.media_type) == oci::DocumentKind::kIndex;
}

std::optional<oci::Descriptor> subject_of(const registry::Document& document) {
  if (is_index(document)) return oci::Index::parse(document.bytes, document.media_type).subject;
  return oci::Manifest::parse_artifact(document.bytes, document.media_type).subject;
}

std::optional<oci::Index> find_index(store::Store& store, const store::ImageRecord& image,
                                     const std::string& name) {
  std::optional<oci::Digest> digest;
  // As the store looks names up.
  for (const std::string& text : {name, "localhost/" + name}) {
    auto reference = oci::Reference::try_parse(text);
    if (!reference || digest) continue;
    digest = reference->digest();
    for (const store::Name& known : image.names)
      if (!digest && known.name == reference->with_default_tag().str()) digest = known.digest;
  }
  if (!digest || digest == image.manifest || !store.find_blob(*digest)) return std::nullopt;
  std::string bytes = store.read_blob(*digest, oci::kMaxManifestBytes);
  if (oci::document_kind(bytes) != oci::DocumentKind::kIndex) return std::nullopt;
  return oci::Index::parse(bytes);
}

std::string dir_manifest_name(const oci::Digest& digest) {
  return std::string(digest.hex()) + ".manifest.json";
}

}  // namespace cli
