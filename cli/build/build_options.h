#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/sys/process.h"
#include "builder/plan/plan.h"
#include "builder/solve/solver.h"
#include "cli/build/recipe_file.h"
#include "cli/context.h"
#include "cli/flag_values.h"
#include "cli/options.h"
#include "store/store.h"

namespace cli {

/// The flags of `torte build`, given their meaning. Functions throw UsageError naming the flag.

/// --build-arg-file, then --build-arg.
std::map<std::string, std::string> read_build_args(const Context& context,
                                                   const Arguments& arguments);
solve::Secrets read_secrets(const Context& context, const Arguments& arguments);
plan::Options plan_options(const Context& context, const Arguments& arguments);
solve::Options solve_options(const Context& context, const Arguments& arguments,
                             const RecipeFile& recipe, std::stop_token stop);

/// Agents for --ssh: sockets that are there, and agents started for key files, which end with this.
class SshAgents {
 public:
  SshAgents(const Context& context, const Arguments& arguments, store::Store& store);
  /// Sockets by id.
  const std::map<std::string, std::filesystem::path>& sockets() const { return sockets_; }
  /// The agent git may use: "default", or the only one; empty for none.
  std::string for_git() const;

 private:
  void start(const std::string& id, const std::vector<std::string>& keys, store::Store& store);
  std::vector<store::StagingDir> directories_;
  std::vector<sys::Process> agents_;
  std::map<std::string, std::filesystem::path> sockets_;
};

}  // namespace cli
