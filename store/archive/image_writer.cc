#include "store/archive/image_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/sys/fd.h"
#include "base/sys/file.h"
#include "base/sys/root.h"
#include "base/text.h"
#include "store/archive/file_set.h"
#include "store/archive/tar_output.h"
#include "store/oci/limits.h"
#include "store/oci/media_types.h"
#include "store/oci/strict_json.h"

namespace archive {

namespace {

constexpr std::string_view kLayoutMarker = R"({"imageLayoutVersion":"1.0.0"})";

std::string blob_path(const oci::Digest& digest) {
  return base::str("blobs/", digest.algorithm(), "/", digest.hex());
}

class DirectoryWriter : public ImageWriter {
 public:
  explicit DirectoryWriter(std::filesystem::path directory) : directory_(std::move(directory)) {
    sys::make_directories(directory_ / "blobs" / "sha256", 0755);
    auto files = directory_files(sys::Root::open(directory_), directory_.string());
    if (auto old = files->find(sys::RootedPath("/index.json")))
      index() = oci::Index::parse(old->read_text(oci::kMaxManifestBytes));
    index().raw.clear();
  }

  void finish() override {
    sys::write_file_durably(directory_ / "oci-layout", kLayoutMarker, 0644);
    sys::write_file_durably(directory_ / "index.json", index().to_json(), 0644);
  }

 protected:
  void write_blob(const oci::Descriptor& blob, const Produce& produce) override {
    if (is_there(blob)) return;
    std::filesystem::path target = directory_ / blob_path(blob.digest);
    sys::make_directories(target.parent_path(), 0755);
    std::string beside = (target.parent_path() / ".new-XXXXXX").string();
    sys::UniqueFd fd(::mkostemp(beside.data(), O_CLOEXEC));
    if (!fd) base::throw_errno("create " + beside);
    try {
      sys::FdSink sink(fd.get(), beside);
      produce(sink);
      if (::fchmod(fd.get(), 0644) < 0) base::throw_errno("chmod " + beside);
      if (::fdatasync(fd.get()) < 0) base::throw_errno("sync " + beside);
      if (::rename(beside.c_str(), target.c_str()) < 0)
        base::throw_errno("rename to " + target.string());
    } catch (...) {
      ::unlink(beside.c_str());
      throw;
    }
  }

  const std::filesystem::path& directory() const { return directory_; }

 private:
  /// Read, and not only looked at: what a machine that went down left of a file may have its size.
  bool is_there(const oci::Descriptor& blob) const {
    auto file = directory_files(sys::Root::open(directory_), directory_.string())
                    ->find(sys::RootedPath("/" + blob_path(blob.digest)));
    if (!file || file->size_bytes() != blob.size_bytes) return false;
    oci::Digester content;
    base::copy(*file->open(), content);
    return content.finish() == blob.digest;  // never for sha512, which is written again
  }

  std::filesystem::path directory_;
};

/// manifest.json of docker archives.
class DockerImages {
 public:
  DockerImages() = default;
  /// Goes on with one that is there. Throws Invalid.
  explicit DockerImages(const std::string& text)
      : images_(
            nlohmann::ordered_json::parse(oci::parse_strict_json(text, "manifest.json").dump())) {
    if (!images_.is_array())
      throw base::Error(base::Code::kInvalid, "manifest.json: not an array", "bad-layout");
  }

  void add(const oci::Manifest& manifest, const std::vector<oci::Reference>& names) {
    nlohmann::ordered_json image;
    image["Config"] = blob_path(manifest.config.digest);
    image["RepoTags"] = nlohmann::ordered_json::array();
    for (const oci::Reference& name : names)
      // In full: podman would take a short name for one of localhost.
      if (!name.tag().empty()) image["RepoTags"].push_back(name.name() + ":" + name.tag());
    image["Layers"] = nlohmann::ordered_json::array();
    for (const oci::Descriptor& layer : manifest.layers)
      image["Layers"].push_back(blob_path(layer.digest));
    for (const auto& name : image["RepoTags"]) take_away(name);
    std::erase_if(images_.get_ref<nlohmann::ordered_json::array_t&>(), [&](const auto& old) {
      return old.value("Config", "") == image["Config"] &&
             (!old.contains("RepoTags") || old["RepoTags"].empty());
    });
    images_.push_back(std::move(image));
  }
  std::string text() const { return images_.dump(); }

