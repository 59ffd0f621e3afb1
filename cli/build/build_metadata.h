#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/events.h"
#include "builder/dockerfile/diagnostic.h"
#include "builder/plan/plan.h"
#include "cli/build/build_outputs.h"
#include "cli/build/recipe_file.h"
#include "store/store.h"

namespace cli {

/// What is known of a build when it has ended. Borrowed from it.
struct BuildFacts {
  const RecipeFile& recipe;
  const plan::Options& planning;
  const std::vector<BuildTarget>& targets;
  const base::event::BuildEnd& end;
  std::optional<int64_t> epoch;
  const std::map<std::string, std::string>& images;   ///< "NAME PLATFORM" → identity
  const std::map<std::string, std::string>& sources;  ///< address → digest or commit
  const std::vector<dockerfile::Diagnostic>& warnings;
  store::Store& store;
  std::string build_id;
  std::chrono::system_clock::time_point started;
  std::chrono::system_clock::time_point finished;
  bool whole_provenance = false;
};

/// The text of --metadata-file: JSON, fields are added and never changed. No values of build
/// arguments: they may be secret. The provenance of each image of the first target is always in it.
std::string build_metadata(const BuildFacts& facts);

}  // namespace cli
