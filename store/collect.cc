#include "store/collect.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/error.h"
#include "base/sys/tree.h"
#include "base/text.h"
#include "store/plan.h"
#include "store/store.h"

namespace store {

namespace {

using base::Code;
using base::Error;

std::vector<std::string> shown_names(const ImageRow& row) {
  return row.names.empty() ? std::vector<std::string>{"<none>"} : row.names;
}

PruneReport report_of(const Core& core, const Snapshot& snapshot, const Plan& plan) {
  PruneReport report;
  for (const std::string& id : plan.images)
    report.images.push_back({id, base::join(shown_names(snapshot.images.at(id)), ", "), 0});
  const std::set<std::string> keys(plan.cache.begin(), plan.cache.end());
  for (const CacheRow& row : snapshot.cache)
    if (keys.contains(row.key)) report.cache.push_back({row.key, row.slot, 0});
  for (const std::string& id : plan.layers) {
    report.layers.push_back({id, {}, layer_bytes(core, snapshot, id)});
    report.freed_bytes += report.layers.back().size_bytes;
  }
  for (const std::string& digest : plan.blobs) {
    report.blobs.push_back({digest, {}, snapshot.blob_sizes.at(digest)});
    report.freed_bytes += report.blobs.back().size_bytes;
  }
  return report;
}

// Layers of one image that nothing else uses, found without reading the whole store: removing one
// image of ten thousand is a matter of milliseconds.
Plan plan_image_removal(Core& core, const ImageRecord& image, const Uses& uses) {
  const std::string& id = image.id.str();
  Plan plan{.images = {id}};
  Core::Records records = core.records();
  std::set<std::string> blobs = {id};
  if (image.manifest) blobs.insert(image.manifest->str());
  for (const oci::Digest& blob : image.blobs) blobs.insert(blob.str());
  for (const Name& name : image.names)
    if (name.digest) blobs.insert(name.digest->str());
  for (const oci::DiffId& layer : image.layers) {
    const std::string& layer_id = layer.str();
    if (uses.layers.contains(layer_id)) continue;
    Query user(records,
               "SELECT 1 FROM image_layers WHERE diff_id = ?1 AND config <> ?2 UNION ALL "
               "SELECT 1 FROM cache WHERE result = ?1 LIMIT 1");
    user.bind(layer_id, id);
    if (user.step()) continue;
    plan.layers.insert(layer_id);
    Query encodings(records, "SELECT digest FROM layer_blobs WHERE diff_id = ?");
    encodings.bind(layer_id);
    while (encodings.step()) blobs.insert(encodings.text(0));
  }
  for (const std::string& digest : blobs) {
    if (uses.blobs.contains(digest) || !is_there(core.layout.blob(oci::Digest::parse(digest))))
      continue;
    Query user(records,
               "SELECT 1 FROM images WHERE config = ?1 AND config <> ?2 UNION ALL "
               "SELECT 1 FROM images WHERE manifest = ?1 AND config <> ?2 UNION ALL "
               "SELECT 1 FROM image_blobs WHERE digest = ?1 AND config <> ?2 UNION ALL "
               "SELECT 1 FROM names WHERE digest = ?1 AND config <> ?2 LIMIT 1");
    user.bind(digest, id);
    Query encoding(records, "SELECT diff_id FROM layer_blobs WHERE digest = ?");
    encoding.bind(digest);
    bool used = user.step();
    while (!used && encoding.step()) used = !plan.layers.contains(encoding.text(0));
    if (!used) plan.blobs.insert(digest);
  }
  return plan;
}

uint64_t bytes_of(Core& core, const Plan& plan) {
  Snapshot sizes;
  {
    Core::Records records = core.records();
    for (const std::string& id : plan.layers)
      if (const auto layer = select_layer(records, id))
        sizes.layers[id].tree_size = layer->tree_size_bytes;
  }
  uint64_t total = 0;
  for (const std::string& id : plan.layers) total += layer_bytes(core, sizes, id);
  for (const std::string& digest : plan.blobs)
    total += std::filesystem::file_size(core.layout.blob(oci::Digest::parse(digest)));
  return total;
}

/// What lies about without a meaning, and partial blobs that nobody is fetching. A dry run lists
/// them, a real one takes them away.
std::vector<Removed> take_leftovers(Core& core, const Snapshot& snapshot, bool dry_run) {
  std::vector<Removed> taken;
  const auto take = [&](const std::filesystem::path& path) {
    std::error_code failed;
    const bool is_directory =
        std::filesystem::is_directory(std::filesystem::symlink_status(path, failed));
    uint64_t size = is_directory ? sys::disk_usage(path) : std::filesystem::file_size(path, failed);
    if (failed) size = 0;
    taken.push_back({path.string(), {}, size});
    if (!dry_run) core.trash.discard(path);
  };
  for (const std::string& path : snapshot.strange) take(path);
  std::error_code ignored;
  std::set<std::filesystem::path> partials;
  for (const auto& entry : std::filesystem::directory_iterator(core.layout.partials(), ignored))
    partials.insert(entry.path());
  for (const std::filesystem::path& partial : partials) {
    const std::filesystem::path lock =
        core.layout.locks() / ("fetch-" + partial.filename().string());
    std::optional<sys::FileLock> claim;
    if (core.writable && (!dry_run || std::filesystem::exists(lock, ignored))) {
      claim = sys::FileLock::try_acquire(lock, sys::FileLock::Mode::kExclusive);
      if (!claim) continue;
    }
    take(partial);
    if (!dry_run) std::filesystem::remove(lock, ignored);
  }
  return taken;
}

}  // namespace

PruneReport Store::prune(const PruneOptions& options) {
  if (!options.dry_run) core_->require_writable();
  std::optional<sys::FileLock> lock;
  if (core_->writable)
    lock = sys::FileLock::acquire(core_->layout.gc_lock(), options.dry_run
                                                               ? sys::FileLock::Mode::kShared
                                                               : sys::FileLock::Mode::kExclusive);
  const Snapshot snapshot = take_snapshot(*core_);
  const int64_t now = to_milliseconds(std::chrono::system_clock::now());
  const Plan plan = plan_prune(snapshot, options, now);
  PruneReport report = report_of(*core_, snapshot, plan);
  if (!options.dry_run) carry_out(*core_, plan);
  report.leftovers = take_leftovers(*core_, snapshot, options.dry_run);
  for (const Removed& each : report.leftovers) report.freed_bytes += each.size_bytes;
  if (options.dry_run) return report;
  lock.reset();
  core_->trash.flush();
  return report;
}

RemoveReport Store::remove_image(std::string_view text, const RemoveOptions& options) {
  core_->require_writable();
  const auto lock =
      sys::FileLock::acquire(core_->layout.gc_lock(), sys::FileLock::Mode::kExclusive);
  std::optional<std::string> name;
  std::optional<ImageRecord> image;
  {
    Core::Records records = core_->records();
    name = resolve_name(records, text);
    if (const auto id = resolve_image(records, text)) image = select_image(records, *id);
  }
  if (!image) {
    Core::Records records = core_->records();
    throw image_not_found(records, text);
  }
  RemoveReport report;
  if (name && image->names.size() > 1) {
    untag(*name);
    report.untagged.push_back(*name);
    return report;
  }
  std::map<std::string, size_t> containers;
  const Uses uses = collect_uses(*core_, &containers);
  if (!options.force && containers[image->id.str()] > 0)
    throw Error(Code::kDenied,
                base::str("image ", base::printable(text, 200), " is used by ",
                          containers[image->id.str()], " container(s) or mount(s)"),
                "image-in-use")
        .add_help("remove or unmount them first, or use --force");
  if (!name && !options.force && image->names.size() > 1)
    throw Error(
        Code::kDenied,
        base::str("image ", base::printable(text, 200), " has ", image->names.size(), " names"),
        "image-has-names")
        .add_help("remove one name after another, or use --force");
  Plan plan = plan_image_removal(*core_, *image, uses);
  if (options.keep_layers) {
    plan.layers.clear();
    plan.blobs.clear();
  }
  report.freed_bytes = bytes_of(*core_, plan);
  for (const Name& each : image->names) report.untagged.push_back(each.name);
  report.deleted.push_back(image->id);
  carry_out(*core_, plan);
  return report;
}

}  // namespace store
