// What points at a manifest by its `subject`: signatures, attestations, bills of materials. A
// registry that knows the question answers it; for others the answer is an index under a tag made
// of the digest, which whoever pushes such a manifest keeps up to date. [OCI distribution-spec 1.1,
// "Listing Referrers" and "Referrers Tag Schema"]
#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "store/oci/limits.h"
#include "store/oci/media_types.h"
#include "store/registry/repository.h"

namespace registry {

namespace {

std::string fallback_tag(const oci::Digest& digest) {
  return base::str(digest.algorithm().substr(0, 32), "-", digest.hex().substr(0, 64));
}

oci::Index empty_index() { return {.media_type = std::string(oci::media_type::kIndex)}; }

/// As the list shall name it: with its own type and annotations.
oci::Descriptor describe_referrer(const std::string& bytes, const std::string& media_type,
                                  const oci::Manifest* manifest, const oci::Index* index) {
  oci::Descriptor entry = oci::Descriptor::of(media_type, bytes);
  entry.artifact_type = manifest != nullptr ? manifest->artifact_type : index->artifact_type;
  if (manifest != nullptr && entry.artifact_type.empty())
    entry.artifact_type = manifest->config.media_type;
  entry.annotations = manifest != nullptr ? manifest->annotations : index->annotations;
  return entry;
}

}  // namespace

oci::Index Repository::fallback_referrers(const oci::Digest& subject) {
  auto document = find_document(fallback_tag(subject));
  if (!document ||
      oci::document_kind(document->bytes, document->media_type) != oci::DocumentKind::kIndex)
    return empty_index();
  return oci::Index::parse(document->bytes, document->media_type);
}

std::vector<oci::Descriptor> Repository::list_referrers(const oci::Digest& subject,
                                                        const std::string& artifact_type) {
  constexpr size_t kMostPages = 1000;
  std::vector<oci::Descriptor> found;
  Client::Ask ask = this->ask("GET", "referrers/" + subject.str());
  for (size_t page = 0; page < kMostPages; ++page) {
    auto exchange = client_.ask(ask);
    oci::Index list = empty_index();
    // Registries from before the question answer in various ways that there is no such thing.
    bool answered = exchange->status() == 200;
    if (answered) {
      list = oci::Index::parse(exchange->read_text(oci::kMaxManifestBytes));
    } else if (exchange->status() == 401 || exchange->status() == 403 || page > 0) {
      client_.fail(*exchange, base::str("list what refers to ", subject.str(), " in ", name()));
    } else {
      list = fallback_referrers(subject);
    }
    for (oci::Descriptor& entry : list.manifests)
      if (artifact_type.empty() || entry.artifact_type == artifact_type)
        found.push_back(std::move(entry));
    auto url =
        answered ? find_next_page(*exchange, "what refers to " + subject.str()) : std::nullopt;
    if (!url) return found;
    ask.url = *url;
  }
  throw base::Error(base::Code::kInvalid,
                    "what refers to " + subject.str() + ": the list does not end",
                    "registry-protocol");
}

void Repository::note_referrer(const std::string& bytes, const std::string& media_type) {
  std::optional<oci::Manifest> manifest;
  std::optional<oci::Index> index;
  if (oci::document_kind(bytes, media_type) == oci::DocumentKind::kManifest)
    manifest = oci::Manifest::parse_artifact(bytes, media_type);
  else
    index = oci::Index::parse(bytes, media_type);
  const std::optional<oci::Descriptor>& subject = manifest ? manifest->subject : index->subject;
  if (!subject) return;
  oci::Descriptor entry = describe_referrer(bytes, media_type, manifest ? &*manifest : nullptr,
                                            index ? &*index : nullptr);
  // Two writers at once would undo each other; who looks again afterwards sees it.
  constexpr int kTries = 3;
  for (int i = 0; i < kTries; ++i) {
    oci::Index list = fallback_referrers(subject->digest);
    bool there =
        std::any_of(list.manifests.begin(), list.manifests.end(),
                    [&](const oci::Descriptor& other) { return other.digest == entry.digest; });
    if (there) return;
    list.manifests.push_back(entry);
    list.raw.clear();
    put_document(list.bytes(), list.media_type, fallback_tag(subject->digest));
  }
}

}  // namespace registry
