#include "base/error.h"
#include "store/core.h"
#include "store/store.h"

namespace store {

namespace {

#define TORTE_CACHE_COLUMNS \
  "SELECT key, definition, slot, result, extra, created, last_used, duration, size FROM cache "

CacheRecord cache_row(const Query& query) {
  CacheRecord record{.key = query.text(0),
                     .definition = query.text(1),
                     .slot = query.text(2),
                     .extra = query.text(4),
                     .created = from_milliseconds(query.number(5)),
                     .last_used = from_milliseconds(query.number(6)),
                     .duration = std::chrono::milliseconds(query.number(7)),
                     .size_bytes = static_cast<uint64_t>(query.number(8))};
  if (!query.is_null(3)) record.result = oci::DiffId::parse(query.text(3));
  return record;
}

}  // namespace

void insert_cache(Database& database, const CacheRecord& record, int64_t now) {
  const std::optional<std::string> result =
      record.result ? std::optional(record.result->str()) : std::nullopt;
  const int64_t created = record.created == Time() ? now : to_milliseconds(record.created);
  Query(database,
        "INSERT OR REPLACE INTO cache(key, definition, slot, result, extra, created, last_used, "
        "duration, size) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .bind(record.key, record.definition, record.slot, result, record.extra, created, now,
            static_cast<int64_t>(record.duration.count()), record.size_bytes)
      .run();
}

std::optional<CacheRecord> Store::find_cache(const std::string& key) {
  Keeper keeper(*core_);
  std::optional<CacheRecord> record;
  bool has_come = true;
  {
    Core::Records records = core_->records();
    Query query(records, TORTE_CACHE_COLUMNS "WHERE key = ?");
    query.bind(key);
    if (!query.step()) return std::nullopt;
    record = cache_row(query);
    if (record->result) {
      std::optional<LayerRecord> layer = select_layer(records, record->result->str());
      if (!layer) return std::nullopt;  // a lost layer is a miss
      has_come = layer->origin != Origin::kKnown;
    }
  }
  if (record->result) {
    if (has_come && !is_there(core_->layout.layer_tree(*record->result))) return std::nullopt;
    keeper.layer(*record->result);
  }
  return record;
}

std::optional<CacheRecord> Store::nearest_cache(const std::string& slot) {
  std::vector<CacheRecord> recent = recent_cache(slot, 1);
  if (recent.empty()) return std::nullopt;
  return std::move(recent.front());
}

std::vector<CacheRecord> Store::recent_cache(const std::string& slot, int most) {
  Core::Records records = core_->records();
  Query query(records, TORTE_CACHE_COLUMNS "WHERE slot = ? ORDER BY last_used DESC LIMIT ?");
  query.bind(slot, int64_t{most});
  std::vector<CacheRecord> recent;
  while (query.step()) recent.push_back(cache_row(query));
  return recent;
}

std::vector<CacheRecord> Store::list_cache() {
  Core::Records records = core_->records();
  Query query(records, TORTE_CACHE_COLUMNS "ORDER BY last_used DESC, key");
  std::vector<CacheRecord> list;
  while (query.step()) list.push_back(cache_row(query));
  return list;
}

void Store::touch_cache(const std::vector<std::string>& keys) {
  if (!core_->writable || keys.empty()) return;
  // A build that finds everything should not write at all when it runs again soon.
  constexpr std::chrono::minutes kCoarse{10};
  const Time now = std::chrono::system_clock::now();
  Core::Records records = core_->records();
  std::vector<std::string> old;
  for (const std::string& key : keys) {
    Query query(records, "SELECT last_used FROM cache WHERE key = ?");
    query.bind(key);
    if (query.step() && from_milliseconds(query.number(0)) < now - kCoarse) old.push_back(key);
  }
  if (old.empty()) return;
  Unsynced unsynced(records);
  Transaction transaction(records);
  for (const std::string& key : old)
    Query(records, "UPDATE cache SET last_used = ? WHERE key = ?")
        .bind(to_milliseconds(now), key)
        .run();
  transaction.commit();
}

void Store::remove_cache(const std::string& key) {
  core_->require_writable();
  Core::Records records = core_->records();
  Query(records, "DELETE FROM cache WHERE key = ?").bind(key).run();
}

}  // namespace store
