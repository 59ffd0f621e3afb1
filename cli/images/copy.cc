#include "cli/images/copy.h"

#include "base/error.h"
#include "base/text.h"
#include "cli/context.h"
#include "cli/images/base_images.h"
#include "cli/images/open_store.h"
#include "cli/images/push.h"
#include "cli/images/push_index.h"
#include "cli/output_file.h"
#include "store/archive/image_writer.h"
#include "store/oci/limits.h"

namespace cli {

namespace {

using Transport = Place::Transport;

/// Everything an index lists, and the index itself: the same bytes, the same digests.
class DocumentCopy {
 public:
  DocumentCopy(CopySource& from, CopyTarget& to, Extent extent, bool referrers)
      : from_(from), to_(to), extent_(extent), referrers_(referrers) {}

  enum class Role { kTop, kPart, kReferrer };

  void copy(const registry::Document& document, Role role, size_t depth = 0) {
    if (depth > oci::kMaxIndexDepth)
      throw base::Error(base::Code::kInvalid, "too many documents inside each other",
                        "bad-document");
    if (is_index(document) && extent_ != Extent::kIndexOnly)
      for (const oci::Descriptor& entry :
           oci::Index::parse(document.bytes, document.media_type).manifests)
        copy(from_.get_document(entry), Role::kPart, depth + 1);
    if (role == Role::kReferrer)
      to_.put_referrer(from_, document);
    else if (is_index(document))
      to_.put_index(document, role == Role::kTop);
    else
      to_.put_manifest(from_, document, role == Role::kTop);
    if (referrers_)
      for (const oci::Descriptor& referrer : from_.list_referrers(document.digest))
        copy(get_referrer(referrer, document.digest), Role::kReferrer, depth + 1);
  }

 private:
  /// Whoever lists referrers may list anything.
  registry::Document get_referrer(const oci::Descriptor& entry, const oci::Digest& subject) {
    registry::Document document = from_.get_document(entry);
    if (const auto named = subject_of(document); !named || named->digest != subject)
      throw base::Error(base::Code::kCorrupt,
                        base::str("manifest ", entry.digest.str(), " is listed as a referrer of ",
                                  subject.str(), ", and says nothing of it"),
                        "bad-document");
    return document;
  }

  CopySource& from_;
  CopyTarget& to_;
  const Extent extent_;
  const bool referrers_;
};

/// What is only put together there has the digest it gets; what was there before keeps it, or is
/// refused.
void require_same_manifest(store::Store& store, const store::ImageRecord& image) {
  if (!image.manifest || find_manifest(store, image, true)) return;
  throw base::Error(base::Code::kUnsupported,
                    base::str("manifest ", image.manifest->str(),
                              " can no longer be sent as it was: blobs of it are gone"),
                    "digest-changes")
      .add_help("torte pull brings them again");
}

oci::Digest store_to_registry(store::Store& store, Registries& registries, const Place& from,
                              const Place& to, const CopyOptions& options) {
  if (options.extent == Extent::kAll)
    return push_index(store, registries, from.name, to.reference(), options.transfer);
  auto image = find_image(store, from.name);
  if (!image) image = store.get_image(from.name);  // says what is near
  if (options.platform && !oci::Platform::parse(image->platform).satisfies(*options.platform))
    throw base::Error(base::Code::kNotFound,
                      base::str(base::printable(from.name, 200), " is for ", image->platform,
                                ", not for ", options.platform->str()));
  if (options.preserve_digests) require_same_manifest(store, *image);
  return push_image(store, registries, *image, to.reference(), Packing::kAsIs, options.transfer);
}

/// Trees are written as they are: nothing is packed first.
oci::Digest store_to_docker_archive(const Context& context, store::Store& store, const Place& from,
                                    const Place& to, const CopyOptions& options) {
  auto image = find_image(store, from.name);
  if (!image) image = store.get_image(from.name);
  store::Lease lease = store.lease();
  std::vector<oci::Reference> names;
  if (!to.name.empty()) names.push_back(to.reference());
  OutputFile file(to.path, context.out_fd);
  auto writer = archive::write_docker_archive(file);
  OutgoingImage outgoing = prepare_image(store, *image, Packing::kNone, options.transfer);
  export_image(store, outgoing, names, *writer, options.transfer);
  writer->finish();
  file.commit();
  return outgoing.manifest.describe().digest;
}

bool carries_referrers(const Place& place) {
  return place.transport == Transport::kDocker || place.transport == Transport::kOciDirectory ||
         place.transport == Transport::kOciArchive;
}

void require_referrers(const Place& from, const Place& to) {
  if (carries_referrers(from) && carries_referrers(to)) return;
  throw base::Error(base::Code::kUnsupported,
                    "--referrers: only registries and OCI layouts hold what refers to an image",
                    "no-referrers")
      .add_help("docker://, oci: and oci-archive: do, on both sides");
}

}  // namespace

oci::Digest copy_image(const Context& context, Registries& registries, const Place& from,
                       const Place& to, const CopyOptions& options) {
  bool from_store = from.transport == Transport::kStore;
  std::unique_ptr<store::Store> store;
  if (from_store || to.transport == Transport::kStore)
    store = open_store(context, registries, options.transfer);
  if (options.referrers) require_referrers(from, to);
  if (from_store && to.transport == Transport::kDocker && options.extent != Extent::kIndexOnly)
    return store_to_registry(*store, registries, from, to, options);
  if (from_store && to.transport == Transport::kDockerArchive && options.extent == Extent::kOne &&
      !options.preserve_digests && !options.platform)
    return store_to_docker_archive(context, *store, from, to, options);
  auto source = open_copy_source(registries, from, store.get(), options.transfer);
  registry::Document document =
      options.extent == Extent::kOne ? source->get_image(options.platform) : source->get_top();
  auto target = open_copy_target(context, registries, to, store.get(),
                                 {options.transfer, options.preserve_digests});
  return copy_document(*source, *target, document, options.extent, options.referrers);
}

oci::Digest copy_document(CopySource& from, CopyTarget& to, const registry::Document& document,
                          Extent extent, bool referrers) {
  to.expect(document);
  DocumentCopy(from, to, extent, referrers).copy(document, DocumentCopy::Role::kTop);
  return to.finish();
}

void copy_below(CopySource& from, CopyTarget& to, const registry::Document& document) {
  DocumentCopy(from, to, Extent::kAll, false).copy(document, DocumentCopy::Role::kPart);
}

}  // namespace cli
