#include "base/error.h"
#include "store/core.h"
#include "store/store.h"

namespace store {

Origin origin_of(int64_t number) {
  if (number == static_cast<int64_t>(Origin::kKnown)) return Origin::kKnown;
  return number == 0 ? Origin::kBuilt : Origin::kPulled;
}

std::optional<LayerRecord> select_layer(Database& database, const std::string& diff_id) {
  Query query(database,
              "SELECT tar_size, tree_size, origin, created, last_used, tar_crc32 FROM layers "
              "WHERE diff_id = ?");
  query.bind(diff_id);
  if (!query.step()) return std::nullopt;
  LayerRecord layer{.diff_id = oci::DiffId::parse(diff_id),
                    .tar_size_bytes = static_cast<uint64_t>(query.number(0)),
                    .tree_size_bytes = static_cast<uint64_t>(query.number(1)),
                    .origin = origin_of(query.number(2)),
                    .created = from_milliseconds(query.number(3)),
                    .last_used = from_milliseconds(query.number(4))};
  if (!query.is_null(5)) layer.tar_crc32 = static_cast<uint32_t>(query.number(5));
  Query blobs(database,
              "SELECT digest, media_type, size, compression, remakeable, source "
              "FROM layer_blobs WHERE diff_id = ?");
  blobs.bind(diff_id);
  while (blobs.step())
    layer.blobs.push_back({.digest = oci::Digest::parse(blobs.text(0)),
                           .media_type = blobs.text(1),
                           .size_bytes = static_cast<uint64_t>(blobs.number(2)),
                           .compression = blobs.text(3),
                           .remakeable = blobs.number(4) != 0,
                           .source = blobs.text(5)});
  return layer;
}

void insert_layer(Database& database, const LayerRecord& layer, int64_t now) {
  const std::string& id = layer.diff_id.str();
  const int64_t created = layer.created == Time() ? now : to_milliseconds(layer.created);
  if (layer.origin != Origin::kKnown) {
    // What was told of the layer before it came was never proven.
    Query(database,
          "DELETE FROM layer_blobs WHERE diff_id = ? AND "
          "EXISTS(SELECT 1 FROM layers l WHERE l.diff_id = layer_blobs.diff_id AND l.origin = 2)")
        .bind(id)
        .run();
  }
  Query(database,
        "INSERT INTO layers(diff_id, tar_size, tree_size, origin, created, last_used, tar_crc32) "
        "VALUES(?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT(diff_id) DO UPDATE SET last_used = excluded.last_used, "
        "tar_size = iif(origin = 2, excluded.tar_size, tar_size), "
        "tree_size = iif(origin = 2, excluded.tree_size, tree_size), "
        "origin = iif(origin = 2, excluded.origin, origin), "
        "tar_crc32 = iif(origin = 2, excluded.tar_crc32, tar_crc32)")
      .bind(id, layer.tar_size_bytes, layer.tree_size_bytes, static_cast<int>(layer.origin),
            created, now, layer.tar_crc32)
      .run();
  for (const LayerBlob& blob : layer.blobs) insert_layer_blob(database, id, blob);
}

void insert_layer_blob(Database& database, const std::string& diff_id, const LayerBlob& blob) {
  Query(database,
        "INSERT INTO layer_blobs(diff_id, digest, media_type, size, compression, remakeable, "
        "source) VALUES(?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT(diff_id, digest) DO UPDATE SET remakeable = remakeable OR "
        "excluded.remakeable, source = iif(excluded.source = '', source, excluded.source)")
      .bind(diff_id, blob.digest.str(), blob.media_type, blob.size_bytes, blob.compression,
            blob.remakeable, blob.source)
      .run();
}

std::optional<LayerRecord> Store::find_layer(const oci::DiffId& diff_id) {
  Keeper keeper(*core_);
  std::optional<LayerRecord> layer;
  {
    Core::Records records = core_->records();
    layer = select_layer(records, diff_id.str());
  }
  if (!layer || !is_there(core_->layout.layer_tree(diff_id))) return std::nullopt;
  keeper.layer(diff_id);
  return layer;
}

std::optional<LayerRecord> Store::find_known_layer(const oci::DiffId& diff_id) {
  Keeper keeper(*core_);
  Core::Records records = core_->records();
  std::optional<LayerRecord> layer = select_layer(records, diff_id.str());
  if (!layer || (layer->origin != Origin::kKnown && !is_there(core_->layout.layer_tree(diff_id))))
    return std::nullopt;
  keeper.layer(diff_id);
  return layer;
}

void Store::set_layer_provider(LayerProvider provider) {
  core_->layer_provider = std::move(provider);
}

void Store::provide_layers(const std::vector<oci::DiffId>& stack) const {
  if (!core_->layer_provider) return;
  for (const oci::DiffId& layer : stack)
    if (!is_there(core_->layout.layer_tree(layer))) return core_->layer_provider(stack);
}

std::optional<LayerRecord> Store::find_layer_of_blob(const oci::Digest& blob) {
  std::optional<oci::DiffId> diff_id;
  {
    Core::Records records = core_->records();
    Query query(records,
                "SELECT b.diff_id FROM layer_blobs b JOIN layers l ON l.diff_id = b.diff_id "
                "WHERE b.digest = ? LIMIT 1");
    query.bind(blob.str());
    if (query.step()) diff_id = oci::DiffId::parse(query.text(0));
  }
  if (!diff_id) return std::nullopt;
  return find_layer(*diff_id);
}

}  // namespace store
