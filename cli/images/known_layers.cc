#include "cli/images/known_layers.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "cli/context.h"
#include "cli/images/blob_files.h"
#include "cli/images/blob_places.h"
#include "cli/images/cache_place.h"
#include "store/layer/compression.h"
#include "store/oci/media_types.h"
#include "store/oci/timestamp.h"

namespace cli {

namespace {

/// As in pull: more do not help.
constexpr unsigned kLayersAtOnce = 3;

std::unique_ptr<base::Source> open_at(Registries& registries, const std::string& source,
                                      const oci::Descriptor& blob, uint64_t offset) {
  if (source.starts_with('/')) return open_blob_file(layout_blob(source, blob.digest), offset);
  size_t slash = source.find('/');
  CHECK(slash != std::string::npos);
  registry::Repository repository(registries.client(source.substr(0, slash)),
                                  source.substr(slash + 1));
  return repository.open_blob(blob, offset);
}

store::LayerRecord record_of(const oci::DiffId& id, const oci::Descriptor& blob,
                             const std::string& place) {
  store::LayerBlob known{
      .digest = blob.digest, .media_type = blob.media_type, .size_bytes = blob.size_bytes};
  known.compression = layer::compression_name(compression_of(blob));
  known.source = place;
  // The size of the tar is nobody's to tell before it is here.
  return {.diff_id = id, .tar_size_bytes = blob.size_bytes, .blobs = {std::move(known)}};
}

std::string join_ids(const oci::DiffId* begin, const oci::DiffId* end) {
  std::string text;
  for (const oci::DiffId* id = begin; id != end; ++id) text += id->str() + "\n";
  return text;
}

bool knows(const store::LayerRecord& layer, const oci::Digest& blob) {
  return std::any_of(layer.blobs.begin(), layer.blobs.end(),
                     [&](const store::LayerBlob& other) { return other.digest == blob; });
}

/// What keeps track of which layers each layer of an image stands on.
class Stack {
 public:
  Stack(store::Store& store, const std::vector<oci::DiffId>& ids) : store_(store), ids_(ids) {}

  std::string below(size_t layer) const { return join_ids(ids_.data(), ids_.data() + layer); }
  /// Whether the store's layer of this id is, or will be, right at this place.
  bool fits(size_t layer, bool is_here) const {
    if (is_here) {
      auto foundation = store_.find_document(kFoundation, ids_[layer].str());
      return !foundation || *foundation == oci::Digest::sha256_of(below(layer)).str();
    }
    auto assumed = store_.find_document(kAssumedStack, ids_[layer].str());
    return !assumed || *assumed == below(layer);
  }

