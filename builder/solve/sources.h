#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "builder/context/digest_index.h"
#include "builder/context/file_tree.h"
#include "builder/plan/plan.h"
#include "builder/solve/layers.h"
#include "builder/solve/solver.h"
#include "overlay/snapshot.h"

namespace solve {

/// A tree that files are taken from, and how it stands in messages. Whoever holds it is alone with
/// the files: stages that are built at the same time share the contexts.
struct SourceTree {
  context::FileTree* files = nullptr;
  bool keep_owner = false;  ///< files of a stage or image keep their owners
  std::string shown;        ///< "stage \"build\"", "the build context"
  std::shared_ptr<void> keep;
  std::unique_lock<std::mutex> alone;
  std::optional<overlay::Stack> stack;  ///< what the files of a stage or image are made of
};

/// Opens what COPY --from and mounts name: the context once a build, stages and images as views.
/// Thread-safe; a thread must not ask for a context while it holds one.
class Sources {
 public:
  Sources(const plan::Plan& plan, const Options& options, store::Store& store);
  ~Sources();

  /// A local directory: the main context (empty name) or a named one. Opened once.
  SourceTree context(const std::string& name);
  /// A directory of this machine, all of it. Opened once.
  SourceTree host(const plan::FromHost& from);
  /// The merged files of a stack of layers.
  SourceTree layers(const std::vector<LayerPtr>& layers, std::string shown);

  /// Remembers the digests computed in this build for the next one.
  void save_indexes();

 private:
  struct Context;
  LocalTree tree_of(const std::string& context) const;
  SourceTree open(const std::string& name, const LocalTree& tree);
  std::unique_ptr<Context> make_context(const std::string& name, const LocalTree& tree);

  const Options& options_;
  store::Store& store_;
  std::mutex mutex_;  // of contexts_
  std::map<std::string, std::unique_ptr<Context>>
      contexts_;  // "" the main one, "host:..." of this machine
};

}  // namespace solve
