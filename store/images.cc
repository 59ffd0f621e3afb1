#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "store/core.h"
#include "store/event_log.h"
#include "store/oci/reference.h"
#include "store/store.h"

namespace store {

namespace {

using base::Code;
using base::Error;

bool is_hex(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
}

std::optional<std::string> image_named(Database& database, const std::string& name) {
  Query query(database, "SELECT config FROM names WHERE name = ?");
  query.bind(name);
  if (!query.step()) return std::nullopt;
  return query.text(0);
}

// By the digest of its configuration, its manifest, or the index it was pulled by.
std::optional<std::string> image_with_digest(Database& database, const std::string& digest) {
  Query query(database,
              "SELECT config FROM images WHERE config = ?1 UNION ALL "
              "SELECT config FROM images WHERE manifest = ?1 UNION ALL "
              "SELECT config FROM names WHERE digest = ?1 LIMIT 1");
  query.bind(digest);
  if (!query.step()) return std::nullopt;
  return query.text(0);
}

std::optional<std::string> image_with_prefix(Database& database, std::string_view text) {
  constexpr std::string_view kAlgorithm = "sha256:";
  if (text.starts_with(kAlgorithm)) text.remove_prefix(kAlgorithm.size());
  if (!is_hex(text) || text.size() > 64) return std::nullopt;
  const std::string first = base::str(kAlgorithm, text);
  const std::string last = first + "g";  // after every hex digit
  Query query(database, "SELECT config FROM images WHERE config >= ? AND config < ? LIMIT 2");
  query.bind(first, last);
  if (!query.step()) return std::nullopt;
  std::string id = query.text(0);
  if (query.step())
    throw Error(Code::kInvalid, base::str("image id ", text, " is ambiguous"), "image-ambiguous")
        .add_fact("it could be " + id)
        .add_fact("or " + query.text(0))
        .add_help("give more digits, or a name");
  return id;
}

std::vector<std::string> all_names(Database& database) {
  std::vector<std::string> names;
  Query query(database, "SELECT name FROM names ORDER BY name");
  while (query.step()) names.push_back(query.text(0));
  return names;
}

}  // namespace

base::Error image_not_found(Database& database, std::string_view text) {
  Error error(Code::kNotFound, base::str("no image ", base::printable(text, 200), " in the store"),
              "image-missing");
  std::vector<std::string> familiar;
  for (const std::string& name : all_names(database))
    if (const auto reference = oci::Reference::try_parse(name))
      familiar.push_back(reference->familiar());
  std::string wanted(text);
  if (const auto reference = oci::Reference::try_parse(text))
    wanted = reference->with_default_tag().familiar();
  const std::string near = base::nearest(wanted, familiar);
  if (!near.empty()) error.add_help(base::str("did you mean ", near, "?"));
  return error;
}

std::string normalised_name(std::string_view name) {
  return oci::Reference::parse(name).with_default_tag().str();
}

std::optional<std::string> resolve_name(Database& database, std::string_view text) {
  std::vector<std::string> spellings = {std::string(text)};
  if (const auto reference = oci::Reference::try_parse(text))
    spellings.push_back(reference->with_default_tag().str());
  // Programs that never mean docker.io say "localhost/NAME" and later ask for NAME.
  if (const auto reference = oci::Reference::try_parse(base::str("localhost/", text)))
    spellings.push_back(reference->with_default_tag().str());
  for (std::string& name : spellings)
    if (image_named(database, name)) return std::move(name);
  return std::nullopt;
}

std::optional<std::string> resolve_image(Database& database, std::string_view text) {
  if (const auto name = resolve_name(database, text)) return image_named(database, *name);
  if (const auto digest = oci::Digest::try_parse(text))
    return image_with_digest(database, digest->str());
  if (auto id = image_with_prefix(database, text)) return id;
  // NAME@DIGEST: the digest decides; a tag beside it only tells people what it was.
  const auto reference = oci::Reference::try_parse(text);
  if (reference && reference->digest())
    return image_with_digest(database, reference->digest()->str());
  return std::nullopt;
}

std::optional<ImageRecord> select_image(Database& database, const std::string& id) {
  Query query(database,
              "SELECT manifest, platform, created, added, last_used FROM images WHERE config = ?");
  query.bind(id);
  if (!query.step()) return std::nullopt;
  ImageRecord image{.id = oci::Digest::parse(id),
                    .platform = query.text(1),
                    .created = from_milliseconds(query.number(2)),
                    .added = from_milliseconds(query.number(3)),
                    .last_used = from_milliseconds(query.number(4))};
  if (!query.is_null(0)) image.manifest = oci::Digest::parse(query.text(0));
  Query layers(
      database,
      "SELECT i.diff_id, coalesce(l.tar_size, 0) FROM image_layers i "
      "LEFT JOIN layers l ON l.diff_id = i.diff_id WHERE i.config = ? ORDER BY i.position");
  layers.bind(id);
  while (layers.step()) {
    image.layers.push_back(oci::DiffId::parse(layers.text(0)));
    image.size_bytes += static_cast<uint64_t>(layers.number(1));
  }
  Query blobs(database, "SELECT digest FROM image_blobs WHERE config = ?");
  blobs.bind(id);
  while (blobs.step()) image.blobs.push_back(oci::Digest::parse(blobs.text(0)));
  Query names(database, "SELECT name, digest FROM names WHERE config = ? ORDER BY name");
  names.bind(id);
  while (names.step()) {
    Name name{.name = names.text(0)};
    if (!names.is_null(1)) name.digest = oci::Digest::parse(names.text(1));
    image.names.push_back(std::move(name));
  }
  return image;
}

void insert_image(Database& database, const ImageRecord& image, int64_t now) {
  const std::string& id = image.id.str();
  const std::optional<std::string> manifest =
      image.manifest ? std::optional(image.manifest->str()) : std::nullopt;
  const int64_t added = image.added == Time() ? now : to_milliseconds(image.added);
  Query(database,
        "INSERT INTO images(config, manifest, platform, created, added, last_used) "
        "VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT(config) DO UPDATE SET "
        "manifest = coalesce(excluded.manifest, manifest), last_used = excluded.last_used")
      .bind(id, manifest, image.platform, to_milliseconds(image.created), added, now)
      .run();
  int position = 0;
  for (const oci::DiffId& layer : image.layers)
    Query(database,
          "INSERT OR REPLACE INTO image_layers(config, position, diff_id) VALUES(?, ?, ?)")
        .bind(id, position++, layer.str())
        .run();
  for (const oci::Digest& blob : image.blobs)
    Query(database, "INSERT OR IGNORE INTO image_blobs(config, digest) VALUES(?, ?)")
        .bind(id, blob.str())
        .run();
}

void insert_name(Database& database, const Name& name, const std::string& image, int64_t now) {
  Query known(database, "SELECT 1 FROM images WHERE config = ?");
  known.bind(image);
  if (!known.step())
    throw Error(Code::kNotFound, base::str("no image ", image, " in the store"), "image-missing");
  const std::optional<std::string> digest =
      name.digest ? std::optional(name.digest->str()) : std::nullopt;
  Query(database,
        "INSERT INTO names(name, config, digest, updated) VALUES(?, ?, ?, ?) "
        "ON CONFLICT(name) DO UPDATE SET config = excluded.config, digest = excluded.digest, "
        "updated = excluded.updated")
      .bind(normalised_name(name.name), image, digest, now)
      .run();
}

std::optional<ImageRecord> Store::find_image(std::string_view text) {
  Keeper keeper(*core_);
  Core::Records records = core_->records();
  const std::optional<std::string> id = resolve_image(records, text);
  if (!id) return std::nullopt;
  std::optional<ImageRecord> image = select_image(records, *id);
  if (image) keeper.image(*image);
  return image;
}

ImageRecord Store::get_image(std::string_view text) {
  std::optional<ImageRecord> image = find_image(text);
  if (image) return std::move(*image);
  Core::Records records = core_->records();
  throw image_not_found(records, text);
}

std::optional<ImageRecord> Store::find_image_by_id(const oci::Digest& id) {
  Keeper keeper(*core_);
  Core::Records records = core_->records();
  std::optional<ImageRecord> image = select_image(records, id.str());
  if (image) keeper.image(*image);
  return image;
}

// Whole tables instead of four look-ups an image: ten thousand images in a blink.
std::vector<ImageRecord> Store::list_images() {
  Core::Records records = core_->records();
  ReadTransaction one_state(records);
  std::vector<ImageRecord> images;
  std::unordered_map<std::string, size_t> position;
  Query query(records,
              "SELECT config, manifest, platform, created, added, last_used FROM images "
              "ORDER BY created DESC, config");
  while (query.step()) {
    position.emplace(query.text(0), images.size());
    images.push_back({.id = oci::Digest::parse(query.text(0)),
                      .platform = query.text(2),
                      .created = from_milliseconds(query.number(3)),
                      .added = from_milliseconds(query.number(4)),
                      .last_used = from_milliseconds(query.number(5))});
    if (!query.is_null(1)) images.back().manifest = oci::Digest::parse(query.text(1));
  }
  const auto image_of = [&](const Query& row) -> ImageRecord* {
    const auto found = position.find(row.text(0));
    return found == position.end() ? nullptr : &images[found->second];
  };
  Query layers(records,
               "SELECT i.config, i.diff_id, coalesce(l.tar_size, 0) FROM image_layers i "
               "LEFT JOIN layers l ON l.diff_id = i.diff_id ORDER BY i.config, i.position");
  while (layers.step())
    if (ImageRecord* image = image_of(layers)) {
      image->layers.push_back(oci::DiffId::parse(layers.text(1)));
      image->size_bytes += static_cast<uint64_t>(layers.number(2));
    }
  Query blobs(records, "SELECT config, digest FROM image_blobs");
  while (blobs.step())
    if (ImageRecord* image = image_of(blobs))
      image->blobs.push_back(oci::Digest::parse(blobs.text(1)));
  Query names(records, "SELECT config, name, digest FROM names ORDER BY name");
  while (names.step())
    if (ImageRecord* image = image_of(names)) {
      Name name{.name = names.text(1)};
      if (!names.is_null(2)) name.digest = oci::Digest::parse(names.text(2));
      image->names.push_back(std::move(name));
    }
  return images;
}

void Store::tag(const Name& name, const oci::Digest& image) {
  core_->require_writable();
  Keeper keeper(*core_, true);
  Core::Records records = core_->records();
  Transaction transaction(records);
  insert_name(records, name, image.str(), to_milliseconds(std::chrono::system_clock::now()));
  transaction.commit();
}

bool Store::untag(std::string_view name) {
  core_->require_writable();
  Core::Records records = core_->records();
  const std::optional<std::string> stored = resolve_name(records, name);
  if (!stored) return false;
  const std::optional<std::string> image = resolve_image(records, *stored);
  Query(records, "DELETE FROM names WHERE name = ?").bind(*stored).run();
  log_event(core_->layout,
            {.type = "image", .action = "untag", .id = image.value_or(""), .name = *stored});
  return true;
}

void Store::set_manifest(const oci::Digest& image, const oci::Digest& manifest) {
  core_->require_writable();
  Core::Records records = core_->records();
  Query(records, "UPDATE images SET manifest = ? WHERE config = ?")
      .bind(manifest.str(), image.str())
      .run();
}

void Store::drop_image_blob(const oci::Digest& image, const oci::Digest& blob) {
  core_->require_writable();
  Core::Records records = core_->records();
  Query(records, "DELETE FROM image_blobs WHERE config = ? AND digest = ?")
      .bind(image.str(), blob.str())
      .run();
}

void Store::touch_image(const oci::Digest& image) {
  if (!core_->writable) return;
  constexpr int64_t kCoarseMilliseconds = 10 * 60 * 1000;
  const int64_t now = to_milliseconds(std::chrono::system_clock::now());
  Core::Records records = core_->records();
  {
    Query query(records, "SELECT last_used FROM images WHERE config = ?");
    query.bind(image.str());
    if (!query.step() || query.number(0) > now - kCoarseMilliseconds) return;
  }
  Unsynced unsynced(records);
  Query(records, "UPDATE images SET last_used = ? WHERE config = ?").bind(now, image.str()).run();
}

}  // namespace store
