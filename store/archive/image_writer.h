#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "store/oci/descriptor.h"
#include "store/oci/image_config.h"
#include "store/oci/index.h"
#include "store/oci/manifest.h"
#include "store/oci/reference.h"

namespace archive {

/// Writes a bundle of images: blobs in any order, each once, then the images that use them, then
/// finish(). Without finish() the bundle is no layout. Same calls, same bytes. One thread.
class ImageWriter {
 public:
  virtual ~ImageWriter() = default;

  /// Whether the blob is in the bundle already; adding it again does nothing.
  bool has_blob(const oci::Digest& digest) const { return written_.contains(digest); }
  /// Writes the bytes of a blob to the sink it is given.
  using Produce = std::function<void(base::Sink&)>;
  /// Throws Corrupt when what `produce` writes is not what `blob` describes.
  void add_blob(const oci::Descriptor& blob, const Produce& produce);
  /// The same for bytes that are there to be read.
  void add_blob(const oci::Descriptor& blob, base::Source& content);
  void add_blob(const oci::Descriptor& blob, std::string_view content);

  /// Adds the manifest itself and an entry for each name. Configuration and layers must be there.
  /// `config` gives the platform; the entries carry `annotations` beside the name.
  void add_image(const oci::Manifest& manifest, const oci::ImageConfig& config,
                 const std::vector<oci::Reference>& names,
                 const oci::Annotations& annotations = {});

  /// The parts of an image for several platforms: adds a manifest that only an index names, and
  /// describes it with its platform.
  oci::Descriptor add_manifest(const oci::Manifest& manifest, const oci::ImageConfig& config);
  /// Adds an index of such manifests and an entry for each name, which carries `annotations` too.
  void add_index(const oci::Index& index, const std::vector<oci::Reference>& names,
                 const oci::Annotations& annotations = {});
  /// An entry of exactly this name, or "", for a document that was added as a blob; the name leaves
  /// another one. What the document lists need not be there.
  void add_entry(oci::Descriptor entry, const std::string& ref_name);

  /// Adds a manifest that says something of another one, its subject: an entry without a name. Its
  /// blobs must be there.
  void add_artifact(const oci::Manifest& manifest);

  /// Writes index.json and its like.
  virtual void finish() = 0;

 protected:
  virtual void write_blob(const oci::Descriptor& blob, const Produce& produce) = 0;
  /// For forms with more than the index: called once an image.
  virtual void note_image(const oci::Manifest&, const oci::ImageConfig&,
                          const std::vector<oci::Reference>&) {}
  const oci::Index& index() const { return index_; }
  oci::Index& index() { return index_; }

 private:
  void add_entries(oci::Descriptor entry, const std::vector<oci::Reference>& names,
                   const oci::Annotations& annotations);
  std::set<oci::Digest> written_;
  oci::Index index_{.media_type = "application/vnd.oci.image.index.v1+json"};
};

/// An OCI layout in a directory, made if needed. Blobs that are there, and right, stay; images
/// there before are kept, except that a name given again moves. [OCI image-spec, image-layout.md]
std::unique_ptr<ImageWriter> write_oci_directory(const std::filesystem::path& directory);

/// An OCI layout as a tar stream. `out` is borrowed.
std::unique_ptr<ImageWriter> write_oci_archive(base::Sink& out);

/// What unpacking a docker archive gives, made if needed; images there before are kept as above.
/// Layers must be uncompressed.
std::unique_ptr<ImageWriter> write_docker_directory(const std::filesystem::path& directory);

/// A tar that `docker load` and `podman load` read: manifest.json with an OCI layout around it.
/// Layers must be uncompressed (their digests are the diff ids). `out` is borrowed.
std::unique_ptr<ImageWriter> write_docker_archive(base::Sink& out);

}  // namespace archive