 private:
  /// The name moves to another image.
  void take_away(const nlohmann::ordered_json& name) {
    for (auto& old : images_)
      if (old.is_object() && old.contains("RepoTags") && old["RepoTags"].is_array())
        std::erase(old["RepoTags"].get_ref<nlohmann::ordered_json::array_t&>(), name);
  }

  nlohmann::ordered_json images_ = nlohmann::ordered_json::array();
};

class DockerDirectoryWriter : public DirectoryWriter {
 public:
  explicit DockerDirectoryWriter(const std::filesystem::path& directory)
      : DirectoryWriter(directory) {
    if (auto old = sys::find_user_file(directory / "manifest.json", oci::kMaxManifestBytes))
      images_ = DockerImages(*old);
  }
  void finish() override {
    sys::write_file_durably(directory() / "manifest.json", images_.text(), 0644);
    DirectoryWriter::finish();
  }

 protected:
  void note_image(const oci::Manifest& manifest, const oci::ImageConfig&,
                  const std::vector<oci::Reference>& names) override {
    images_.add(manifest, names);
  }

 private:
  DockerImages images_;
};

class ArchiveWriter : public ImageWriter {
 public:
  explicit ArchiveWriter(base::Sink& out) : tar_(out) {
    tar_.add_file("oci-layout", kLayoutMarker);
    tar_.add_directory("blobs");
    tar_.add_directory("blobs/sha256");
  }
  void finish() override {
    tar_.add_file("index.json", index().to_json());
    tar_.finish();
  }

 protected:
  void write_blob(const oci::Descriptor& blob, const Produce& produce) override {
    tar_.add_file(blob_path(blob.digest), blob.size_bytes, produce);
  }
  TarOutput& tar() { return tar_; }

 private:
  TarOutput tar_;
};

class DockerWriter : public ArchiveWriter {
 public:
  using ArchiveWriter::ArchiveWriter;
  void finish() override {
    tar().add_file("manifest.json", images_.text());
    ArchiveWriter::finish();
  }

 protected:
  void note_image(const oci::Manifest& manifest, const oci::ImageConfig&,
                  const std::vector<oci::Reference>& names) override {
    images_.add(manifest, names);
  }

