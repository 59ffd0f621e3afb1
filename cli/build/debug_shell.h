#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "builder/solve/solver.h"
#include "cli/context.h"

namespace cli {

/// `build --debug-on-error`: when a RUN fails, says so, opens a shell in it, and asks what next.
/// One at a time, however many steps fail at once.
class DebugShell {
 public:
  /// Throws UsageError unless standard input and output are a terminal.
  DebugShell(Context& context, std::string shell);
  solve::AfterFailure ask(const base::Error& error,
                          const std::function<void(const std::vector<std::string>&)>& shell);

 private:
  Context& context_;
  std::string shell_;
  std::mutex mutex_;
};

}  // namespace cli
