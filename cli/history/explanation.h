#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/history/build_record.h"

namespace cli {

/// Why a step ran, or that it did not.
struct Explanation {
  const StepRecord* step = nullptr;  ///< in the record that was explained
  /// Steps that this one needs and that changed with it: its own cause, where nothing else changed.
  std::vector<int> causes;
  /// Steps that ran because this one did.
  std::vector<int> affected;
  double affected_seconds = 0;
  /// The last build before in which the step's place of the recipe had a result; empty: none kept.
  std::string before;         ///< id of that build
  std::string before_result;  ///< "done" or "cached"
  /// Base images that were others then, where the step follows from a FROM.
  struct MovedImage {
    std::string name;  ///< "NAME PLATFORM"
    std::string old_identity;
    std::string new_identity;
  };
  std::vector<MovedImage> moved_images;
};

/// Explains all steps, or the one of that number: throws NotFound (id "step-missing"). `builds`
/// holds the records of builds before.
std::vector<Explanation> explain_build(const BuildRecord& record, std::optional<uint64_t> step,
                                       const std::filesystem::path& builds);

struct ExplanationForm {
  bool shows_cached = false;  ///< steps that did not run too: else they are only counted
  bool shows_all = false;     ///< every change that is kept: else ten a step
};
/// The same as text for people.
std::string explanation_text(const BuildRecord& record, const std::vector<Explanation>& all,
                             ExplanationForm form);
/// The same as JSON: docs/builds.md says what is in it.
std::string explanation_json(const BuildRecord& record, const std::vector<Explanation>& all);

/// Whether the reason is that a step it needs changed.
bool is_of_another_step(const MissRecord& miss);
/// "file package.json: 1c9e.. -> 77b0..", "never built here"; one line, safe to show.
std::string miss_text(const MissRecord& miss);

}  // namespace cli
