#include "cli/images/image_changes.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "builder/dockerfile/validate.h"
#include "builder/plan/plan.h"
#include "cli/options.h"

namespace cli {

namespace {

/// The one image the made-up recipe starts from.
class ThisImage : public plan::BaseImages {
 public:
  explicit ThisImage(const oci::ImageConfig& config) : config_(config) {}
  plan::BaseImage get(const std::string& reference, const oci::Platform&) override {
    return {.reference = reference, .identity = "this", .config = config_, .layers = {}};
  }

 private:
  const oci::ImageConfig& config_;
};

}  // namespace

void apply_changes(oci::ImageConfig& config, const std::vector<std::string>& changes) {
  if (changes.empty()) return;
  std::string text = "FROM this-image\n";
  for (const std::string& change : changes) {
    std::string word =
        base::to_upper(base::trim(change).substr(0, base::trim(change).find_first_of(" \t")));
    if (word == "FROM" || word == "RUN" || word == "COPY" || word == "ADD")
      throw UsageError("--change cannot carry " + word +
                       ": it takes instructions that only change the "
                       "configuration");
    text += change + "\n";
  }
  // Triggers of the image are for images built FROM it, not for itself.
  oci::ImageConfig before = config;
  before.config.on_build.clear();
  ThisImage images(before);
  plan::Options options;
  options.platform = config.platform;
  plan::Plan plan =
      plan::make_plan(dockerfile::parse_and_validate(text, "--change"), options, images);
  oci::ContainerConfig after = plan.stages.at(plan.target).config.config;
  after.on_build.insert(after.on_build.begin(), config.config.on_build.begin(),
                        config.config.on_build.end());
  config.config = std::move(after);
  config.raw.clear();
}

}  // namespace cli
