#include "store/schema.h"

#include <array>

#include "base/error.h"
#include "base/text.h"

namespace store {

namespace {

// Digests and diff ids are texts with their algorithm ("sha256:..."); times are milliseconds since
// 1970. What refers to what is checked by Batch and prune, which also know the files.
constexpr const char* kVersion1 = R"sql(
CREATE TABLE layers(
  diff_id   TEXT PRIMARY KEY,
  tar_size  INTEGER NOT NULL,
  tree_size INTEGER NOT NULL,
  origin    INTEGER NOT NULL,
  created   INTEGER NOT NULL,
  last_used INTEGER NOT NULL) WITHOUT ROWID;
-- Every encoding a layer is known to have; the blob itself may be absent.
CREATE TABLE layer_blobs(
  diff_id     TEXT NOT NULL,
  digest      TEXT NOT NULL,
  media_type  TEXT NOT NULL,
  size        INTEGER NOT NULL,
  compression TEXT NOT NULL,
  remakeable  INTEGER NOT NULL,
  source      TEXT NOT NULL,
  PRIMARY KEY(diff_id, digest)) WITHOUT ROWID;
CREATE INDEX layer_blobs_digest ON layer_blobs(digest);
CREATE TABLE images(
  config    TEXT PRIMARY KEY,
  manifest  TEXT,
  platform  TEXT NOT NULL,
  created   INTEGER NOT NULL,
  added     INTEGER NOT NULL,
  last_used INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE image_layers(
  config   TEXT NOT NULL,
  position INTEGER NOT NULL,
  diff_id  TEXT NOT NULL,
  PRIMARY KEY(config, position)) WITHOUT ROWID;
CREATE INDEX image_layers_diff_id ON image_layers(diff_id);
-- Further blobs that live as long as the image: an index, attestations.
CREATE TABLE image_blobs(
  config TEXT NOT NULL,
  digest TEXT NOT NULL,
  PRIMARY KEY(config, digest)) WITHOUT ROWID;
CREATE TABLE names(
  name    TEXT PRIMARY KEY,
  config  TEXT NOT NULL,
  digest  TEXT,
  updated INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX names_config ON names(config);
CREATE TABLE cache(
  key        TEXT PRIMARY KEY,
  slot       TEXT NOT NULL,
  result     TEXT,
  created    INTEGER NOT NULL,
  last_used  INTEGER NOT NULL,
  duration   INTEGER NOT NULL,
  size       INTEGER NOT NULL,
  definition TEXT NOT NULL,
  extra      TEXT NOT NULL);
CREATE INDEX cache_slot ON cache(slot, last_used);
CREATE INDEX cache_result ON cache(result);
CREATE TABLE documents(
  kind    TEXT NOT NULL,
  id      TEXT NOT NULL,
  created INTEGER NOT NULL,
  body    TEXT NOT NULL,
  PRIMARY KEY(kind, id));
)sql";

// What is cheap to compare when a tree is read again; of older layers it is not known.
constexpr const char* kVersion2 = "ALTER TABLE layers ADD COLUMN tar_crc32 INTEGER";

// kMigrations[n] brings version n to n + 1.
constexpr std::array<const char*, kSchemaVersion> kMigrations = {kVersion1, kVersion2};

int64_t version_of(Database& database) {
  Query query(database, "PRAGMA user_version");
  query.step();
  return query.number(0);
}

void require_known(int64_t version) {
  if (version > kSchemaVersion)
    throw base::Error(base::Code::kUnsupported,
                      base::str("the store's records have version ", version,
                                "; this torte knows versions up to ", kSchemaVersion),
                      "store-version");
}

}  // namespace

void prepare_schema(Database& database) {
  int64_t version = version_of(database);
  require_known(version);
  if (version == kSchemaVersion) return;
  if (database.read_only())
    throw base::Error(base::Code::kUnsupported,
                      base::str("the store's records have the older version ", version,
                                "; open the store for writing once"),
                      "store-version");
  // Remembered in the file. Cannot be set inside a transaction.
  if (version == 0) {
    Query query(database, "PRAGMA journal_mode=WAL");
    query.step();
  }
  Transaction transaction(database);
  version = version_of(database);  // another process may have been faster
  require_known(version);
  for (; version < kSchemaVersion; ++version)
    database.execute(kMigrations[static_cast<size_t>(version)]);
  database.execute(base::str("PRAGMA user_version=", kSchemaVersion).c_str());
  transaction.commit();
}

bool is_outdated(Database& database) { return version_of(database) < kSchemaVersion; }

}  // namespace store
