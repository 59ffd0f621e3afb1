#include "cli/images/copy_target.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "cli/images/base_images.h"
#include "cli/images/blob_files.h"
#include "cli/images/incoming_blob.h"
#include "cli/images/packed_import.h"
#include "cli/images/reported_source.h"
#include "cli/output_file.h"
#include "store/archive/image_writer.h"
#include "store/archive/spool.h"
#include "store/layer/compression.h"
#include "store/oci/index.h"
#include "store/oci/limits.h"
#include "store/oci/media_types.h"

namespace cli {

namespace {

/// As in pull: more do not help.
constexpr unsigned kLayersAtOnce = 3;

/// And no signature, attestation or the like in the form of one.
bool is_image(const oci::Manifest& manifest) {
  return oci::is_config_type(manifest.config.media_type) &&
         std::all_of(manifest.layers.begin(), manifest.layers.end(),
                     [](const oci::Descriptor& layer) {
                       oci::LayerType type;
                       return oci::find_layer_type(layer.media_type, &type);
                     });
}

oci::Manifest parse_any(const registry::Document& document) {
  return oci::Manifest::parse_artifact(document.bytes, document.media_type);
}

/// Layers, and then the configuration.
std::vector<oci::Descriptor> blobs_of(const oci::Manifest& manifest) {
  std::vector<oci::Descriptor> blobs = manifest.layers;
  blobs.push_back(manifest.config);
  return blobs;
}

oci::ImageConfig read_config(CopySource& source, const oci::Manifest& manifest) {
  oci::ImageConfig config =
      oci::ImageConfig::parse(read_blob(source, manifest.config, oci::kMaxConfigBytes));
  manifest.require_matching(config);
  return config;
}

oci::Descriptor describe(const registry::Document& document) {
  std::string type = document.media_type;
  if (type.empty())
    type = is_index(document) ? oci::Index::parse(document.bytes).media_type
                              : parse_any(document).media_type;
  return {type, document.digest, document.bytes.size()};
}

class RegistryTarget : public CopyTarget {
 public:
  RegistryTarget(registry::Repository repository, std::string tag, const TargetOptions& options)
      : CopyTarget(options.transfer),
        repository_(std::move(repository)),
        tag_(std::move(tag)),
        preserve_digests_(options.preserve_digests) {
    repository_.prepare_to_write();
  }

  void put_manifest(CopySource& source, const registry::Document& document, bool is_top) override {
    // A registry that has the manifest has its blobs.
    if (!is_top && repository_.has_manifest(document.digest)) return;
    for (const oci::Descriptor& blob : blobs_of(parse_any(document)))
      repository_.put_blob(
          blob.digest, blob.size_bytes, [&](uint64_t offset) { return read(source, blob, offset); },
          mount_from(source));
    put(document, is_top);
  }
  void put_index(const registry::Document& document, bool is_top) override {
    put(document, is_top);
  }
  oci::Digest finish() override { return digest_.value(); }

 private:
  /// The other repository of the same registry that the source is.
  std::string mount_from(const CopySource& source) const {
    const registry::Repository* from = source.repository();
    bool same = from != nullptr && from->client().host() == repository_.client().host();
    return same ? from->path() : "";
  }

  void put(const registry::Document& document, bool is_top) {
    // Registries are given sha256; what an index names must be there under the name it has.
    if (document.digest.algorithm() != "sha256" && (!is_top || preserve_digests_))
      throw base::Error(base::Code::kUnsupported,
                        base::str("manifest ", document.digest.str(),
                                  " would get another digest: it is not sha256"),
                        "digest-changes");
    oci::Digest digest =
        repository_.put_document(document.bytes, describe(document).media_type, is_top ? tag_ : "");
    if (is_top) digest_ = digest;
  }

  registry::Repository repository_;
  std::string tag_;
  const bool preserve_digests_;
  std::optional<oci::Digest> digest_;
};

/// An OCI layout, in a directory or a file.
class LayoutTarget : public CopyTarget {
 public:
  LayoutTarget(std::unique_ptr<archive::ImageWriter> writer, std::unique_ptr<OutputFile> file,
               std::string name, const TransferOptions& options)
      : CopyTarget(options),
        file_(std::move(file)),
        writer_(std::move(writer)),
        name_(std::move(name)) {}

