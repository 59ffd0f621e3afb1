#include "builder/solve/finish.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "overlay/built_layer.h"
#include "overlay/merge_trees.h"
#include "store/layer/writer.h"

namespace solve {

namespace {

constexpr std::string_view kFormat = "rewrite-1";  // another algorithm is another number

class Finisher {
 public:
  Finisher(Result result, const FinishOptions& options, store::Store& store)
      : result_(std::move(result)), options_(options), store_(store), batch_(store.batch()) {}

  Result run() {
    rewrite_layers();
    std::string bytes = result_.config.to_json();
    std::unique_ptr<store::BlobWriter> blob = store_.write_blob();
    blob->write(base::as_bytes(bytes));
    store::StagedBlob staged = blob->finish();
    result_.image = staged.digest();
    batch_.add_blob(std::move(staged));
    batch_.add_image({.id = result_.image,
                      .platform = result_.platform,
                      .created = std::chrono::system_clock::from_time_t(result_.created),
                      .layers = result_.layers});
    for (const std::string& name : options_.names) batch_.set_name({name}, result_.image);
    batch_.commit();
    if (auto image = store_.find_image_by_id(result_.image)) result_.size_bytes = image->size_bytes;
    return std::move(result_);
  }

 private:
  void rewrite_layers() {
    size_t base = options_.squash == FinishOptions::Squash::kAll ? 0 : result_.base_layers;
    if (base >= result_.layers.size()) return;
    std::vector<oci::DiffId> fresh(result_.layers.begin() + static_cast<ptrdiff_t>(base),
                                   result_.layers.end());
    result_.layers.resize(base, fresh.front());
    result_.config.diff_ids.resize(base, fresh.front());
    if (options_.squash == FinishOptions::Squash::kNone) {
      for (const oci::DiffId& id : fresh) add_layer(merged({id}, true));
      return;
    }
    add_layer(merged(fresh, base > 0));
    // All lines stay to be read; the layer is that of the last one that made one.
    size_t left = base;
    oci::HistoryEntry* last = nullptr;
    for (oci::HistoryEntry& entry : result_.config.history) {
      if (entry.empty_layer) continue;
      if (left > 0) {
        --left;
        continue;
      }
      entry.empty_layer = true;
      last = &entry;
    }
    if (last != nullptr) last->empty_layer = false;
  }

  void add_layer(const oci::DiffId& id) {
    result_.layers.push_back(id);
    result_.config.diff_ids.push_back(id);
  }

  // The layer that `ids` become, made unless the store remembers it.
  oci::DiffId merged(const std::vector<oci::DiffId>& ids, bool has_below) {
    std::string work =
        base::str(kFormat, " below=", has_below ? 1 : 0,
                  " mtime=", options_.latest_mtime ? base::str(*options_.latest_mtime) : "");
    for (const oci::DiffId& id : ids) work += " " + id.str();
    std::string note = "rewrite-" + base::sha256_hex(base::as_bytes(work)).substr(0, 40);
    if (auto known = oci::DiffId::try_parse(store_.find_index(note).value_or("")))
      if (store_.find_layer(*known)) return *known;
    overlay::Stack trees = overlay::open_stack(store_, ids);
    if (ids.size() == 1 && hash(*trees[0], options_.latest_mtime).diff_id == ids[0]) return ids[0];
    overlay::TreePtr tree = overlay::merge_trees(
        store_, trees, {.latest_mtime = options_.latest_mtime, .keep_whiteouts = has_below});
    const layer::TarDigest digest = hash(*tree, {});
    const oci::DiffId id = digest.diff_id;
    batch_.add_layer({overlay::built_layer(digest), tree->path()});
    trees_.push_back(std::move(tree));
    result_.new_bytes += digest.size_bytes;
    store_.put_index(note, id.str());
    return id;
  }

  static layer::TarDigest hash(const overlay::Tree& tree, std::optional<int64_t> clamp) {
    return layer::tar_digest(sys::Root::open(tree.path()),
                             {.clamp_mtime = clamp, .plain = false, .stop = {}});
  }

  Result result_;
  const FinishOptions& options_;
  store::Store& store_;
  store::Batch batch_;
  std::vector<overlay::TreePtr> trees_;  // until the batch has published them
};

}  // namespace

Result finish(Result result, const FinishOptions& options, store::Store& store) {
  return Finisher(std::move(result), options, store).run();
}

}  // namespace solve
