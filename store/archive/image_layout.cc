#include "store/archive/image_layout.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "store/archive/docker_archive.h"
#include "store/archive/spool.h"
#include "store/archive/tar_index.h"
#include "store/layer/compression.h"
#include "store/oci/limits.h"
#include "store/oci/media_types.h"
#include "store/oci/reference.h"
#include "store/oci/validate.h"

namespace archive {

namespace {

constexpr uint64_t kMaxLayoutFileBytes = 64 << 10;

[[noreturn]] void invalid(const std::string& message) {
  throw base::Error(base::Code::kInvalid, message, "bad-layout");
}

class OciLayout : public ImageLayout {
 public:
  OciLayout(std::unique_ptr<FileSet> files, Format format)
      : files_(std::move(files)), format_(format), index_(read_index()) {}

  Format format() const override { return format_; }
  const oci::Index& index() const override { return index_; }

 protected:
  std::optional<FileSlice> find_blob(const oci::Digest& digest) const override {
    return files_->find(
        sys::RootedPath(base::str("/blobs/", digest.algorithm(), "/", digest.hex())));
  }

 private:
  oci::Index read_index() const {
    auto marker = files_->find(sys::RootedPath("/oci-layout"));
    if (!marker) invalid(files_->name() + ": the file oci-layout is missing");
    return base::with_context(files_->name(), [&] {
      oci::validate_document(oci::DocumentType::kLayout, marker->read_text(kMaxLayoutFileBytes));
      auto index = files_->find(sys::RootedPath("/index.json"));
      if (!index) invalid("the file index.json is missing");
      return oci::Index::parse(index->read_text(oci::kMaxManifestBytes));
    });
  }

  std::unique_ptr<FileSet> files_;
  Format format_;
  oci::Index index_;
};

/// Chooses by what is there. A bundle with both forms (docker's own since version 25) is read as
/// OCI: that keeps its digests.
std::unique_ptr<ImageLayout> detect(std::unique_ptr<FileSet> files, Format format) {
  bool has_index = files->find(sys::RootedPath("/index.json")).has_value();
  bool has_marker = files->find(sys::RootedPath("/oci-layout")).has_value();
  bool has_docker = files->find(sys::RootedPath("/manifest.json")).has_value();
  if (has_docker && !(has_index && has_marker)) return docker_archive(std::move(files));
  if (has_index || has_marker) return std::make_unique<OciLayout>(std::move(files), format);
  if (files->find(sys::RootedPath("/repositories")))
    throw base::Error(base::Code::kUnsupported,
                      files->name() +
                          ": docker archives without manifest.json (before docker 1.10) "
                          "are not supported",
                      "image-too-old");
  invalid(files->name() +
          ": neither an OCI image layout nor a docker archive: it has no index.json "
          "and no manifest.json");
}

std::unique_ptr<ImageLayout> open_file(sys::UniqueFd fd, const std::string& name,
                                       const OpenOptions& options) {
  auto shared = std::make_shared<sys::UniqueFd>(std::move(fd));
  struct stat st;
  if (::fstat(shared->get(), &st) < 0) base::throw_errno("stat " + name);
  FileSlice whole(shared, 0, static_cast<uint64_t>(st.st_size), base::printable(name));
  std::string head = whole.head(512);
  layer::Compression packed = layer::detect(base::as_bytes(head));
  sys::UniqueFd plain;
  if (packed == layer::Compression::kNone) {
    if (!is_tar_header(head)) invalid(whole.name() + ": neither a directory nor a tar archive");
    plain = shared->duplicate();
  } else {
    plain = base::with_context(whole.name(), [&] {
      auto source = whole.open();
      auto unpacked = layer::decompress(*source, packed, options.limits);
      return spool(*unpacked, options.spool_directory);
    });
  }
  return detect(tar_files(std::move(plain), name), Format::kOciArchive);
}

bool same_name(std::string_view a, std::string_view b) {
  if (a == b) return true;
  auto left = oci::Reference::try_parse(a);
  auto right = oci::Reference::try_parse(b);
  return left && right && left->with_default_tag() == right->with_default_tag();
}

bool is_named(const oci::Descriptor& entry, std::string_view ref_name) {
  std::vector<std::string> names = ImageLayout::names_of(entry);
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return same_name(name, ref_name); });
}

