#pragma once

#include <string>
#include <vector>

#include "builder/plan/planner.h"

namespace plan {

/// Plans one stage: its base, the triggers the base brings, its own instructions. Used once.
class StagePlanner {
 public:
  StagePlanner(Planner& planner, size_t index);
  /// Fills in Plan::stages[index].
  StageScope run();

 private:
  using Instruction = dockerfile::Instruction;
  void choose_base();
  void reset(const std::string& part);
  void check_values() const;
  void start_from_image(size_t image);
  void note_globals(const dockerfile::From& from);
  void check_ignored(const std::string& source, const CopyStep& step,
                     const base::SourceRange& where);
  void start_from_context(const FileSource& source);
  void add_default_path();
  void run_triggers(const std::vector<std::string>& triggers);
  void plan_instruction(const Instruction& instruction);

  void plan(const dockerfile::From&) {}
  void plan(const dockerfile::Run& run);
  void plan(const dockerfile::Copy& copy);
  void plan(const dockerfile::Env& env);
  void plan(const dockerfile::Label& label);
  void plan(const dockerfile::Arg& arg);
  void plan(const dockerfile::Workdir& workdir);
  void plan(const dockerfile::User& user);
  void plan(const dockerfile::Cmd& cmd);
  void plan(const dockerfile::Entrypoint& entrypoint);
  void plan(const dockerfile::Shell& shell);
  void plan(const dockerfile::Expose& expose);
  void plan(const dockerfile::Volume& volume);
  void plan(const dockerfile::StopSignal& signal);
  void plan(const dockerfile::Healthcheck& check);
  void plan(const dockerfile::Onbuild& onbuild);
  void plan(const dockerfile::Maintainer& maintainer);

  std::string command_text(const dockerfile::Run& run, RunStep& step) const;
  Mount plan_mount(const dockerfile::MountOptions& options);
  void add_copy_source(const dockerfile::CopySource& source, CopyStep& step);
  void split_remotes(const dockerfile::Copy& copy, CopyStep& step);
  std::vector<std::string> with_shell(const std::string& text) const;
  std::vector<std::string> argv_of(const dockerfile::CommandLine& command) const;
  std::string expand(const std::string& word);
  /// The same; mistakes are shown at this argument of the instruction.
  std::string expand_at(const std::string& word, size_t arg);
  void add_step(std::variant<RunStep, CopyStep, WorkdirStep> action, std::string created_by);
  void add_history(std::string created_by, int step = -1);
  [[noreturn]] void fail(std::string id, std::string message, std::vector<std::string> helps = {});
  oci::ContainerConfig& config() { return stage_.config.config; }

  Planner& planner_;
  size_t index_;
  Stage& stage_;
  StageScope scope_;
  const Instruction* current_;
  bool has_cmd_ = false;
  bool replaced_ = false;  // by a context of the stage's name
};

}  // namespace plan