  void put_manifest(CopySource& source, const registry::Document& document, bool is_top) override {
    oci::Manifest manifest = parse_any(document);
    for (const oci::Descriptor& blob : blobs_of(manifest))
      writer_->add_blob(blob, [&](base::Sink& out) { base::copy(*read(source, blob), out); });
    oci::Descriptor entry = describe(document);
    if (is_top && is_image(manifest)) entry.platform = read_config(source, manifest).platform;
    put(document, std::move(entry), is_top);
  }
  void put_index(const registry::Document& document, bool is_top) override {
    put(document, describe(document), is_top);
  }
  oci::Digest finish() override {
    writer_->finish();
    if (file_) file_->commit();
    return digest_.value();
  }

 protected:
  void list_referrer(const registry::Document& document) override {
    if (is_index(document))
      writer_->add_entry(describe(document), "");
    else
      writer_->add_artifact(parse_any(document));
  }

 private:
  void put(const registry::Document& document, oci::Descriptor entry, bool is_top) {
    writer_->add_blob(entry, document.bytes);
    if (!is_top) return;
    writer_->add_entry(std::move(entry), name_);
    digest_ = document.digest;
  }

  std::unique_ptr<OutputFile> file_;  ///< null for a directory; the writer borrows it
  std::unique_ptr<archive::ImageWriter> writer_;
  std::string name_;
  std::optional<oci::Digest> digest_;
};

/// Holds uncompressed layers: packed ones are unpacked, and the image gets a manifest of its own.
class DockerArchiveTarget : public CopyTarget {
 public:
  DockerArchiveTarget(std::unique_ptr<OutputFile> file, std::vector<oci::Reference> names,
                      const TargetOptions& options)
      : CopyTarget(options.transfer),
        file_(std::move(file)),
        writer_(archive::write_docker_archive(*file_)),
        names_(std::move(names)),
        preserve_digests_(options.preserve_digests) {}

  void put_manifest(CopySource& source, const registry::Document& document, bool) override {
    oci::Manifest manifest = oci::Manifest::parse(document.bytes, document.media_type);
    oci::ImageConfig config = read_config(source, manifest);
    bool packed = std::any_of(manifest.layers.begin(), manifest.layers.end(),
                              [](const oci::Descriptor& layer) {
                                return compression_of(layer) != layer::Compression::kNone;
                              });
    if (packed && preserve_digests_)
      throw base::Error(base::Code::kUnsupported,
                        "a docker archive holds uncompressed layers: the digest would change",
                        "digest-changes")
          .add_help("oci-archive: and dir: hold an image as it is");
    oci::Manifest written = packed ? begin_manifest(config) : manifest;
    for (size_t i = 0; i < manifest.layers.size(); ++i) {
      oci::Descriptor layer = put_layer(source, manifest.layers[i], config.diff_ids[i]);
      if (packed) written.layers.push_back(std::move(layer));
    }
    writer_->add_blob(written.config, config.bytes());
    writer_->add_image(written, config, names_);
    digest_ = written.describe().digest;
  }
  void put_index(const registry::Document& document, bool) override { expect(document); }
  void expect(const registry::Document& top) override {
    if (!is_index(top)) return;
    throw base::Error(base::Code::kUnsupported, "a docker archive holds one platform",
                      "one-platform")
        .add_help("oci-archive: and dir: hold several; --platform chooses one");
  }
  oci::Digest finish() override {
    writer_->finish();
    file_->commit();
    return digest_.value();
  }

 private:
  oci::Descriptor put_layer(CopySource& source, const oci::Descriptor& layer,
                            const oci::DiffId& diff_id) {
    if (compression_of(layer) == layer::Compression::kNone) {
      writer_->add_blob(layer, [&](base::Sink& out) { base::copy(*read(source, layer), out); });
      return layer;
    }
    // A tar says how long a file is before the file.
    sys::UniqueFd unpacked = base::with_context("layer " + layer.digest.str(), [&] {
      auto packed = read(source, layer);
      auto plain = layer::decompress(*packed, compression_of(layer), options().limits);
      sys::UniqueFd fd = archive::spool(*plain, {});
      // What follows the last member is part of the blob too.
      base::CountingSink rest;
      base::copy(*packed, rest);
      return fd;
    });
    struct stat st;
    if (::fstat(unpacked.get(), &st) < 0) base::throw_errno("stat an unpacked layer");
    oci::Descriptor plain{std::string(oci::media_type::kLayer), diff_id.digest(),
                          static_cast<uint64_t>(st.st_size)};
    if (::lseek(unpacked.get(), 0, SEEK_SET) < 0) base::throw_errno("rewind an unpacked layer");
    sys::FdSource bytes(unpacked.get(), "an unpacked layer");
    writer_->add_blob(plain, bytes);
    return plain;
  }

