#pragma once

#include <functional>

#include "builder/cache/definition.h"
#include "builder/plan/plan.h"
#include "builder/solve/run_step.h"
#include "builder/solve/sources.h"

namespace solve {

/// Adds the identity of the files that a bind mount from a context shows.
void define_bind(const plan::Mount& mount, const SourceTree& source,
                 cache::Definition& definition);

/// Turns the mounts of a RUN into what the launcher attaches.
class MountPreparer {
 public:
  using OpenSource = std::function<SourceTree(const plan::FileSource&)>;
  using SourceKey = std::function<std::optional<std::string>(const plan::FileSource&)>;
  MountPreparer(const Options& options, store::Store& store, OpenSource open_source,
                SourceKey source_key)
      : options_(options), store_(store), open_source_(std::move(open_source)),
        source_key_(std::move(source_key)) {}

  /// Throws NotFound for a missing source or a required secret or SSH agent.
  void prepare(const plan::Mount& mount, RunEnvironment& environment);

 private:
  PreparedMount prepare_bind(const plan::Mount& mount);
  /// `initial` stands for what a new cache directory is filled with: another stage, another cache.
  PreparedMount prepare_cache(const plan::Mount& mount, const std::string& initial);
  void create_cache(const plan::Mount& mount, const std::filesystem::path& directory);
  void prepare_secret(const plan::Mount& mount, RunEnvironment& environment);
  void prepare_ssh(const plan::Mount& mount, RunEnvironment& environment);

  const Options& options_;
  store::Store& store_;
  OpenSource open_source_;
  SourceKey source_key_;
};

}  // namespace solve
