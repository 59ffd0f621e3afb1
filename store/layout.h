#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "store/oci/digest.h"

namespace store {

/// The paths of one store, built here and nowhere else. A value.
///
///     ROOT/
///       version                "torte-store 1"; any other text: refuse to write
///       torte.db               SQLite: every record (store/schema.h)
///       gc.lock                flock: shared while records are committed, exclusive while swept
///       blobs/ALGORITHM/HEX    manifests, configurations, layer blobs; immutable, verified on
///       entry layers/HEX/tree/       one layer unpacked, named by its diff id; complete and
///       durable staging/ID/            everything unfinished, each with a `lock` held by its owner
///       partial/ALGORITHM-HEX  what has come of a blob that is being fetched; its owner holds the
///       claim
///                              of the same name; outlives a killed process
///       staging.lock           flock: shared while an entry is made, exclusive while dead ones go
///       staging/trash-ID/      waiting to be deleted
///       leases/ID              held by flock; lists the objects its owner uses (store/lease.h)
///       locks/NAME             claims on work that one process should do for all (store/lease.h)
///       containers/ID/uses     the same list for a container; the rest is runner/container's
///       volumes/NAME/data/     directories that outlive containers (runner/container)
///       containers/mount-ID/   `torte mount`: uses, and mount, which says where
///       (cli/images/image_mounts.h) events, events.1       what happened, for `torte events`
///       (store/event_log.h), and events.lock index/NAME             what other rooms remember and
///       may lose at any time builds/ID/             record.json and the logs of one build
///       (cli/history/build_record.h) cache-mounts/          persistent directories of RUN
///       --mount=type=cache (builder/solve) constant/empty/        always empty: a lower directory
///       for overlays that need one constant/stubs/        mount targets below every container's
///       root (runner/launch)
class Layout {
 public:
  explicit Layout(std::filesystem::path root) : root_(std::move(root)) {}

  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path version() const { return root_ / "version"; }
  std::filesystem::path database() const { return root_ / "torte.db"; }
  std::filesystem::path gc_lock() const { return root_ / "gc.lock"; }
  std::filesystem::path blobs() const { return root_ / "blobs"; }
  std::filesystem::path blob(const oci::Digest& digest) const;
  std::filesystem::path layers() const { return root_ / "layers"; }
  std::filesystem::path layer(const oci::DiffId& diff_id) const;
  /// The tree itself: overlay's own form, ready to be a lower directory.
  std::filesystem::path layer_tree(const oci::DiffId& diff_id) const {
    return layer(diff_id) / "tree";
  }
  std::filesystem::path partials() const { return root_ / "partial"; }
  std::filesystem::path partial(const oci::Digest& digest) const;
  std::filesystem::path staging() const { return root_ / "staging"; }
  std::filesystem::path staging_lock() const { return root_ / "staging.lock"; }
  std::filesystem::path leases() const { return root_ / "leases"; }
  std::filesystem::path locks() const { return root_ / "locks"; }
  std::filesystem::path containers() const { return root_ / "containers"; }
  std::filesystem::path container(std::string_view id) const { return containers() / id; }
  std::filesystem::path container_uses(std::string_view id) const { return container(id) / "uses"; }
  std::filesystem::path events() const { return root_ / "events"; }
  std::filesystem::path old_events() const { return root_ / "events.1"; }
  std::filesystem::path events_lock() const { return root_ / "events.lock"; }
  std::filesystem::path index() const { return root_ / "index"; }
  std::filesystem::path builds() const { return root_ / "builds"; }
  std::filesystem::path volumes() const { return root_ / "volumes"; }
  std::filesystem::path cache_mounts() const { return root_ / "cache-mounts"; }
  std::filesystem::path empty_directory() const { return root_ / "constant/empty"; }
  std::filesystem::path stubs() const { return root_ / "constant/stubs"; }

 private:
  std::filesystem::path root_;
};

/// Beginning of the names of trash in staging/.
inline constexpr std::string_view kTrashPrefix = "trash-";

/// Name of the claim on fetching a blob, and of its partial file.
std::string fetch_name(const oci::Digest& digest);

/// A name that no other process will choose: "PURPOSE-PID-RANDOM".
std::string unique_name(std::string_view purpose);

}  // namespace store
