#include "store/registry/repository.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "store/oci/limits.h"
#include "store/oci/media_types.h"
#include "store/registry/blob_source.h"
#include "store/registry/header_fields.h"

namespace registry {

namespace {

using base::Code;
using base::Error;

std::string accept_header() {
  namespace type = oci::media_type;
  return base::str("Accept: ", type::kIndex, ", ", type::kManifest, ", ", type::kDockerList, ", ",
                   type::kDockerManifest);
}

void require_plain(const Exchange& exchange, const std::string& what) {
  auto encoding = exchange.headers().find("content-encoding");
  if (encoding && !encoding->empty() && *encoding != "identity")
    throw Error(Code::kInvalid,
                base::str(what, ": the registry packs its answer (", base::printable(*encoding, 40),
                          "), which nobody asked for"),
                "registry-protocol");
}

/// Of a manifest that is there.
std::optional<oci::Digest> announced_digest(const Exchange& exchange) {
  auto header = exchange.headers().find("docker-content-digest");
  return header && exchange.status() == 200 ? oci::Digest::try_parse(*header) : std::nullopt;
}

std::string platforms_of(const oci::Index& index) {
  std::vector<std::string> names;
  for (const oci::Descriptor& entry : index.manifests)
    if (entry.platform && entry.platform->os != "unknown") names.push_back(entry.platform->str());
  return base::printable(base::join(names, ", "), 400);
}

}  // namespace

Client::Ask Repository::ask(std::string method, const std::string& below) const {
  Client::Ask ask;
  ask.method = std::move(method);
  ask.path = base::str("/v2/", path_, "/", below);
  ask.repository = path_;
  ask.actions = ask.method == "GET" || ask.method == "HEAD" ? reading_ : "pull,push";
  return ask;
}

Document Repository::read_document(Exchange& exchange, const std::string& tag_or_digest) {
  std::string what = base::str("manifest ", tag_or_digest, " of ", name());
  require_plain(exchange, what);
  std::string bytes =
      base::with_context(what, [&] { return exchange.read_text(oci::kMaxManifestBytes); });
  std::string type = exchange.headers().find("content-type").value_or("");
  type = base::to_lower(base::trim(std::string_view(type).substr(0, type.find(';'))));
  if (!oci::is_manifest_type(type) && !oci::is_index_type(type)) type.clear();
  auto asked = oci::Digest::try_parse(tag_or_digest);
  oci::Digest digest = oci::Digest::sha256_of(bytes);
  auto require = [&](const oci::Digest& wanted, const char* who) {
    oci::Verifier verifier(wanted, {}, "manifest");
    verifier.write(base::as_bytes(bytes));
    try {
      verifier.finish();
    } catch (Error&) {
      throw Error(Code::kCorrupt,
                  base::str(what, " has the wrong content: ", who, " ", wanted.str(), ", it is ",
                            digest.str()),
                  "manifest-digest");
    }
  };
  if (asked) require(*asked, "asked for was");
  for (const std::string& announced : exchange.headers().all("docker-content-digest")) {
    auto parsed = oci::Digest::try_parse(announced);
    if (!parsed)
      throw Error(Code::kCorrupt, what + ": its Docker-Content-Digest is no digest",
                  "manifest-digest");
    require(*parsed, "the registry calls it");
  }
  return {std::move(bytes), std::move(type), asked ? *asked : digest};
}

std::optional<Document> Repository::find_document(const std::string& tag_or_digest) {
  Client::Ask ask = this->ask("GET", "manifests/" + tag_or_digest);
  ask.headers = {accept_header()};
  Patience patience = client_.patience();
  for (;;) {
    try {
      auto exchange = client_.ask(ask, patience);
      if (exchange->status() == 404) return std::nullopt;
      if (exchange->status() != 200)
        client_.fail(*exchange,
                     base::str("get ", name(), oci::Digest::try_parse(tag_or_digest) ? "@" : ":",
                               tag_or_digest));
      return read_document(*exchange, tag_or_digest);
    } catch (const TransportError& e) {
      if (!patience.after(e)) throw;
    }
  }
}

Document Repository::get_document(const std::string& tag_or_digest) {
  if (auto found = find_document(tag_or_digest)) return *std::move(found);
  std::string shown = name() + (oci::Digest::try_parse(tag_or_digest) ? "@" : ":") + tag_or_digest;
  Error error(Code::kNotFound, shown + " is not in the registry", "registry-not-found");
  if (!client_.authenticator(path_).credential())
    error.add_help(base::str("some registries say so of what they do not let you see: torte login ",
                             client_.host()));
  throw error;
}

std::unique_ptr<Exchange> Repository::look_at_manifest(const std::string& tag_or_digest) {
  Client::Ask ask = this->ask("HEAD", "manifests/" + tag_or_digest);
  ask.headers = {accept_header()};
  return client_.ask(ask);
}

bool Repository::has_manifest(const oci::Digest& digest, const std::string& tag) {
  return announced_digest(*look_at_manifest(tag.empty() ? digest.str() : tag)) == digest;
}

std::optional<oci::Digest> Repository::find_digest(const std::string& tag_or_digest) {
  auto exchange = look_at_manifest(tag_or_digest);
  if (auto digest = announced_digest(*exchange)) return digest;
  if (exchange->status() == 404) return std::nullopt;
  auto document = find_document(tag_or_digest);
  if (!document) return std::nullopt;
  return document->digest;
}

ResolvedImage Repository::resolve(const oci::Reference& reference, const oci::Platform& platform) {
  Document document =
      get_document(reference.digest() ? reference.digest()->str() : reference.tag());
  oci::Digest top = document.digest;
  std::optional<Document> first_index;
  for (size_t depth = 0;; ++depth) {
    if (oci::document_kind(document.bytes, document.media_type) == oci::DocumentKind::kManifest) {
      oci::Manifest manifest = oci::Manifest::parse(document.bytes, document.media_type);
      return {top, std::move(first_index), std::move(document), std::move(manifest)};
    }
    if (depth >= oci::kMaxIndexDepth)
      throw Error(
          Code::kInvalid,
          base::str(name(), ": more than ", oci::kMaxIndexDepth, " indexes inside each other"),
          "bad-document");
    oci::Index index = oci::Index::parse(document.bytes, document.media_type);
    const oci::Descriptor* entry = index.find(platform);
    if (entry == nullptr)
      throw Error(Code::kNotFound,
                  base::str(reference.familiar(), " has no image for ", platform.str()),
                  "platform-missing")
          .add_fact("it has: " + platforms_of(index));
    oci::Descriptor next = *entry;
    if (!first_index) first_index = std::move(document);
    document = get_document(next.digest.str());
    if (document.bytes.size() != next.size_bytes)
      throw Error(Code::kCorrupt,
                  base::str("manifest ", next.digest.str(), " has ", document.bytes.size(),
                            " bytes, its index announces ", next.size_bytes),
                  "manifest-size");
    document.media_type = next.media_type;
  }
}

std::unique_ptr<base::Source> Repository::open_blob(const oci::Descriptor& blob, uint64_t offset) {
  return open_blob_source(client_, ask("GET", "blobs/" + blob.digest.str()), blob, offset);
}

std::string Repository::read_blob(const oci::Descriptor& blob, uint64_t limit) {
  if (blob.size_bytes > limit)
    throw Error(Code::kInvalid,
                base::str("blob ", blob.digest.str(), " has ", blob.size_bytes,
                          " bytes; the limit is ", limit),
                "too-large");
  oci::VerifiedSource source(open_blob(blob), blob.digest, blob.size_bytes);
  return base::read_all(source, limit);
}

bool Repository::has_blob(const oci::Digest& digest, std::optional<uint64_t> size_bytes) {
  auto exchange = client_.ask(ask("HEAD", "blobs/" + digest.str()));
  int status = exchange->status();
  if (status == 401 || status == 403)
    client_.fail(*exchange, base::str("look for blob ", digest.str(), " in ", name()));
  // What a registry cannot answer, it learns from the upload.
  return status == 200 && (!size_bytes || exchange->length().value_or(*size_bytes) == *size_bytes);
}

std::optional<Url> Repository::find_next_page(const Exchange& exchange, const std::string& what) {
  auto link = exchange.headers().find("link");
  auto next = link ? parse_next_link(*link) : std::nullopt;
  if (!next || next->empty()) return std::nullopt;
  auto url = exchange.url().resolve(*next);
  if (!url || url->origin() != client_.origin())
    throw Error(Code::kInvalid,
                base::str(what, ": the next page is elsewhere: ", base::printable(*next, 200)),
                "registry-protocol");
  return url;
}

std::vector<std::string> Repository::list_tags() {
  constexpr size_t kMostTags = 1'000'000;
  constexpr size_t kMostPages = 10'000;
  constexpr size_t kMostStalePages = 20;  // in a row, without a tag that is new
  constexpr uint64_t kMostPageBytes = 16 << 20;
  std::vector<std::string> tags;
  std::set<std::string> seen;
  size_t stale = 0;
  Client::Ask ask = this->ask("GET", "tags/list");
  for (size_t page = 0; page < kMostPages; ++page) {
    auto exchange = client_.ask(ask);
    if (exchange->status() != 200) client_.fail(*exchange, "list the tags of " + name());
    require_plain(*exchange, "tags of " + name());
    Url here = exchange->url();
    nlohmann::json document =
        nlohmann::json::parse(exchange->read_text(kMostPageBytes), nullptr, false);
    if (!document.is_object())
      throw Error(Code::kInvalid, "tags of " + name() + ": the answer is not a JSON object",
                  "registry-protocol");
    const size_t before = tags.size();
    if (document.contains("tags") && document["tags"].is_array())
      for (const auto& tag : document["tags"])
        if (tag.is_string() && oci::is_valid_tag(tag.get_ref<const std::string&>()) &&
            seen.insert(tag.get<std::string>()).second)
          tags.push_back(tag.get<std::string>());
    auto url = find_next_page(*exchange, "tags of " + name());
    if (!url) return tags;
    stale = tags.size() > before ? 0 : stale + 1;
    if (*url == here || stale > kMostStalePages || tags.size() > kMostTags) break;
    ask.url = *url;
  }
  throw Error(Code::kInvalid, "tags of " + name() + ": the list does not end", "registry-protocol");
}

void Repository::remove(const std::string& tag_or_digest) {
  auto exchange = client_.ask(ask("DELETE", "manifests/" + tag_or_digest));
  int status = exchange->status();
  if (status == 202 || status == 200 || status == 204) return;
  if (status == 405 || status == 400)
    throw Error(Code::kUnsupported,
                base::str(client_.host(), " does not allow deleting ",
                          oci::Digest::try_parse(tag_or_digest) ? "manifests" : "tags"),
                "registry-no-delete");
  client_.fail(*exchange, base::str("delete ", tag_or_digest, " of ", name()));
}

}  // namespace registry
