#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/options.h"
#include "store/archive/image_writer.h"
#include "store/oci/manifest.h"
#include "store/registry/repository.h"
#include "store/store.h"

/// What is said about an image beside it: how it was made, what is in it. A predicate is kept with
/// the image in the store; when the image leaves, and its manifest is known, it becomes an in-toto
/// statement about that manifest, in an artifact that names it as its subject. [in-toto attestation
/// framework v1; OCI image-spec 1.1, "subject"]
namespace cli {

struct Predicate {
  std::string type;  ///< "https://slsa.dev/provenance/v1"
  std::string body;  ///< JSON
};

/// What a build shall say of its images: nothing unless asked.
struct AttestOptions {
  enum class Provenance { kNone, kMin, kMax };
  Provenance provenance = Provenance::kNone;
  bool sbom = false;

  bool any() const { return provenance != Provenance::kNone || sbom; }
};
/// --provenance, --sbom and --attest, for the command table.
std::vector<Flag> attest_flags();
/// Throws UsageError.
AttestOptions parse_attest(const Arguments& arguments);

/// A predicate as it leaves.
struct Attestation {
  oci::Manifest manifest;
  std::string statement;  ///< bytes of its only layer
};
/// `image` is what the subject is called: "docker.io/library/app". Same predicate, same bytes.
Attestation attest(const Predicate& predicate, const oci::Descriptor& subject,
                   const std::string& image);

/// Keeps predicates with an image, in the place of earlier ones of their types.
void keep_predicates(store::Store& store, const oci::Digest& image,
                     const std::vector<Predicate>& predicates);
/// Those kept with it, by type.
std::vector<Predicate> find_predicates(store::Store& store, const store::ImageRecord& image);

/// Sends what is kept with the image, as referrers of the manifest it has in the registry.
void push_attestations(store::Store& store, registry::Repository& repository,
                       const store::ImageRecord& image, const oci::Descriptor& manifest);
/// Adds it to a bundle that holds the manifest. `names` are the image's there, and may be none.
void add_attestations(store::Store& store, archive::ImageWriter& writer,
                      const store::ImageRecord& image, const oci::Descriptor& manifest,
                      const std::vector<oci::Reference>& names);

}  // namespace cli
