#include "cli/images/attestation.h"

#include <nlohmann/json.hpp>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "cli/flag_values.h"
#include "store/oci/media_types.h"

namespace cli {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kInToto = "application/vnd.in-toto+json";
constexpr const char* kPredicateType = "in-toto.io/predicate-type";
constexpr const char* kStatement = "https://in-toto.io/Statement/v1";
constexpr std::string_view kEmptyConfig = "{}";
constexpr uint64_t kMostBytes = 64 << 20;

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// A statement; in the store about nothing yet.
Json statement_of(const Predicate& predicate) {
  return {{"_type", kStatement},
          {"subject", Json::array()},
          {"predicateType", predicate.type},
          {"predicate", Json::parse(predicate.body)}};
}

/// nullopt for other blobs that are kept with images: indexes, which come from elsewhere and may
/// pretend to be one. They cannot do without a field that this has not.
std::optional<Predicate> read_statement(const std::string& text) {
  const Json json = Json::parse(text, nullptr, false);
  const std::vector<std::string> fields = {"_type", "subject", "predicateType", "predicate"};
  if (!json.is_object() || json.size() != fields.size()) return std::nullopt;
  for (const std::string& field : fields)
    if (!json.contains(field)) return std::nullopt;
  if (json.at("_type") != Json(kStatement) || !json.at("predicateType").is_string())
    return std::nullopt;
  return Predicate{json.at("predicateType").get<std::string>(), dump(json.at("predicate"))};
}

std::optional<Predicate> find_predicate(store::Store& store, const oci::Digest& blob) {
  if (!store.find_blob(blob)) return std::nullopt;
  return base::with_context("attestation " + blob.str(),
                            [&] { return read_statement(store.read_blob(blob, kMostBytes)); });
}

AttestOptions::Provenance parse_mode(const std::string& text, const char* flag) {
  if (text == "min" || text == "true" || text.empty()) return AttestOptions::Provenance::kMin;
  if (text == "max") return AttestOptions::Provenance::kMax;
  if (text == "false") return AttestOptions::Provenance::kNone;
  throw unknown_word(base::str("--", flag, ": unknown mode"), text, {"min", "max"});
}

void read_attest(const std::string& text, AttestOptions& options) {
  auto fields = split_fields(text, "attest");
  const bool off = fields.contains("disabled") && fields["disabled"] != "false";
  for (const auto& [key, value] : fields)
    if (key != "type" && key != "mode" && key != "disabled")
      throw unknown_word("--attest: unknown key", key, {"type", "mode", "disabled"});
  if (fields["type"] == "provenance") {
    options.provenance =
        off ? AttestOptions::Provenance::kNone : parse_mode(fields["mode"], "attest");
    return;
  }
  if (fields["type"] != "sbom")
    throw unknown_word("--attest: unknown type", fields["type"], {"provenance", "sbom"});
  if (fields.contains("mode")) throw UsageError("--attest: mode is for type=provenance");
  options.sbom = !off;
}

}  // namespace

std::vector<Flag> attest_flags() {
  return {
      {.name = "provenance",
       .value = "mode=min|max",
       .help = "attach how the image was made (SLSA provenance), in push and OCI outputs too; max "
               "has the recipe's text",
       .implied = "mode=min",
       .group = "output"},
      {.name = "sbom",
       .value = "BOOL",
       .help = "attach which packages are in the image (SPDX), as dpkg and apk know them",
       .implied = "true",
       .group = "output",
       .choices = {"true", "false"}},
      {.name = "attest",
       .value = "type=TYPE[,..]",
       .help = "the same by another name: type=provenance[,mode=max] or type=sbom",
       .group = "output",
       .repeatable = true},
  };
}

AttestOptions parse_attest(const Arguments& arguments) {
  AttestOptions options;
  for (const std::string& text : arguments.all("attest")) read_attest(text, options);
  if (auto text = arguments.find("provenance")) {
    constexpr std::string_view kMode = "mode=";
    options.provenance =
        parse_mode(text->starts_with(kMode) ? text->substr(kMode.size()) : *text, "provenance");
  }
  if (auto text = arguments.find("sbom")) options.sbom = *text == "true";
  return options;
}

