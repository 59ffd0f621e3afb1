#pragma once

#include <optional>
#include <string>
#include <vector>

#include "builder/dockerfile/checks.h"
#include "builder/dockerfile/parser.h"
#include "builder/plan/plan.h"
#include "builder/solve/solver.h"
#include "cli/context.h"
#include "cli/remote/source_policy.h"
#include "store/store.h"

namespace cli {

/// What `build --call` asks about a recipe instead of building it. [spec/dockerfile.md 13, 14]
enum class CallKind { kCheck, kOutline, kTargets, kAst, kPlan };

struct Call {
  CallKind kind = CallKind::kCheck;
  bool json = false;
};

/// "outline", "targets,format=json", ... Throws UsageError.
Call parse_call(const std::string& text);

/// Base images as far as the store has them; others are taken for unknown, so that checks need no
/// network and no image. `store` may be null.
class KnownImages : public plan::BaseImages {
 public:
  explicit KnownImages(store::Store* store) : store_(store) {}
  plan::BaseImage get(const std::string& reference, const oci::Platform& platform) override;

 private:
  store::Store* store_;
};

/// Warnings of the recipe and of its plan that are wanted, each once, in file order.
std::vector<dockerfile::Diagnostic> all_warnings(
    const dockerfile::Recipe& recipe, const dockerfile::CheckConfig& checks,
    const std::vector<dockerfile::Diagnostic>& planned);

/// Whether the recipe wants to hear of warnings `id` at that place.
bool wants_warning(const dockerfile::Recipe& recipe, const dockerfile::CheckConfig& checks,
                   const std::string& id, const base::SourceRange& where);

/// Answers a call on standard output; returns the exit status: 1 for a check that found something.
/// With `solving`, what a build would do, a plan tells which steps are cached, and a check looks at
/// the context too.
int answer_call(Context& context, const Call& call, const dockerfile::Recipe& recipe,
                const plan::Options& options, store::Store* store,
                const solve::Options* solving = nullptr, const SourcePolicy* policy = nullptr);

}  // namespace cli
