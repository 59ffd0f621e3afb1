#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/context.h"
#include "cli/images/registries.h"
#include "cli/images/transfer.h"
#include "cli/options.h"
#include "store/store.h"

namespace cli {

/// One --output. [spec/cli.md 1.1]
struct OutputSpec {
  enum class Type { kStore, kOci, kOciDir, kDocker, kLocal, kTar, kCacheOnly, kRegistry };
  Type type = Type::kStore;
  std::string dest;                ///< path, or "-" for standard output
  std::vector<std::string> names;  ///< as given
  bool delete_others = false;      ///< local: what is there and not in the image goes
  std::optional<bool> platform_split;
  bool by_digest = false;  ///< registry: the name gets no tag there

  bool is_image() const {
    return type == Type::kStore || type == Type::kOci || type == Type::kOciDir ||
           type == Type::kDocker || type == Type::kRegistry;
  }
  /// Writes what only one result can be in.
  bool takes_place() const {
    return type != Type::kStore && type != Type::kRegistry && type != Type::kCacheOnly;
  }
};

/// One --annotation [SCOPE[PLATFORM]:]KEY=VALUE.
struct AnnotationSpec {
  std::string scope;  ///< "manifest", "manifest-descriptor", "index", "index-descriptor"
  std::optional<oci::Platform> platform;
  std::string key;
  std::string value;
};

/// How the image itself is written down.
struct ImageForm {
  bool docker = false;  ///< --format docker: manifest and configuration types
  Packing packing;
  bool force = false;  ///< --force-compression: base layers too
  std::vector<AnnotationSpec> annotations;

  /// Whether the manifest is not the one that `save` would make by itself.
  bool is_special() const { return docker || packing != Packing::kAsIs || !annotations.empty(); }
  /// The annotations of one scope for one platform.
  oci::Annotations annotations_of(std::string_view scope, const oci::Platform* platform) const;
};

/// What was built for one platform.
struct BuiltImage {
  oci::Platform platform;
  std::optional<oci::Digest> id;    ///< unset: no image was kept, only its layers
  std::vector<oci::DiffId> layers;  ///< trees
  size_t base_layers = 0;           ///< of them from the base image
};

/// One --target: the stage, its names, and what comes of it.
struct BuildTarget {
  std::string stage;  ///< empty: the last
  std::vector<std::string> tags;
  std::vector<BuiltImage> images = {};  ///< one a platform
  std::optional<oci::Descriptor> descriptor = {};
  std::string image_id = {};
};

/// Throws UsageError when several --target do not have one --tag each, or none.
std::vector<BuildTarget> parse_targets(const Arguments& arguments);

struct OutputOptions {
  ImageForm form;
  std::vector<std::string> names;  ///< -t, as given
  std::optional<int64_t> source_date_epoch;
  bool allow_delete = false;  ///< --allow local.delete
  TransferOptions transfer;
  Registries* registries = nullptr;  ///< for type registry
};

/// The --output and --load flags; without any, the store. Keys that concern the image's form change
/// `form`. Throws UsageError.
std::vector<OutputSpec> parse_outputs(const Arguments& arguments, ImageForm& form);
/// Throws UsageError where an output cannot take along what is attested of an image, or none is an
/// image.
void require_attestable(const std::vector<OutputSpec>& outputs);
ImageForm parse_image_form(const Arguments& arguments);

/// Facts about what was written, for --metadata-file.
struct WrittenImage {
  std::optional<oci::Descriptor> descriptor;  ///< of the manifest or index, when one was made
};

/// Writes one output of all the platforms built. Several platforms become an index.
WrittenImage write_output(Context& context, const OutputSpec& spec,
                          const std::vector<BuiltImage>& images, store::Store& store,
                          const OutputOptions& options);

}  // namespace cli
