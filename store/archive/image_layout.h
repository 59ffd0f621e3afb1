#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "store/archive/file_set.h"
#include "store/layer/limits.h"
#include "store/oci/descriptor.h"
#include "store/oci/image_config.h"
#include "store/oci/index.h"
#include "store/oci/manifest.h"
#include "store/oci/platform.h"

namespace archive {

enum class Format { kOciDirectory, kOciArchive, kDockerArchive };

struct OpenOptions {
  layer::Limits limits;                   ///< of unpacking a compressed archive
  std::filesystem::path spool_directory;  ///< empty: TMPDIR, else /var/tmp
};

/// One image of a layout, all of its documents verified; its layers are not yet.
struct FoundImage {
  oci::Descriptor descriptor;  ///< of the manifest
  oci::Manifest manifest;
  oci::ImageConfig config;
  /// Names the layout gives it, as written ("latest", "docker.io/library/a:1"), best first.
  std::vector<std::string> names;
};

/// Reads a bundle of images: an OCI layout (directory or tar) or a docker archive, the tars plain
/// or packed with gzip, zstd, xz or bzip2. Everything in it is taken for hostile: no name of it
/// becomes a path outside, nothing is unpacked, documents are bounded and strictly parsed, and
/// every byte handed out is checked against its descriptor.
///
///   auto layout = archive::ImageLayout::open("image.tar");
///   auto image = layout->get_image("latest", oci::Platform::host());
///   for (const auto& layer : image.manifest.layers) read(*layout->open_blob(layer));
///
/// A docker archive is shown as the OCI layout it could have been: one manifest is made up for each
/// of its images. One thread at a time, but sources may be read by different threads.
/// [OCI image-spec, image-layout.md; spec/security.md section 4]
class ImageLayout {
 public:
  /// Throws Invalid (nothing of the kinds above, or a malformed one), Corrupt, SystemError.
  static std::unique_ptr<ImageLayout> open(const std::filesystem::path& path,
                                           const OpenOptions& options = {});
  /// The same for a stream (standard input), which is spooled when it cannot be read at any offset.
  static std::unique_ptr<ImageLayout> open_stream(int fd, const std::string& name,
                                                  const OpenOptions& options = {});
  virtual ~ImageLayout() = default;

  virtual Format format() const = 0;
  /// The entries, top level only. Those of one image with several names share a digest.
  virtual const oci::Index& index() const = 0;

  /// The image for `platform` among the entries named `ref_name` (empty: among all but artifacts,
  /// such as attestations). A name is the annotation org.opencontainers.image.ref.name or
  /// io.containerd.image.name or a RepoTag, compared as written and, if both read as references, in
  /// normal form. Throws NotFound; Invalid when several different images remain, or indexes nest
  /// deeper than oci::kMaxIndexDepth.
  FoundImage get_image(std::string_view ref_name, const oci::Platform& platform) const;
  /// The entry of that name itself, which may be an index. Throws NotFound; Invalid when several
  /// different ones remain.
  oci::Descriptor get_entry(std::string_view ref_name) const;
  /// Every different image of the top level that `platform` can use, with all its names; no
  /// artifacts. Throws NotFound when there is none.
  std::vector<FoundImage> get_images(const oci::Platform& platform) const;

  /// Names of an entry, best first.
  static std::vector<std::string> names_of(const oci::Descriptor& entry);

  /// Bytes of a blob; the read that meets the end throws Corrupt unless size and digest are as
  /// described. Throws NotFound when the layout lacks it; URLs are never followed.
  std::unique_ptr<base::Source> open_blob(const oci::Descriptor& blob) const;
  /// The same, size checked and digest not: for a caller that hashes the bytes itself.
  std::unique_ptr<base::Source> open_unverified_blob(const oci::Descriptor& blob) const;
  bool has_blob(const oci::Digest& digest) const { return find_blob(digest).has_value(); }
  /// A document, verified. Throws Invalid above `limit`.
  std::string read_blob(const oci::Descriptor& blob, uint64_t limit) const;

 protected:
  virtual std::optional<FileSlice> find_blob(const oci::Digest& digest) const = 0;

 private:
  /// Throws NotFound when there is none.
  std::vector<oci::Descriptor> entries_named(std::string_view ref_name) const;
  FoundImage resolve(oci::Descriptor entry, const oci::Platform& platform) const;
};

}  // namespace archive
