#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "builder/plan/plan.h"
#include "builder/plan/scope.h"

namespace plan {

/// A stage of the recipe before it is planned: its FROM and the instructions below.
struct StageText {
  dockerfile::From from;
  const dockerfile::Instruction* from_instruction = nullptr;
  std::vector<const dockerfile::Instruction*> instructions;
};

/// What a stage hands to stages built on it, beside its image configuration. [spec A5, S7]
struct StageScope {
  Variables environment;  ///< of RUN and of expansion: ENV and ARG, the last writer wins (A4)
  std::vector<std::string> arguments;  ///< declared by ARG, each once, for history
  bool has_absolute_workdir = false;
  size_t history_bytes = 0;  ///< of the recipe's lines, those of the stages below included
};

/// Plans the stages that the target needs, each after those it needs. Used once.
class Planner {
 public:
  Planner(const dockerfile::Recipe& recipe, const Options& options, BaseImages& images);
  Plan run();

  // What stages ask while they are being planned.

  /// Plans a stage unless that is done, and returns its scope.
  const StageScope& need(size_t stage);
  /// The source that --from or from= names, seen from `stage`. A number counts only for COPY.
  /// Throws RecipeError for a later stage.
  FileSource resolve_source(const std::string& name, size_t stage, bool numbers_are_stages,
                            const base::SourceRange& where);
  /// Index in Plan::images; the image is asked for once.
  size_t add_image(const std::string& reference, const oci::Platform& platform,
                   const base::SourceRange& where);
  /// The value of the --build-context that stands for `name`, and the name it was given under; the
  /// one for `platform` first. Null when there is none. [spec S2, S9]
  const std::pair<const std::string, std::string>* find_context(
      const std::string& name, const oci::Platform& platform) const;
  /// The source that a found context is.
  FileSource context_source(const std::pair<const std::string, std::string>& context,
                            const oci::Platform& platform, const base::SourceRange& where);
  /// Notes something to fetch; the same thing twice is fetched once.
  FromNamed add_remote(Remote remote);
  /// Tells an error about the image `name` that a stage above `stage` may have been meant.
  void explain_stages(const std::string& name, size_t stage, base::Error& error) const;
  std::optional<size_t> find_stage_before(const std::string& name, size_t stage) const;

  Plan& plan() { return plan_; }
  Globals& globals() { return globals_; }
  const Options& options() const { return options_; }
  /// The build argument BUILDKIT_CONTEXT_KEEP_GIT_DIR (A8).
  bool wants_git_directory() const;
  const dockerfile::Recipe& recipe() const { return recipe_; }
  const std::vector<dockerfile::ArgDefinition>& global_definitions() const {
    return global_definitions_;
  }
  const StageText& text(size_t stage) const { return texts_[stage]; }
  const std::vector<StageText>& texts() const { return texts_; }
  const oci::Platform& target_platform() const { return target_platform_; }

  [[noreturn]] static void fail(const base::SourceRange& where, std::string id, std::string message,
                                std::vector<std::string> helps = {});
  void warn(const base::SourceRange& where, std::string id, std::string message);
  /// Notes that a stage that is built declares this argument; the first note of a name stays, but
  /// takes a description from later ones.
  void note_argument(const dockerfile::ArgDefinition& definition, std::optional<std::string> value);
  /// Counts what the plan keeps beside the recipe's own text; throws when that is more than a plan
  /// may hold: a short recipe can repeat long values without end.
  void count(size_t bytes, const base::SourceRange& where);
  /// Expands with the given variables; an error names the place, an unset variable is a warning.
  /// Of the body of a here-document quotes are text and the escape is always a backslash (7.6).
  std::string expand(const std::string& word, const Variables& variables,
                     const base::SourceRange& where, bool is_body = false);

 private:
  void split_stages();
  void read_global_arg(const dockerfile::Instruction& instruction);
  size_t find_target() const;
  void number_steps();
  void check_build_args();
  void check_cache_mounts();
  void check_syntax();
  void list_targets();
  void edit_result(oci::ContainerConfig& config) const;
  size_t get_image(const std::string& reference, const oci::Platform& platform,
                   const base::SourceRange& where);

  const dockerfile::Recipe& recipe_;
  const Options& options_;
  BaseImages& images_;
  oci::Platform target_platform_;
  Globals globals_;
  std::map<std::string, std::string> contexts_;               // by context_key()
  std::vector<std::pair<std::string, oci::Platform>> asked_;  // of each image of the plan
  std::vector<dockerfile::ArgDefinition> global_definitions_;
  std::vector<StageText> texts_;
  std::vector<std::optional<StageScope>> scopes_;
  size_t bytes_ = 0;  // see count()
  Plan plan_;
};

}  // namespace plan
