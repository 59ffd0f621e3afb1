#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "builder/cache/definition.h"
#include "builder/plan/plan.h"
#include "builder/solve/solver.h"
#include "overlay/snapshot.h"
#include "runner/launch/launch.h"

namespace solve {

/// Files for one `--mount` of a RUN, ready before the step starts.
struct PreparedMount {
  launch::Mount mount;
  std::shared_ptr<void> keep;  ///< what must live as long as the step
  /// Makes a detached mount for `mount` each time the step is started: a launch uses it up.
  std::function<sys::UniqueFd()> make_source;
};

struct RunEnvironment {
  const Options& options;
  store::Store& store;
  std::vector<PreparedMount> mounts;
  /// Extra variables: values of secrets given with env=.
  std::vector<std::string> secret_env;
  std::function<void(std::string_view bytes)> output;  ///< receives what the program prints
  std::function<void(const char* id, const std::string& text)>
      warn;  ///< receives what could not be done
};

/// Adds everything of a RUN that can change its result; content of bind mounts is the caller's.
void define_run(const plan::RunStep& step, const Options& options, cache::Definition& definition);

/// Runs the program on the snapshot and waits for it. Throws Failed with its status, Cancelled when
/// the stop token asks. Returns whether somebody meddled with the step (Options::on_failure): then
/// its result is not what its definition says.
bool execute_run(const plan::RunStep& step, overlay::Active& active, RunEnvironment environment);

}  // namespace solve
