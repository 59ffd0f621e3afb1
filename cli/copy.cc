#include "cli/copy.h"

#include <map>

#include "base/error.h"
#include "base/text.h"
#include "base/sys/file.h"
#include "cli/base_images.h"
#include "cli/blob_files.h"
#include "cli/context.h"
#include "cli/open_store.h"
#include "cli/output_file.h"
#include "cli/push.h"
#include "store/archive/image_layout.h"
#include "store/archive/image_writer.h"
#include "store/oci/limits.h"
#include "store/oci/media_types.h"

namespace cli {

namespace {

using Transport = Place::Transport;

oci::Reference reference_of(const Place& place) {
  return oci::Reference::parse(place.name).with_default_tag();
}

/// An image on its way: what it is, and where its blobs come from.
struct Picture {
  oci::Manifest manifest;
  oci::ImageConfig config;
  std::function<std::unique_ptr<base::Source>(const oci::Descriptor&, uint64_t offset)> open;
  std::shared_ptr<void> owner;  ///< what `open` borrows from
};

Picture from_registry(Registries& registries, const Place& from, const oci::Platform& platform) {
  auto repository = std::make_shared<registry::Repository>(registries.repository(reference_of(from)));
  registry::ResolvedImage found = repository->resolve(reference_of(from), platform);
  Picture picture{.manifest = found.manifest};
  picture.config = oci::ImageConfig::parse(repository->read_blob(found.manifest.config, oci::kMaxConfigBytes));
  picture.open = [r = repository.get()](const oci::Descriptor& blob, uint64_t offset) {
    return r->open_blob(blob, offset);
  };
  picture.owner = repository;
  return picture;
}

Picture from_files(const Place& from, const CopyOptions& options) {
  archive::OpenOptions opening;
  opening.limits = options.transfer.limits;
  std::shared_ptr<archive::ImageLayout> layout = archive::ImageLayout::open(from.path, opening);
  archive::FoundImage found = layout->get_image(from.name, options.platform);
  Picture picture{.manifest = found.manifest};
  picture.config = found.config;
  picture.open = [l = layout.get()](const oci::Descriptor& blob, uint64_t offset) {
    auto source = l->open_unverified_blob(blob);
    skip(*source, offset);
    return source;
  };
  picture.owner = layout;
  return picture;
}

// dir: is one image in one directory: its manifest as manifest.json, and blobs by the hex of their digest.
// [containers/image, containers-transports(5)]
constexpr const char* kDirManifest = "manifest.json";
constexpr const char* kDirVersion = "Directory Transport Version: 1.1\n";

Picture from_directory(const Place& from) {
  std::filesystem::path directory = from.path;
  std::string text = sys::read_user_file(directory / kDirManifest, oci::kMaxManifestBytes);
  if (oci::document_kind(text) == oci::DocumentKind::kIndex)
    throw base::Error(base::Code::kUnsupported,
                      "dir:" + from.path + " holds several platforms, which is not built", "not-built");
  Picture picture{.manifest = oci::Manifest::parse(text)};
  picture.open = [directory](const oci::Descriptor& blob, uint64_t offset) {
    return open_blob_file(directory / blob.digest.hex(), offset);
  };
  oci::VerifiedSource config(picture.open(picture.manifest.config, 0), picture.manifest.config.digest,
                             picture.manifest.config.size_bytes);
  picture.config = oci::ImageConfig::parse(base::read_all(config, oci::kMaxConfigBytes));
  return picture;
}

/// A blob checked from its beginning, then read from `offset`.
std::unique_ptr<base::Source> open_verified(const Picture& picture, const oci::Descriptor& blob,
                                            uint64_t offset) {
  auto source = std::make_unique<oci::VerifiedSource>(picture.open(blob, 0), blob.digest, blob.size_bytes);
  skip(*source, offset);
  return source;
}

void put_blob(registry::Repository& to, const Picture& picture, const oci::Descriptor& blob,
              const std::string& from) {
  to.put_blob(blob.digest, blob.size_bytes, [&](uint64_t offset) {
    return open_verified(picture, blob, offset);
  }, from);
}

oci::Digest to_registry(Registries& registries, const Picture& picture, const Place& to,
                        const std::string& from) {
  oci::Reference reference = reference_of(to);
  registry::Repository repository = registries.repository(reference);
  repository.prepare_to_write();
  for (const oci::Descriptor& layer : picture.manifest.layers) put_blob(repository, picture, layer, from);
  std::string config = picture.config.bytes();
  repository.put_blob(picture.manifest.config.digest, picture.manifest.config.size_bytes,
                      [&](uint64_t offset) {
                        return std::make_unique<base::MemorySource>(base::as_bytes(config).subspan(offset));
                      },
                      from);
  return repository.put_document(picture.manifest.bytes(), picture.manifest.media_type, reference.tag());
}

void write_picture(const Picture& picture, const std::vector<oci::Reference>& names,
                   archive::ImageWriter& writer) {
  for (const oci::Descriptor& layer : picture.manifest.layers)
    writer.add_blob(layer, [&](base::Sink& out) {
      auto source = open_verified(picture, layer, 0);
      base::copy(*source, out);
    });
  std::string config = picture.config.bytes();
  writer.add_blob(picture.manifest.config, [&](base::Sink& out) { out.write(base::as_bytes(config)); });
  writer.add_image(picture.manifest, picture.config, names);
  writer.finish();
}

void to_directory(const Picture& picture, const Place& to) {
  std::filesystem::path directory = to.path;
  sys::make_directories(directory, 0755);
  for (const oci::Descriptor& layer : picture.manifest.layers)
    write_blob_file(directory / layer.digest.hex(), [&] { return open_verified(picture, layer, 0); });
  std::string config = picture.config.bytes();
  write_blob_file(directory / picture.manifest.config.digest.hex(),
                  [&] { return std::make_unique<base::MemorySource>(base::as_bytes(config)); });
  sys::write_file_durably(directory / "version", kDirVersion, 0644);
  sys::write_file_durably(directory / kDirManifest, picture.manifest.bytes(), 0644);
}

void to_files(const Context& context, const Picture& picture, const Place& to) {
  if (to.transport == Transport::kDirectory) return to_directory(picture, to);
  std::vector<oci::Reference> names;
  if (!to.name.empty()) names.push_back(reference_of(to));
  if (to.transport == Transport::kOciDirectory)
    return write_picture(picture, names, *archive::write_oci_directory(to.path));
  if (to.transport == Transport::kDockerArchive)
    for (const oci::Descriptor& layer : picture.manifest.layers) {
      oci::LayerType type;
      if (!oci::find_layer_type(layer.media_type, &type) || type.encoding != oci::LayerEncoding::kNone)
        throw base::Error(base::Code::kUnsupported,
                          "a docker archive holds uncompressed layers; copying packed ones into it is not built",
                          "not-built")
            .add_help("torte pull, then torte save --format docker-archive");
    }
  OutputFile file(to.path, context.out_fd);
  write_picture(picture, names, to.transport == Transport::kOciArchive
                                    ? *archive::write_oci_archive(file)
                                    : *archive::write_docker_archive(file));
  file.commit();
}

oci::Digest to_store(const Context& context, const Picture& picture, const Place& to,
                     const CopyOptions& options) {
  auto store = open_store(context);
  IncomingImage image{.manifest = picture.manifest, .config = picture.config, .open = picture.open};
  image.fetched = true;  // open() takes any offset
  import_image(*store, image, {reference_of(to)}, options.transfer);
  return picture.manifest.describe().digest;
}

/// Everything an index lists, and the index itself: the same bytes, the same digests.
class DocumentCopy {
 public:
  DocumentCopy(registry::Repository& from, registry::Repository& to, bool referrers)
      : from_(from), to_(to), referrers_(referrers) {
    if (from.client().host() == to.client().host()) mount_ = from.path();
  }