 private:
  DockerImages images_;
};

}  // namespace

void ImageWriter::add_blob(const oci::Descriptor& blob, const Produce& produce) {
  if (has_blob(blob.digest)) return;
  oci::Verifier verifier(blob.digest, blob.size_bytes);
  // The bytes are judged before write_blob() makes them part of the bundle.
  write_blob(blob, [&](base::Sink& out) {
    base::TeeSink checked(verifier, out);
    produce(checked);
    verifier.finish();
  });
  written_.insert(blob.digest);
}

void ImageWriter::add_blob(const oci::Descriptor& blob, base::Source& content) {
  add_blob(blob, [&](base::Sink& out) { base::copy(content, out); });
}

void ImageWriter::add_blob(const oci::Descriptor& blob, std::string_view content) {
  add_blob(blob, [&](base::Sink& out) { out.write(base::as_bytes(content)); });
}

oci::Descriptor ImageWriter::add_manifest(const oci::Manifest& manifest,
                                          const oci::ImageConfig& config) {
  CHECK(has_blob(manifest.config.digest));
  for (const oci::Descriptor& layer : manifest.layers) CHECK(has_blob(layer.digest));
  std::string text = manifest.bytes();
  oci::Descriptor entry = oci::Descriptor::of(manifest.media_type, text);
  add_blob(entry, text);
  entry.platform = config.platform;
  return entry;
}

void ImageWriter::add_image(const oci::Manifest& manifest, const oci::ImageConfig& config,
                            const std::vector<oci::Reference>& names,
                            const oci::Annotations& annotations) {
  add_entries(add_manifest(manifest, config), names, annotations);
  note_image(manifest, config, names);
}

void ImageWriter::add_index(const oci::Index& index, const std::vector<oci::Reference>& names,
                            const oci::Annotations& annotations) {
  for (const oci::Descriptor& manifest : index.manifests) CHECK(has_blob(manifest.digest));
  std::string text = index.bytes();
  oci::Descriptor entry = oci::Descriptor::of(index.media_type, text);
  add_blob(entry, text);
  add_entries(std::move(entry), names, annotations);
}

void ImageWriter::add_entry(oci::Descriptor entry, const std::string& ref_name) {
  CHECK(has_blob(entry.digest));
  std::erase_if(index_.manifests, [&](const oci::Descriptor& old) {
    return old.annotation(oci::annotation::kRefName) == ref_name &&
           (!ref_name.empty() || old.digest == entry.digest);
  });
  if (!ref_name.empty()) entry.annotations[std::string(oci::annotation::kRefName)] = ref_name;
  if (auto reference = oci::Reference::try_parse(ref_name))
    entry.annotations[std::string(oci::annotation::kContainerdName)] =
        reference->with_default_tag().str();
  index_.manifests.push_back(std::move(entry));
}

void ImageWriter::add_artifact(const oci::Manifest& manifest) {
  CHECK(has_blob(manifest.config.digest) && manifest.subject);
  for (const oci::Descriptor& layer : manifest.layers) CHECK(has_blob(layer.digest));
  std::string text = manifest.bytes();
  oci::Descriptor entry = oci::Descriptor::of(manifest.media_type, text);
  add_blob(entry, text);
  entry.artifact_type = manifest.artifact_type;
  entry.annotations = manifest.annotations;
  std::erase_if(index_.manifests,
                [&](const oci::Descriptor& old) { return old.digest == entry.digest; });
  index_.manifests.push_back(std::move(entry));
}

void ImageWriter::add_entries(oci::Descriptor entry, const std::vector<oci::Reference>& names,
                              const oci::Annotations& annotations) {
  std::vector<oci::Descriptor>& entries = index_.manifests;
  entry.annotations = annotations;
  if (names.empty()) entries.push_back(entry);
  for (const oci::Reference& name : names) {
    // As containerd and BuildKit write it: the tag alone as ref.name, so that `umoci --image x:tag`
    // and `skopeo oci:x:tag` find it; the whole name beside it. Where another image has the tag,
    // the whole name stands in both places.
    std::string full = name.str();
    std::string tag = name.tag().empty() ? full : name.tag();
    std::erase_if(entries, [&](const oci::Descriptor& old) {
      std::string whole = old.annotation(oci::annotation::kContainerdName);
      return whole == full || (whole.empty() && old.annotation(oci::annotation::kRefName) == tag);
    });
    bool taken = std::any_of(entries.begin(), entries.end(), [&](const oci::Descriptor& old) {
      return old.annotation(oci::annotation::kRefName) == tag && old.digest != entry.digest;
    });
    entry.annotations = annotations;
    entry.annotations[std::string(oci::annotation::kContainerdName)] = full;
    entry.annotations[std::string(oci::annotation::kRefName)] = taken ? full : tag;
    entries.push_back(entry);
  }
}

std::unique_ptr<ImageWriter> write_oci_directory(const std::filesystem::path& directory) {
  return std::make_unique<DirectoryWriter>(directory);
}

std::unique_ptr<ImageWriter> write_oci_archive(base::Sink& out) {
  return std::make_unique<ArchiveWriter>(out);
}

std::unique_ptr<ImageWriter> write_docker_directory(const std::filesystem::path& directory) {
  return std::make_unique<DockerDirectoryWriter>(directory);
}

std::unique_ptr<ImageWriter> write_docker_archive(base::Sink& out) {
  return std::make_unique<DockerWriter>(out);
}

}  // namespace archive