  std::unique_ptr<OutputFile> file_;
  std::unique_ptr<archive::ImageWriter> writer_;
  std::vector<oci::Reference> names_;
  const bool preserve_digests_;
  std::optional<oci::Digest> digest_;
};

class DirectoryTarget : public CopyTarget {
 public:
  DirectoryTarget(std::filesystem::path directory, const TransferOptions& options)
      : CopyTarget(options), directory_(std::move(directory)) {}

  void put_manifest(CopySource& source, const registry::Document& document, bool is_top) override {
    for (const oci::Descriptor& blob : blobs_of(parse_any(document)))
      write_blob_file(directory_ / blob.digest.hex(), [&] { return read(source, blob); });
    put(document, is_top);
  }
  void put_index(const registry::Document& document, bool is_top) override {
    put(document, is_top);
  }
  oci::Digest finish() override { return digest_.value(); }

 private:
  void put(const registry::Document& document, bool is_top) {
    sys::make_directories(directory_, 0755);
    std::string name = is_top ? kDirManifest : dir_manifest_name(document.digest);
    if (is_top)
      sys::write_file_durably(directory_ / "version", "Directory Transport Version: 1.1\n", 0644);
    sys::write_file_durably(directory_ / name, document.bytes, 0644);
    if (is_top) digest_ = document.digest;
  }

  std::filesystem::path directory_;
  std::optional<oci::Digest> digest_;
};

class StoreTarget : public CopyTarget {
 public:
  StoreTarget(store::Store& store, oci::Reference name, const TransferOptions& transfer,
              StoreTargetOptions options)
      : CopyTarget(transfer),
        store_(store),
        name_(std::move(name)),
        how_(std::move(options)),
        lease_(store.lease()),
        batch_(store.batch()) {}

  void put_manifest(CopySource& source, const registry::Document& document, bool is_top) override {
    oci::Manifest manifest = parse_any(document);
    if (is_top || is_image(manifest))
      import(source, oci::Manifest::parse(document.bytes, document.media_type), is_top);
    else
      keep(source, manifest);
    if (is_top) digest_ = document.digest;
  }
  void put_index(const registry::Document& document, bool is_top) override {
    keep_document(document.bytes);
    if (!is_top) return;
    digest_ = document.digest;
    name_images(oci::Index::parse(document.bytes, document.media_type));
  }
  oci::Digest finish() override {
    batch_.commit();
    return digest_.value();
  }

 private:
  void import(CopySource& source, oci::Manifest manifest, bool is_top) {
    IncomingImage image{.manifest = std::move(manifest)};
    image.config = read_config(source, image.manifest);
    image.open = [&](const oci::Descriptor& blob, uint64_t offset) {
      return source.open_blob(blob, offset);
    };
    image.fetched = true;  // open() takes any offset
    std::string place;
    if (const registry::Repository* repository = source.repository()) {
      place = repository->client().host() + "/" + repository->path();
      image.parallel = kLayersAtOnce;
      image.abort = how_.abort;
    }
    std::vector<oci::Reference> names;
    if (is_top) names.push_back(name_);
    oci::Digest digest = image.manifest.describe().digest;
    oci::Digest id = how_.packed ? import_packed(store_, image, names, place, options())
                                 : import_image(store_, image, names, options());
    images_.insert_or_assign(digest, id);
  }

  /// What is no image lives as long as the image that keeps the index.
  void keep(CopySource& source, const oci::Manifest& manifest) {
    for (const oci::Descriptor& blob : blobs_of(manifest)) {
      auto writer = store_.write_blob({.digest = blob.digest, .size_bytes = blob.size_bytes});
      base::copy(*read(source, blob), *writer);
      batch_.add_blob(writer->finish());
      kept_.push_back(blob.digest);
    }
    keep_document(manifest.bytes());
  }

  void keep_document(const std::string& text) {
    auto writer = store_.write_blob();
    writer->write(base::as_bytes(text));
    store::StagedBlob staged = writer->finish();
    kept_.push_back(staged.digest());
    batch_.add_blob(std::move(staged));
  }

  std::optional<oci::Digest> find_entry(const oci::Descriptor& entry) {
    if (auto copied = images_.find(entry.digest); copied != images_.end()) return copied->second;
    auto there = store_.find_image(entry.digest.str());
    return there ? std::optional(there->id) : std::nullopt;
  }