  oci::Digest copy(const registry::Document& document, const std::string& tag, size_t depth = 0) {
    if (depth > oci::kMaxIndexDepth)
      throw base::Error(base::Code::kInvalid, from_.name() + ": too many documents inside each other",
                        "bad-document");
    bool is_index = oci::document_kind(document.bytes, document.media_type) == oci::DocumentKind::kIndex;
    std::string type = is_index ? copy_entries(document, depth) : copy_blobs(document);
    oci::Digest digest = to_.put_document(document.bytes, type, tag);
    if (referrers_)
      for (const oci::Descriptor& referrer : from_.list_referrers(document.digest)) copy_entry(referrer, depth);
    return digest;
  }

 private:
  std::string copy_entries(const registry::Document& document, size_t depth) {
    oci::Index index = oci::Index::parse(document.bytes, document.media_type);
    for (const oci::Descriptor& entry : index.manifests) copy_entry(entry, depth);
    return index.media_type;
  }

  void copy_entry(const oci::Descriptor& entry, size_t depth) {
    registry::Document inner = from_.get_document(entry.digest.str());
    inner.media_type = entry.media_type;
    copy(inner, {}, depth + 1);
  }

  std::string copy_blobs(const registry::Document& document) {
    oci::Manifest manifest = oci::Manifest::parse_artifact(document.bytes, document.media_type);
    Picture picture{.manifest = manifest};
    picture.open = [&](const oci::Descriptor& blob, uint64_t offset) { return from_.open_blob(blob, offset); };
    for (const oci::Descriptor& layer : manifest.layers) put_blob(to_, picture, layer, mount_);
    put_blob(to_, picture, manifest.config, mount_);
    return manifest.media_type;
  }

