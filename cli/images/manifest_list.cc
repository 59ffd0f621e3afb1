#include "cli/images/manifest_list.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "cli/images/base_images.h"
#include "cli/images/copy.h"
#include "cli/images/push.h"
#include "store/oci/limits.h"
#include "store/oci/media_types.h"

namespace cli {

namespace {

constexpr const char* kKind = "manifest-list";
constexpr std::string_view kRemote = "docker://";
constexpr std::string_view kStored = "store:";

std::string normalised(const std::string& name) {
  return oci::Reference::parse(name).with_default_tag().str();
}

void add_stored(ManifestList& list, store::Store& store, const store::ImageRecord& image,
                const TransferOptions& options) {
  OutgoingImage packed = prepare_image(store, image, Packing::kAsIs, options);
  oci::Descriptor entry = packed.manifest.describe();
  entry.platform = packed.config.platform;
  list.put(std::move(entry), std::string(kStored) + image.id.str());
}

void add_remote(ManifestList& list, Registries& registries, const oci::Reference& reference) {
  registry::Repository repository = registries.repository(reference);
  registry::Document document =
      repository.get_document(reference.digest() ? reference.digest()->str() : reference.tag());
  auto source = [&](const oci::Digest& digest) {
    return std::string(kRemote) + reference.with_digest(digest).str();
  };
  if (oci::document_kind(document.bytes, document.media_type) == oci::DocumentKind::kIndex) {
    for (const oci::Descriptor& entry :
         oci::Index::parse(document.bytes, document.media_type).manifests)
      list.put(entry, source(entry.digest));
    return;
  }
  oci::Manifest manifest = oci::Manifest::parse(document.bytes, document.media_type);
  oci::Descriptor entry = manifest.describe();
  entry.platform =
      oci::ImageConfig::parse(repository.read_blob(manifest.config, oci::kMaxConfigBytes)).platform;
  list.put(std::move(entry), source(document.digest));
}

}  // namespace

ManifestList ManifestList::create(const std::string& name) {
  return {normalised(name), {.media_type = std::string(oci::media_type::kIndex)}, {}};
}

std::optional<ManifestList> ManifestList::find(store::Store& store, const std::string& name) {
  if (!oci::Reference::try_parse(name)) return std::nullopt;
  auto body = store.find_document(kKind, normalised(name));
  if (!body) return std::nullopt;
  nlohmann::json document = nlohmann::json::parse(*body);
  ManifestList list = create(name);
  list.index = oci::Index::parse(document.at("index").get<std::string>());
  list.index.raw.clear();
  for (const auto& [digest, source] : document.at("sources").items()) list.sources[digest] = source;
  return list;
}

ManifestList ManifestList::get(store::Store& store, const std::string& name) {
  if (auto found = find(store, name)) return *std::move(found);
  throw base::Error(base::Code::kNotFound, "no manifest list " + base::printable(name, 200),
                    "list-missing")
      .add_help("torte manifest create makes one");
}

void ManifestList::save(store::Store& store) const {
  nlohmann::json document = {{"index", index.to_json()}, {"sources", sources}};
  store.put_document(kKind, name, document.dump());
}

oci::Descriptor& ManifestList::entry(const std::string& wanted) {
  for (oci::Descriptor& entry : index.manifests) {
    const std::string& source = sources[entry.digest.str()];
    if (entry.digest.str() == wanted || source == wanted || source.ends_with("/" + wanted))
      return entry;
  }
  throw base::Error(base::Code::kNotFound,
                    base::str("list ", name, " has no entry ", base::printable(wanted, 200)),
                    "list-entry-missing")
      .add_help("torte manifest inspect shows the digests it has");
}

void ManifestList::put(oci::Descriptor entry, std::string source) {
  sources[entry.digest.str()] = std::move(source);
  for (oci::Descriptor& there : index.manifests)
    if (there.digest == entry.digest) {
      there = std::move(entry);
      return;
    }
  index.manifests.push_back(std::move(entry));
}

void add_image(ManifestList& list, store::Store& store, Registries& registries,
               const std::string& image, const TransferOptions& options) {
  if (image.starts_with(kRemote))
    return add_remote(list, registries,
                      oci::Reference::parse(image.substr(kRemote.size())).with_default_tag());
  if (auto stored = find_image(store, image)) return add_stored(list, store, *stored, options);
  add_remote(list, registries, oci::Reference::parse(image).with_default_tag());
}

oci::Digest push_list(const ManifestList& list, store::Store& store, Registries& registries,
                      const oci::Reference& destination, const TransferOptions& options) {
  registry::Repository target = registries.repository(destination);
  auto copies = copy_target_of(target, "", TargetOptions{options});
  for (const oci::Descriptor& entry : list.index.manifests) {
    const std::string& source = list.sources.at(entry.digest.str());
    if (source.starts_with(kStored)) {
      oci::Digest sent =
          push_image(store, registries, store.get_image(source.substr(kStored.size())),
                     destination.with_digest(entry.digest), Packing::kAsIs, options);
      if (sent != entry.digest)
        throw base::Error(base::Code::kCorrupt,
                          base::str("image ", source, " is now ", sent.str(), ", the list has ",
                                    entry.digest.str()),
                          "list-entry-changed")
            .add_help("torte manifest add brings the list up to date");
      continue;
    }
    oci::Reference from = oci::Reference::parse(source.substr(kRemote.size()));
    auto repository = copy_source_of(registries.repository(from), from);
    copy_below(*repository, *copies, repository->get_document(entry));
  }
  return target.put_document(list.index.bytes(), list.index.media_type, destination.tag());
}

}  // namespace cli