  void name_images(const oci::Index& index) {
    std::vector<std::pair<oci::Descriptor, oci::Digest>> images;
    for (const oci::Descriptor& entry : index.manifests)
      if (auto id = find_entry(entry)) images.emplace_back(entry, *id);
    if (images.empty())
      throw base::Error(base::Code::kUnsupported,
                        "the store has none of the images of index " + digest_->str(),
                        "index-alone")
          .add_help("--all brings them with the index");
    const oci::Descriptor* own = index.find(oci::Platform::host());
    auto main = std::find_if(images.begin(), images.end(), [&](const auto& image) {
      return own != nullptr && image.first.digest == own->digest;
    });
    if (main == images.end()) main = images.begin();
    store::ImageRecord record = store_.find_image_by_id(main->second).value();
    record.blobs.insert(record.blobs.end(), kept_.begin(), kept_.end());
    batch_.add_image(std::move(record));
    batch_.set_name({name_.str(), digest_}, main->second);
    std::set<std::string> given;
    for (auto image = images.begin(); image != images.end(); ++image) {
      if (image == main) continue;
      const auto& [entry, id] = *image;
      oci::Platform platform = oci::Platform::parse(store_.find_image_by_id(id).value().platform);
      oci::Reference other =
          name_.tag().empty() ? name_.with_digest(entry.digest) : name_of_platform(name_, platform);
      if (!given.insert(other.str()).second) other = name_.with_digest(entry.digest);
      batch_.set_name({other.str(), entry.digest}, id);
    }
  }

  store::Store& store_;
  oci::Reference name_;
  StoreTargetOptions how_;
  store::Lease lease_;
  store::Batch batch_;
  std::map<oci::Digest, oci::Digest> images_;  ///< manifest to image id, of what was copied
  std::vector<oci::Digest> kept_;
  std::optional<oci::Digest> digest_;
};

}  // namespace

std::unique_ptr<base::Source> CopyTarget::read(CopySource& source, const oci::Descriptor& blob,
                                               uint64_t offset) const {
  base::event::Transfer state = transfer_of(blob);
  state.done_bytes = offset;
  return std::make_unique<ReportedSource>(open_verified(source, blob, offset), std::move(state),
                                          options_);
}

void CopyTarget::put_referrer(CopySource& source, const registry::Document& document) {
  if (is_index(document))
    put_index(document, false);
  else
    put_manifest(source, document, false);
  list_referrer(document);
}

std::unique_ptr<CopyTarget> open_copy_target(const Context& context, Registries& registries,
                                             const Place& place, store::Store* store,
                                             const TargetOptions& options) {
  using Transport = Place::Transport;
  switch (place.transport) {
    case Transport::kDocker: {
      oci::Reference name = place.reference();
      return copy_target_of(registries.repository(name), name.digest() ? "" : name.tag(), options);
    }
    case Transport::kStore:
      CHECK(store != nullptr);
      return copy_target_of(*store, place.reference(), options.transfer,
                            {.abort = [&registries] { registries.abort(); }});
    case Transport::kDirectory:
      return std::make_unique<DirectoryTarget>(place.path, options.transfer);
    case Transport::kOciDirectory:
      return std::make_unique<LayoutTarget>(archive::write_oci_directory(place.path), nullptr,
                                            place.name, options.transfer);
    case Transport::kOciArchive:
    case Transport::kDockerArchive:
      break;
  }
  auto file = std::make_unique<OutputFile>(place.path, context.out_fd);
  if (place.transport == Transport::kDockerArchive) {
    std::vector<oci::Reference> names;
    if (!place.name.empty()) names.push_back(place.reference());
    return std::make_unique<DockerArchiveTarget>(std::move(file), std::move(names), options);
  }
  auto writer = archive::write_oci_archive(*file);
  return std::make_unique<LayoutTarget>(std::move(writer), std::move(file), place.name,
                                        options.transfer);
}

std::unique_ptr<CopyTarget> copy_target_of(const registry::Repository& repository,
                                           const std::string& tag, const TargetOptions& options) {
  return std::make_unique<RegistryTarget>(repository, tag, options);
}

std::unique_ptr<CopyTarget> copy_target_of(store::Store& store, const oci::Reference& name,
                                           const TransferOptions& transfer,
                                           StoreTargetOptions options) {
  return std::make_unique<StoreTarget>(store, name, transfer, std::move(options));
}

}  // namespace cli
