#include "store/fsck.h"

#include <sys/stat.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "store/plan.h"
#include "store/store.h"

namespace store {

namespace {

// Manifests and configurations are never larger; hashing all of them takes no time worth naming.
constexpr uint64_t kSmallBlob = 1 << 20;

bool is_real_directory(const std::filesystem::path& path) {
  struct stat st;
  return ::lstat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

// Looks at everything once and notes what is broken; what depends on something broken is broken.
class Checker {
 public:
  Checker(Core& core, const FsckOptions& options)
      : core_(core), options_(options), snapshot_(take_snapshot(core)) {}

  FsckReport run() {
    check_database();
    check_blobs();
    check_layers();
    check_images();
    check_cache();
    note_leftovers();
    return std::move(report_);
  }

  // What a repair removes: the broken, and the records that named it.
  const Plan& repair_plan() const { return plan_; }
  const std::vector<std::string>& lost_names() const { return lost_; }

 private:
  void problem(std::string object, std::string text) {
    report_.problems.push_back({std::move(object), std::move(text), false});
  }

  void check_database() {
    Core::Records records = core_.records();
    Query query(records, "PRAGMA integrity_check(5)");
    while (query.step())
      if (query.text(0) != "ok") problem("records", query.text(0));
  }

  void check_blobs() {
    std::map<std::string, uint64_t> expected;
    for (const auto& [id, row] : snapshot_.layers)
      for (const LayerBlob& blob : row.blobs) expected[blob.digest.str()] = blob.size_bytes;
    for (const auto& [digest, size] : snapshot_.blob_sizes) {
      ++report_.blobs;
      const auto known = expected.find(digest);
      std::string wrong;
      if (known != expected.end() && known->second != size) {
        wrong = base::str("has ", size, " bytes instead of ", known->second);
      } else if (options_.deep || size <= kSmallBlob) {
        wrong = verify_blob(digest);
      }
      if (wrong.empty()) continue;
      problem("blob " + digest, wrong);
      plan_.blobs.insert(digest);
    }
  }

  std::string verify_blob(const std::string& digest) {
    try {
      std::optional<BlobReader> blob = open_blob_file(core_, oci::Digest::parse(digest));
      if (!blob) return "is missing";
      base::CountingSink nowhere;
      base::copy(*blob, nowhere);
      return {};
    } catch (const base::Error& e) {
      return e.what();
    }
  }

  void check_layers() {
    for (const auto& [id, row] : snapshot_.layers) {
      ++report_.layers;
      const oci::DiffId diff_id = oci::DiffId::parse(id);
      const std::filesystem::path tree = core_.layout.layer_tree(diff_id);
      std::string wrong;
      if (row.origin == Origin::kKnown && !is_there(tree)) {
        // It is packed, or still to come.
        const auto can_be_had = [&](const LayerBlob& blob) {
          return !blob.source.empty() || blob_is_good(blob.digest.str());
        };
        if (std::any_of(row.blobs.begin(), row.blobs.end(), can_be_had)) continue;
        wrong = "its blob is missing or damaged";
      } else if (!is_real_directory(tree)) {
        wrong = "its tree is missing";
      } else if (options_.deep && options_.verifier) {
        wrong = verify_tree({.diff_id = diff_id,
                             .tar_size_bytes = row.tar_size,
                             .tree_size_bytes = row.tree_size,
                             .tar_crc32 = row.tar_crc32,
                             .origin = row.origin,
                             .blobs = row.blobs},
                            tree);
      }
      if (wrong.empty()) continue;
      problem("layer " + id, wrong);
      plan_.layers.insert(id);
    }
  }

  std::string verify_tree(const LayerRecord& record, const std::filesystem::path& tree) {
    try {
      return options_.verifier(record, tree) ? "" : "its tree has another content";
    } catch (const base::Error& e) {
      return e.what();
    }
  }

  bool blob_is_good(const std::string& digest) const {
    return snapshot_.blob_sizes.contains(digest) && !plan_.blobs.contains(digest);
  }

  bool layer_is_good(const std::string& id) const {
    return snapshot_.layers.contains(id) && !plan_.layers.contains(id);
  }

  void check_images() {
    for (const auto& [id, row] : snapshot_.images) {
      ++report_.images;
      std::vector<std::string> wrong;
      if (row.platform.empty() && row.layers.empty() && !snapshot_.blob_sizes.contains(id)) {
        wrong.push_back("has a name and nothing else");
      } else {
        if (!blob_is_good(id)) wrong.push_back("its configuration is missing or damaged");
        if (row.manifest && !blob_is_good(*row.manifest))
          wrong.push_back(base::str("its manifest ", *row.manifest, " is missing or damaged"));
        for (const std::string& layer : row.layers)
          if (!layer_is_good(layer))
            wrong.push_back(base::str("its layer ", layer, " is missing or damaged"));
      }
      if (wrong.empty()) continue;
      problem("image " + (row.names.empty() ? id : base::join(row.names, ", ")),
              base::join(wrong, "; "));
      plan_.images.push_back(id);
      lost_.insert(lost_.end(), row.names.begin(), row.names.end());
    }
  }

  void check_cache() {
    for (const CacheRow& row : snapshot_.cache)
      if (row.result && !layer_is_good(*row.result)) {
        problem("cache record " + row.key, base::str("its layer ", *row.result, " is missing"));
        plan_.cache.push_back(row.key);
      }
  }

  void note_leftovers() {
    const Plan orphans = plan_prune(snapshot_, {.images = false, .cache = false}, 0);
    for (const std::string& id : orphans.layers) report_.leftovers.push_back("layer " + id);
    for (const std::string& digest : orphans.blobs) report_.leftovers.push_back("blob " + digest);
    for (const std::string& path : snapshot_.strange) report_.leftovers.push_back("file " + path);
  }

  Core& core_;
  const FsckOptions& options_;
  Snapshot snapshot_;
  FsckReport report_;
  Plan plan_;
  std::vector<std::string> lost_;
};

}  // namespace

FsckReport Store::fsck(const FsckOptions& options) {
  if (options.repair) core_->require_writable();
  std::optional<sys::FileLock> lock;
  if (core_->writable)
    lock = sys::FileLock::acquire(core_->layout.gc_lock(), options.repair
                                                               ? sys::FileLock::Mode::kExclusive
                                                               : sys::FileLock::Mode::kShared);
  Checker checker(*core_, options);
  FsckReport report = checker.run();
  if (!options.repair || report.problems.empty()) return report;
  carry_out(*core_, checker.repair_plan());
  report.lost = checker.lost_names();
  for (Problem& problem : report.problems) problem.repaired = problem.object != "records";
  return report;
}

}  // namespace store
