#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "builder/plan/plan.h"
#include "cli/build/recipe_file.h"
#include "cli/context.h"
#include "cli/remote/fetcher.h"

namespace cli {

/// When a build says that things happened: flags, build argument or environment name a time, or
/// something that has one. [spec/dockerfile.md 12]
class BuildTimes {
 public:
  /// Before planning. A number is also the value of an ARG SOURCE_DATE_EPOCH, which is put into
  /// `planning`. Throws NotFound (id "no-git").
  void read(const Context& context, const Arguments& arguments, const RecipeFile& recipe,
            plan::Options& planning);
  /// After planning: the name of a context or stage can only be followed when those are known.
  /// Throws UsageError for what names no time.
  void follow(const plan::Plan& plan, const plan::Options& planning, Fetcher& fetcher);

  /// Seconds since 1970: date of the image.
  std::optional<int64_t> epoch() const { return epoch_; }
  /// Whether the times of new layers are clamped to it.
  bool rewrites() const { return rewrites_; }

 private:
  void follow_name(const plan::Plan& plan, const plan::Options& planning, Fetcher& fetcher);

  std::string text_;
  std::optional<int64_t> epoch_;
  bool rewrites_ = false;
};

}  // namespace cli