/// Entries of one digest as one, in order of first appearance.
struct Group {
  oci::Descriptor entry;
  std::vector<std::string> names;
};

std::vector<Group> group_by_digest(const std::vector<oci::Descriptor>& entries) {
  std::vector<Group> groups;
  for (const oci::Descriptor& entry : entries) {
    auto at = std::find_if(groups.begin(), groups.end(),
                           [&](const Group& g) { return g.entry.digest == entry.digest; });
    if (at == groups.end()) at = groups.insert(groups.end(), Group{entry, {}});
    for (std::string& name : ImageLayout::names_of(entry))
      if (std::find(at->names.begin(), at->names.end(), name) == at->names.end())
        at->names.push_back(std::move(name));
  }
  return groups;
}

base::Error several_images() {
  base::Error error(base::Code::kInvalid, "the layout holds several images", "several-images");
  return error.add_help("choose one by its name: oci:DIR:NAME, torte load --ref-name NAME");
}

/// Says of itself that it is something else than an image.
bool is_artifact(const oci::Descriptor& entry) {
  return !entry.artifact_type.empty() && !oci::is_config_type(entry.artifact_type);
}

}  // namespace

std::unique_ptr<ImageLayout> ImageLayout::open(const std::filesystem::path& path,
                                               const OpenOptions& options) {
  struct stat st;
  if (::stat(path.c_str(), &st) < 0) {
    if (errno == ENOENT || errno == ENOTDIR)
      throw base::Error(base::Code::kNotFound, "no such file: " + path.string(), "file-missing");
    base::throw_errno("open " + path.string());
  }
  if (S_ISDIR(st.st_mode))
    return detect(directory_files(sys::Root::open(path), path.string()), Format::kOciDirectory);
  return open_file(sys::open_user_file(path), path.string(), options);
}

std::unique_ptr<ImageLayout> ImageLayout::open_stream(int fd, const std::string& name,
                                                      const OpenOptions& options) {
  sys::FdSource source(fd, name);
  return open_file(spool(source, options.spool_directory), name, options);
}

std::vector<std::string> ImageLayout::names_of(const oci::Descriptor& entry) {
  std::vector<std::string> names;
  for (std::string_view key : {oci::annotation::kContainerdName, oci::annotation::kRefName})
    if (std::string name = entry.annotation(key); !name.empty()) names.push_back(std::move(name));
  return names;
}

FoundImage ImageLayout::resolve(oci::Descriptor entry, const oci::Platform& platform) const {
  for (size_t depth = 0; oci::is_index_type(entry.media_type); ++depth) {
    if (depth >= oci::kMaxIndexDepth)
      invalid(base::str("index ", entry.digest.str(), ": indexes nest deeper than ",
                        oci::kMaxIndexDepth));
    std::string text = read_blob(entry, oci::kMaxManifestBytes);
    oci::Index inner = oci::Index::parse(text, entry.media_type);
    const oci::Descriptor* found = inner.find(platform);
    if (found == nullptr)
      throw base::Error(base::Code::kNotFound,
                        base::str("index ", entry.digest.str(), ": no image for ", platform.str()),
                        "platform-missing");
    oci::Descriptor next = *found;
    entry = std::move(next);
  }
  if (!oci::is_manifest_type(entry.media_type))
    invalid(base::str(base::printable(entry.media_type, 100), " ", entry.digest.str(),
                      ": neither an image manifest nor an index"));
  std::string text = read_blob(entry, oci::kMaxManifestBytes);
  return base::with_context("manifest " + entry.digest.str(), [&] {
    oci::Manifest manifest = oci::Manifest::parse(text, entry.media_type);
    oci::ImageConfig config =
        oci::ImageConfig::parse(read_blob(manifest.config, oci::kMaxConfigBytes));
    manifest.require_matching(config);
    return FoundImage{entry, std::move(manifest), std::move(config), {}};
  });
}

