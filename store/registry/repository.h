#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "store/oci/descriptor.h"
#include "store/oci/index.h"
#include "store/oci/manifest.h"
#include "store/oci/platform.h"
#include "store/oci/reference.h"
#include "store/registry/client.h"

namespace registry {

/// A manifest or index as a registry gave it, its digest checked.
struct Document {
  std::string bytes;
  std::string media_type;  ///< of the Content-Type where that is one of a manifest or index, or ""
  oci::Digest digest;
};

/// One image in a registry, for one platform.
struct ResolvedImage {
  oci::Digest top;                ///< what the tag led to: a manifest or an index
  std::optional<Document> index;  ///< when that was an index
  Document document;              ///< the image's manifest
  oci::Manifest manifest;
};

/// Bytes to upload, from any place in them.
using OpenAt = std::function<std::unique_ptr<base::Source>(uint64_t offset)>;

/// One repository of a registry: manifests, blobs and tags. Every byte that leaves it has been
/// checked against the digest it was asked by, or is on its way through a caller's verifier.
/// May be shared by threads; the Client must outlive it. [OCI distribution-spec 1.1]
class Repository {
 public:
  /// `path` is the repository's name in the registry: "library/busybox".
  Repository(Client& client, std::string path) : client_(client), path_(std::move(path)) {}

  Client& client() const { return client_; }
  const std::string& path() const { return path_; }
  /// From now on questions are asked with the rights that writing needs: one token does for all.
  void prepare_to_write() { reading_ = "pull,push"; }
  /// "registry.example/app": for messages.
  std::string name() const { return client_.host() + "/" + path_; }

  // Reading.

  /// By tag or digest. Throws NotFound, Denied, Unavailable, Corrupt when the bytes are not those
  /// the digest, asked or announced, names; Invalid above 4 MiB.
  Document get_document(const std::string& tag_or_digest);
  /// nullopt when there is none.
  std::optional<Document> find_document(const std::string& tag_or_digest);
  /// The digest alone, by HEAD where the registry tells it.
  std::optional<oci::Digest> find_digest(const std::string& tag_or_digest);
  /// Does this tag, or the digest itself, lead to it? False also where the registry will not say.
  bool has_manifest(const oci::Digest& digest, const std::string& tag = {});
  /// Follows indexes down to the manifest for a platform. The tag is looked up once; everything
  /// after is by digest. Throws also NotFound naming the platforms there are.
  ResolvedImage resolve(const oci::Reference& reference, const oci::Platform& platform);

  /// A blob's bytes from `offset` on, fetched again from where a broken connection left off;
  /// unchecked but for their number. read() throws Corrupt for more or fewer bytes than `blob`
  /// announces.
  std::unique_ptr<base::Source> open_blob(const oci::Descriptor& blob, uint64_t offset = 0);
  /// A small blob whole and verified.
  std::string read_blob(const oci::Descriptor& blob, uint64_t limit);
  /// False also where the registry will not say, or says it has another size.
  bool has_blob(const oci::Digest& digest, std::optional<uint64_t> size_bytes = {});
  /// All tags, sorted as the registry gives them; at most a million.
  std::vector<std::string> list_tags();
  /// What names this manifest as its subject, of one artifact type or ("") of all. Where the
  /// registry does not know the question, the index under the tag "sha256-HEX" answers it.
  std::vector<oci::Descriptor> list_referrers(const oci::Digest& subject,
                                              const std::string& artifact_type = {});

  // Writing.

  /// Uploads bytes known beforehand; `from` is another repository of the same registry that has the
  /// blob, which then is only mounted. Returns false when nothing had to be sent.
  bool put_blob(const oci::Digest& digest, uint64_t size_bytes, const OpenAt& open,
                const std::string& from = {});
  /// Uploads bytes while they are being made. `open` gives sources whose read() waits for more and
  /// ends where the blob does; `finished` waits for the end and tells digest and size.
  void put_stream(const OpenAt& open,
                  const std::function<std::pair<oci::Digest, uint64_t>()>& finished);
  /// Puts a manifest under a tag, or "" for its digest alone. One with a subject is added to the
  /// list of what refers to that, where the registry does not keep it. Throws Corrupt when the
  /// registry says that it stored something else.
  oci::Digest put_document(const std::string& bytes, const std::string& media_type,
                           const std::string& tag);
  /// Deletes a manifest by digest, or a tag. Throws NotFound, Unsupported.
  void remove(const std::string& tag_or_digest);

 private:
  Client::Ask ask(std::string method, const std::string& below) const;
  std::unique_ptr<Exchange> look_at_manifest(const std::string& tag_or_digest);
  oci::Index fallback_referrers(const oci::Digest& subject);
  void note_referrer(const std::string& bytes, const std::string& media_type);
  /// Where a list that comes in pages goes on: nowhere but in this registry.
  std::optional<Url> find_next_page(const Exchange& exchange, const std::string& what);
  Document read_document(Exchange& exchange, const std::string& tag_or_digest);

  Client& client_;
  std::string path_;
  std::string reading_ = "pull";  ///< actions of requests that only read
};

}  // namespace registry
