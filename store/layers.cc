#include "base/error.h"
#include "store/core.h"
#include "store/store.h"

namespace store {

std::optional<LayerRecord> select_layer(Database& database, const std::string& diff_id) {
  Query query(database,
              "SELECT tar_size, tree_size, origin, created, last_used FROM layers "
              "WHERE diff_id = ?");
  query.bind(diff_id);
  if (!query.step()) return std::nullopt;
  LayerRecord layer{.diff_id = oci::DiffId::parse(diff_id),
                    .tar_size_bytes = static_cast<uint64_t>(query.number(0)),
                    .tree_size_bytes = static_cast<uint64_t>(query.number(1)),
                    .origin = query.number(2) == 0 ? Origin::kBuilt : Origin::kPulled,
                    .created = from_milliseconds(query.number(3)),
                    .last_used = from_milliseconds(query.number(4))};
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
  Query(database,
        "INSERT INTO layers(diff_id, tar_size, tree_size, origin, created, last_used) "
        "VALUES(?, ?, ?, ?, ?, ?) "
        "ON CONFLICT(diff_id) DO UPDATE SET last_used = excluded.last_used")
      .bind(id, layer.tar_size_bytes, layer.tree_size_bytes, static_cast<int>(layer.origin),
            created, now)
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