Attestation attest(const Predicate& predicate, const oci::Descriptor& subject,
                   const std::string& image) {
  Json statement = statement_of(predicate);
  statement["subject"].push_back(
      {{"name", image}, {"digest", {{subject.digest.algorithm(), subject.digest.hex()}}}});
  Attestation out{{.media_type = std::string(oci::media_type::kManifest),
                   .config = oci::Descriptor::of(oci::media_type::kEmpty, kEmptyConfig)},
                  dump(statement)};
  out.manifest.artifact_type = kInToto;
  out.manifest.layers = {oci::Descriptor::of(kInToto, out.statement)};
  out.manifest.layers[0].annotations[kPredicateType] = predicate.type;
  out.manifest.subject = oci::Descriptor{subject.media_type, subject.digest, subject.size_bytes};
  out.manifest.annotations[kPredicateType] = predicate.type;
  return out;
}

void keep_predicates(store::Store& store, const oci::Digest& image,
                     const std::vector<Predicate>& predicates) {
  std::optional<store::ImageRecord> record = store.find_image_by_id(image);
  CHECK(record);
  for (const oci::Digest& blob : record->blobs)
    if (auto earlier = find_predicate(store, blob))
      if (std::any_of(predicates.begin(), predicates.end(),
                      [&](const Predicate& fresh) { return fresh.type == earlier->type; }))
        store.drop_image_blob(image, blob);
  record->blobs.clear();
  store::Batch batch = store.batch();
  for (const Predicate& predicate : predicates) {
    auto writer = store.write_blob();
    writer->write(base::as_bytes(dump(statement_of(predicate))));
    store::StagedBlob staged = writer->finish();
    record->blobs.push_back(staged.digest());
    batch.add_blob(std::move(staged));
  }
  batch.add_image(*std::move(record));
  batch.commit();
}

std::vector<Predicate> find_predicates(store::Store& store, const store::ImageRecord& image) {
  std::vector<Predicate> found;
  for (const oci::Digest& blob : image.blobs)
    if (auto predicate = find_predicate(store, blob)) found.push_back(*std::move(predicate));
  std::sort(found.begin(), found.end(),
            [](const Predicate& one, const Predicate& other) { return one.type < other.type; });
  return found;
}

void push_attestations(store::Store& store, registry::Repository& repository,
                       const store::ImageRecord& image, const oci::Descriptor& manifest) {
  for (const Predicate& predicate : find_predicates(store, image)) {
    const Attestation attestation = attest(predicate, manifest, repository.name());
    const std::string text = attestation.manifest.bytes();
    if (repository.has_manifest(oci::Digest::sha256_of(text))) continue;
    auto put = [&](const oci::Descriptor& blob, std::string_view bytes) {
      repository.put_blob(blob.digest, blob.size_bytes, [bytes](uint64_t offset) {
        return std::make_unique<base::MemorySource>(base::as_bytes(bytes).subspan(offset));
      });
    };
    put(attestation.manifest.config, kEmptyConfig);
    put(attestation.manifest.layers[0], attestation.statement);
    repository.put_document(text, attestation.manifest.media_type, "");
  }
}

void add_attestations(store::Store& store, archive::ImageWriter& writer,
                      const store::ImageRecord& image, const oci::Descriptor& manifest,
                      const std::vector<oci::Reference>& names) {
  const std::string name = names.empty() ? "image" : names.front().name();
  for (const Predicate& predicate : find_predicates(store, image)) {
    const Attestation attestation = attest(predicate, manifest, name);
    writer.add_blob(attestation.manifest.config, kEmptyConfig);
    writer.add_blob(attestation.manifest.layers[0], attestation.statement);
    writer.add_artifact(attestation.manifest);
  }
}

}  // namespace cli