 private:
  store::Store& store_;
  const std::vector<oci::DiffId>& ids_;
};

oci::Digest add_document(store::Store& store, store::Batch& batch, const std::string& text) {
  auto writer = store.write_blob();
  writer->write(base::as_bytes(text));
  store::StagedBlob staged = writer->finish();
  oci::Digest digest = staged.digest();
  batch.add_blob(std::move(staged));
  return digest;
}

/// What is known of a stack, as an image to be imported.
void fetch_stack(store::Store& store, Registries& registries, const std::vector<oci::DiffId>& stack,
                 const TransferOptions& options) {
  IncomingImage image{.manifest = begin_manifest({})};
  std::map<oci::Digest, std::string> places;
  for (const oci::DiffId& id : stack) {
    auto layer = store.find_known_layer(id);
    if (!layer)
      throw base::Error(base::Code::kNotFound, "layer " + id.str() + " is not in the store",
                        "layer-missing")
          .add_help("torte fsck --repair tells what must be fetched or built again");
    oci::Descriptor blob{std::string(oci::media_type::kLayer), id.digest(), layer->tar_size_bytes};
    if (layer->origin == store::Origin::kKnown && !layer->blobs.empty()) {
      const store::LayerBlob& known = layer->blobs.front();
      blob = {known.media_type, known.digest, known.size_bytes};
      places.emplace(known.digest, known.source);
    }
    image.manifest.layers.push_back(std::move(blob));
    image.config.diff_ids.push_back(id);
  }
  image.open = [&](const oci::Descriptor& blob, uint64_t offset) {
    return open_at(registries, places.at(blob.digest), blob, offset);
  };
  image.fetched = true;
  image.trusts_trees = true;
  image.parallel = kLayersAtOnce;
  try {
    import_layers(store, image, options);
  } catch (base::Error& e) {
    if (e.code() != base::Code::kCancelled)
      e.add_fact("the layer was known from elsewhere, and is fetched now that it is needed");
    throw;
  }
}

}  // namespace

bool remember_image(store::Store& store, store::Batch& batch, const IncomingImage& image,
                    const std::vector<oci::Reference>& names, const std::string& place,
                    bool proven) {
  image.manifest.require_image();
  image.manifest.require_matching(image.config);
  const std::vector<oci::DiffId>& ids = image.config.diff_ids;
  if (std::set<oci::DiffId>(ids.begin(), ids.end()).size() != ids.size()) return false;
  Stack stack(store, ids);
  std::vector<size_t> absent;
  for (size_t i = 0; i < ids.size(); ++i) {
    auto known = store.find_known_layer(ids[i]);
    bool is_here = store.find_layer(ids[i]).has_value();
    if (known && !stack.fits(i, is_here)) return false;
    if (known && !is_here && !proven && !knows(*known, image.manifest.layers[i].digest))
      return false;
    if (!known) absent.push_back(i);
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    store::LayerRecord layer = record_of(ids[i], image.manifest.layers[i], place);
    if (std::find(absent.begin(), absent.end(), i) != absent.end())
      batch.add_known_layer(std::move(layer));
    else if (proven)
      batch.add_layer_blob(ids[i], std::move(layer.blobs.front()));
  }
  const oci::Digest manifest = add_document(store, batch, image.manifest.bytes());
  store::ImageRecord record{.id = add_document(store, batch, image.config.bytes()),
                            .manifest = manifest};
  record.platform = image.config.platform.normalized().str();
  if (auto created = oci::parse_timestamp(image.config.created))
    record.created = std::chrono::time_point_cast<store::Time::duration>(*created);
  record.layers = ids;
  for (const std::string& document : image.documents)
    record.blobs.push_back(add_document(store, batch, document));
  for (size_t i : absent)
    if (i > 0) store.put_document(kAssumedStack, ids[i].str(), stack.below(i));
  for (const oci::Reference& name : names)
    batch.set_name({name.str(), image.top.value_or(manifest)}, record.id);
  batch.add_image(std::move(record));
  batch.commit();
  return true;
}

void remember_step(store::Store& store, const std::string& source, const oci::Descriptor& blob,
                   uint64_t tar_size_bytes, store::CacheRecord record) {
  store::Batch batch = store.batch();
  store::LayerRecord layer = record_of(*record.result, blob, source);
  if (tar_size_bytes > 0) layer.tar_size_bytes = tar_size_bytes;
  record.size_bytes = layer.tar_size_bytes;
  if (!store.find_known_layer(layer.diff_id)) batch.add_known_layer(std::move(layer));
  batch.add_cache(std::move(record));
  batch.commit();
}

bool are_here(const store::Store& store, const std::vector<oci::DiffId>& layers) {
  std::error_code absent;
  return std::all_of(layers.begin(), layers.end(), [&](const oci::DiffId& id) {
    return std::filesystem::exists(store.layout().layer_tree(id), absent);
  });
}

void fetch_known_layers(store::Store& store, Registries& registries,
                        const std::vector<oci::DiffId>& stack, const TransferOptions& options) {
  store::Lease lease = store.lease();
  for (size_t i = 0; i < stack.size(); ++i) {
    if (store.find_layer(stack[i])) continue;
    auto assumed = store.find_document(kAssumedStack, stack[i].str());
    if (!assumed || *assumed == join_ids(stack.data(), stack.data() + i)) continue;
    // Asked for without the layers it stands on.
    std::vector<oci::DiffId> whole;
    for (const std::string& id : base::split(*assumed, '\n'))
      if (!id.empty()) whole.push_back(oci::DiffId::parse(id));
    whole.push_back(stack[i]);
    fetch_stack(store, registries, whole, options);
  }
  fetch_stack(store, registries, stack, options);
}

std::optional<store::LayerBlob> find_elsewhere(store::Store& store, const oci::DiffId& layer) {
  auto known = store.find_known_layer(layer);
  if (!known || known->origin != store::Origin::kKnown) return std::nullopt;
  for (const store::LayerBlob& blob : known->blobs)
    if (!blob.source.empty() && !store.find_blob(blob.digest)) return blob;
  return std::nullopt;
}

std::unique_ptr<base::Source> open_elsewhere(Registries& registries, const store::LayerBlob& blob,
                                             uint64_t offset) {
  oci::Descriptor descriptor{blob.media_type, blob.digest, blob.size_bytes};
  auto source = std::make_unique<oci::VerifiedSource>(
      open_at(registries, blob.source, descriptor, 0), blob.digest, blob.size_bytes);
  skip(*source, offset);
  return source;
}

void provide_from_registries(const Context& context, const Arguments* arguments,
                             store::Store& store) {
  store.set_layer_provider([&context, arguments, &store](const std::vector<oci::DiffId>& stack) {
    Context own = context;
    auto events = own.make_progress();
    TransferOptions options;
    options.events = events.get();
    auto registries =
        arguments == nullptr
            ? std::make_unique<Registries>(context, std::stop_token(), events.get())
            : std::make_unique<Registries>(context, *arguments, std::stop_token(), events.get());
    fetch_known_layers(store, *registries, stack, options);
  });
}

void provide_from_registries(Registries& registries, const TransferOptions& options,
                             store::Store& store) {
  store.set_layer_provider([&](const std::vector<oci::DiffId>& stack) {
    fetch_known_layers(store, registries, stack, options);
  });
}

}  // namespace cli