std::vector<oci::Descriptor> ImageLayout::entries_named(std::string_view ref_name) const {
  std::vector<oci::Descriptor> entries;
  for (const oci::Descriptor& entry : index().manifests)
    if (ref_name.empty() ? !is_artifact(entry) : is_named(entry, ref_name))
      entries.push_back(entry);
  if (entries.empty()) {
    base::Error error(base::Code::kNotFound,
                      ref_name.empty() ? "the layout holds no images"
                                       : base::str("the layout holds no image named \"",
                                                   base::printable(ref_name, 200), "\""),
                      "image-missing");
    std::string known;
    for (const Group& group : group_by_digest(index().manifests))
      for (const std::string& name : group.names) known += " " + base::printable(name, 100);
    if (!known.empty()) error.add_help("it names:" + base::printable(known, 600));
    throw error;
  }
  return entries;
}

oci::Descriptor ImageLayout::get_entry(std::string_view ref_name) const {
  std::vector<Group> groups = group_by_digest(entries_named(ref_name));
  if (groups.size() > 1) throw several_images();
  oci::Descriptor entry = groups[0].entry;
  entry.annotations.clear();  // they name it here
  return entry;
}

FoundImage ImageLayout::get_image(std::string_view ref_name, const oci::Platform& platform) const {
  std::vector<oci::Descriptor> entries = entries_named(ref_name);
  std::vector<Group> groups = group_by_digest(entries);
  if (groups.size() > 1) {
    // Several platforms side by side are one image; several for this platform are not.
    std::vector<oci::Descriptor> usable;
    for (const Group& group : groups)
      if (!group.entry.platform || group.entry.platform->satisfies(platform))
        usable.push_back(group.entry);
    oci::Index choice{.media_type = std::string(oci::media_type::kIndex), .manifests = usable};
    const oci::Descriptor* best = choice.find(platform);
    if (best == nullptr)
      throw base::Error(base::Code::kNotFound, "the layout holds no image for " + platform.str(),
                        "platform-missing");
    for (const oci::Descriptor& other : usable)
      if (other.digest != best->digest && other.platform == best->platform) throw several_images();
    groups = group_by_digest({*best});
  }
  FoundImage image = resolve(groups[0].entry, platform);
  image.names = groups[0].names;
  return image;
}

std::vector<FoundImage> ImageLayout::get_images(const oci::Platform& platform) const {
  std::vector<FoundImage> images;
  std::vector<oci::Descriptor> entries = index().manifests;
  std::erase_if(entries, is_artifact);
  std::vector<Group> groups = group_by_digest(entries);
  bool named =
      std::any_of(groups.begin(), groups.end(), [](const Group& g) { return !g.names.empty(); });
  if (!named && !groups.empty()) {
    images.push_back(get_image("", platform));
    return images;
  }
  for (const Group& group : groups) {
    if (group.entry.platform && !group.entry.platform->satisfies(platform)) continue;
    images.push_back(resolve(group.entry, platform));
    images.back().names = group.names;
  }
  if (images.empty())
    throw base::Error(base::Code::kNotFound, "the layout holds no image for " + platform.str(),
                      "platform-missing");
  return images;
}

std::unique_ptr<base::Source> ImageLayout::open_unverified_blob(const oci::Descriptor& blob) const {
  auto file = find_blob(blob.digest);
  if (!file) {
    std::string message = base::str("blob ", blob.digest.str(), " is not in the layout");
    if (!blob.urls.empty()) message += "; the URLs it names are not followed";
    throw base::Error(base::Code::kNotFound, message, "blob-missing");
  }
  if (file->size_bytes() != blob.size_bytes)
    throw base::Error(base::Code::kCorrupt,
                      base::str("blob ", blob.digest.str(), " has ", file->size_bytes(),
                                " bytes, its descriptor says ", blob.size_bytes),
                      "size-mismatch");
  return file->open();
}

std::unique_ptr<base::Source> ImageLayout::open_blob(const oci::Descriptor& blob) const {
  return std::make_unique<oci::VerifiedSource>(open_unverified_blob(blob), blob.digest,
                                               blob.size_bytes);
}

std::string ImageLayout::read_blob(const oci::Descriptor& blob, uint64_t limit) const {
  if (blob.size_bytes > limit)
    invalid(base::str(base::printable(blob.media_type, 100), " ", blob.digest.str(), ": ",
                      blob.size_bytes, " bytes; the limit is ", limit));
  auto source = open_blob(blob);
  return base::read_all(*source, limit);
}

}  // namespace archive
