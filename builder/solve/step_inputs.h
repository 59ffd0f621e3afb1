#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "builder/cache/definition.h"
#include "builder/plan/plan.h"
#include "builder/solve/copy_step.h"
#include "builder/solve/layers.h"
#include "builder/solve/solver.h"
#include "builder/solve/sources.h"

namespace solve {

/// A stage as far as it is built.
struct StageState {
  std::string key;               ///< stands for everything so far in cache keys
  std::vector<LayerPtr> layers;  ///< bottom first, base image included
};

/// What can change the result of a step: for its key, and for telling whether inputs with another
/// key are the same all the same. Thread-safe. [spec/dockerfile.md 11]
class StepInputs {
 public:
  /// Answers with a stage that is built, waiting for it.
  using BuiltStage = std::function<const StageState&(size_t stage)>;

  StepInputs(const plan::Plan& plan, const Options& options, store::Store& store, Sources& sources,
             BuiltStage built_stage)
      : plan_(plan),
        options_(options),
        store_(store),
        sources_(sources),
        built_stage_(std::move(built_stage)) {}

  /// The state that a stage which is not FROM another one starts with.
  StageState base_of(const plan::Stage& stage) const;

  /// Waits for the stages that the step takes files from.
  cache::Definition define(const plan::Stage& stage, const plan::Step& step,
                           const StageState& below) const;

  /// What is written beside a result made from these inputs, for same_content(). Waits for the diff
  /// ids of everything the step was made from.
  std::string content(const plan::Step& step, const std::vector<LayerPtr>& below) const;

  /// Whether the step, defined anew as `definition`, would start from the same files as `before`:
  /// the keys of the states below it or of the stages it copies from may differ, but neither the
  /// layers below nor the files it selects do. Layers that are not hashed by `until` count as
  /// others. [rules K2, early cut-off]
  bool same_content(const plan::Step& step, const cache::Definition& definition,
                    const std::vector<LayerPtr>& below, const store::CacheRecord& before,
                    std::chrono::steady_clock::time_point until) const;

  /// A record of the step made from the same content, whose result is still there. `before` is the
  /// latest record of `slot`; of small steps some earlier ones are looked at too, so that going
  /// back and forth between two states of a recipe costs nothing.
  std::optional<store::CacheRecord> find_same(
      const plan::Step& step, const cache::Definition& definition,
      const std::vector<LayerPtr>& below, const std::string& slot,
      const std::optional<store::CacheRecord>& before) const;

  /// Opens what a COPY or a mount takes files from.
  SourceTree open(const plan::FileSource& from) const;
  /// The text that stands for a source in keys when its files do not.
  std::optional<std::string> key_of(const plan::FileSource& from) const;

 private:
  void define(const plan::CopyStep& step, cache::Definition& definition) const;
  void define_part(const plan::CopyStep& step, cache::Definition& definition) const;
  void define(const plan::RunStep& step, cache::Definition& definition) const;
  void define_host(const plan::Mount& mount, const plan::FromHost& from,
                   cache::Definition& definition) const;
  void define(const plan::WorkdirStep& step, cache::Definition& definition) const;
  std::optional<std::vector<LayerPtr>> layers_of(const plan::FileSource& from) const;
  bool same_files(const plan::Step& step, size_t nth, const plan::FileSource& from,
                  const std::string& ids_before) const;
  std::string select_content(const plan::Step& step, size_t nth, const SourceTree& source) const;

  const plan::Plan& plan_;
  const Options& options_;
  store::Store& store_;
  Sources& sources_;
  BuiltStage built_stage_;
  mutable std::mutex host_mutex_;
  mutable std::map<std::string, std::string>
      host_contents_;  // digest by path: the same for all steps
};

/// A linked COPY does not read what is below it.
bool is_link(const plan::Step& step);
/// The key of the state after a step whose own key is `key`.
std::string key_above(const plan::Step& step, const std::string& parent, const std::string& key);
/// What a step takes files from, in a fixed order.
std::vector<const plan::FileSource*> sources_of(const plan::Step& step);
/// Whether anything later in the plan may read the files of a step of `stage`.
bool is_read_later(const plan::Plan& plan, const plan::Stage& stage, const plan::Step& step);

}  // namespace solve