  registry::Repository& from_;
  registry::Repository& to_;
  const bool referrers_;
  std::string mount_;
};

}  // namespace

Place Place::parse(const std::string& text) {
  static const std::map<std::string, Transport> kFiles = {{"oci", Transport::kOciDirectory},
                                                          {"oci-archive", Transport::kOciArchive},
                                                          {"docker-archive", Transport::kDockerArchive},
                                                          {"dir", Transport::kDirectory}};
  if (text.starts_with("docker://")) return {Transport::kDocker, {}, text.substr(9)};
  size_t colon = text.find(':');
  std::string transport = text.substr(0, colon);
  std::string rest = colon == std::string::npos ? "" : text.substr(colon + 1);
  if (transport == "store" && !rest.empty()) return {Transport::kStore, {}, rest};
  auto found = kFiles.find(transport);
  if (found == kFiles.end() || rest.empty())
    throw UsageError(base::printable(text, 200) +
                     ": give docker://NAME, oci:DIR[:NAME], oci-archive:FILE[:NAME], "
                     "docker-archive:FILE[:NAME], dir:DIR or store:NAME");
  if (found->second == Transport::kDirectory) return {found->second, rest, {}};
  size_t name = rest.find(':');
  return {found->second, rest.substr(0, name), name == std::string::npos ? "" : rest.substr(name + 1)};
}

oci::Digest copy_image(const Context& context, Registries& registries, const Place& from,
                       const Place& to, const CopyOptions& options) {
  bool remote = from.transport == Transport::kDocker && to.transport == Transport::kDocker;
  if ((options.all || options.referrers) && !remote)
    throw base::Error(base::Code::kUnsupported,
                      base::str(options.all ? "--all" : "--referrers", " copies from registry to registry only so far"),
                      "not-built");
  if (remote && (options.all || options.referrers)) {
    registry::Repository source = registries.repository(reference_of(from));
    registry::Repository target = registries.repository(reference_of(to));
    target.prepare_to_write();
    oci::Reference name = reference_of(from);
    registry::Document document = source.get_document(name.digest() ? name.digest()->str() : name.tag());
    return copy_everything(source, target, document, reference_of(to).tag(), options.referrers);
  }
  if (from.transport == Transport::kStore && to.transport == Transport::kDocker) {
    auto store = open_store(context);
    return push_image(*store, registries, store->get_image(from.name), reference_of(to), Packing::kAsIs,
                      options.transfer);
  }
  if (from.transport == Transport::kStore)
    throw base::Error(base::Code::kUnsupported, "copying from the store into files is done by torte save",
                      "not-built");
  Picture picture = from.transport == Transport::kDocker      ? from_registry(registries, from, options.platform)
                    : from.transport == Transport::kDirectory ? from_directory(from)
                                                              : from_files(from, options);
  picture.manifest.require_matching(picture.config);
  std::string mount;
  if (remote && reference_of(from).domain() == reference_of(to).domain()) mount = reference_of(from).path();
  if (to.transport == Transport::kDocker) return to_registry(registries, picture, to, mount);
  if (to.transport == Transport::kStore) return to_store(context, picture, to, options);
  to_files(context, picture, to);
  return picture.manifest.describe().digest;
}

oci::Digest copy_everything(registry::Repository& from, registry::Repository& to,
                            const registry::Document& document, const std::string& tag, bool referrers) {
  return DocumentCopy(from, to, referrers).copy(document, tag);
}

}  // namespace cli
