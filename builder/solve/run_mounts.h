#pragma once

#include <sys/stat.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "builder/cache/definition.h"
#include "builder/plan/plan.h"
#include "builder/solve/cache_mounts.h"
#include "builder/solve/run_step.h"
#include "builder/solve/sources.h"

namespace solve {

/// Adds the identity of the files that a bind mount from a context shows.
void define_bind(const plan::Mount& mount, const SourceTree& source, cache::Definition& definition);

/// Copies of what read-only bind mounts show of contexts, made once a build: files of a context are
/// seen without their owners and without what the ignore file leaves out, so they cannot be shown
/// as they lie there.
using Snapshots = std::map<std::string, std::shared_ptr<overlay::Active>>;

/// Turns the mounts of a RUN into what the launcher attaches.
class MountPreparer {
 public:
  using OpenSource = std::function<SourceTree(const plan::FileSource&)>;
  using SourceKey = std::function<std::optional<std::string>(const plan::FileSource&)>;
  /// `waiting` is called when a cache is held by another step, `warn` when one is not as asked for.
  MountPreparer(const Options& options, store::Store& store, OpenSource open_source,
                SourceKey source_key, Snapshots& snapshots, std::mutex& snapshots_mutex,
                std::function<void()> waiting, std::function<void(std::string text)> warn)
      : options_(options),
        store_(store),
        open_source_(std::move(open_source)),
        source_key_(std::move(source_key)),
        snapshots_(snapshots),
        snapshots_mutex_(snapshots_mutex),
        waiting_(std::move(waiting)),
        warn_(std::move(warn)),
        caches_(store.layout()) {}

  /// Throws NotFound for a missing source or a required secret or SSH agent.
  void prepare(const std::vector<plan::Mount>& mounts, RunEnvironment& environment);

 private:
  void prepare_one(const plan::Mount& mount, RunEnvironment& environment);
  std::string cache_key(const plan::Mount& mount) const;
  void hold_caches(const std::vector<plan::Mount>& mounts);
  PreparedMount prepare_bind(const plan::Mount& mount);
  PreparedMount prepare_host(const plan::Mount& mount, const plan::FromHost& from);
  void bind_layers(const plan::Mount& mount, overlay::Stack stack, PreparedMount& prepared);
  std::shared_ptr<overlay::Active> snapshot_of(const plan::Mount& mount, const SourceTree& source,
                                               context::Node& node);
  PreparedMount prepare_cache(const plan::Mount& mount);
  void compare_cache(const plan::Mount& mount, const struct stat& st) const;
  /// Fills a cache directory that is not there yet. Holding it shared does not exclude others.
  void create_cache(const plan::Mount& mount, const std::filesystem::path& directory);
  void prepare_secret(const plan::Mount& mount, RunEnvironment& environment);
  void prepare_ssh(const plan::Mount& mount, RunEnvironment& environment);

  const Options& options_;
  store::Store& store_;
  OpenSource open_source_;
  SourceKey source_key_;
  Snapshots& snapshots_;
  std::mutex& snapshots_mutex_;
  std::function<void()> waiting_;
  std::function<void(std::string text)> warn_;
  CacheMounts caches_;
  std::map<std::string, std::shared_ptr<CacheMounts::Held>> held_;  // by key
};

}  // namespace solve
