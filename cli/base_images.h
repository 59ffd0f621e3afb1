#pragma once

#include <optional>
#include <string>

#include "builder/plan/plan.h"
#include "store/store.h"

namespace cli {

/// When a base image may be fetched.
enum class PullPolicy { kMissing, kAlways, kNever };
/// Throws UsageError for another word.
PullPolicy parse_pull_policy(const std::string& text);

/// Base images out of the store. [spec/cli.md G6, --pull]
class StoreImages : public plan::BaseImages {
 public:
  StoreImages(store::Store& store, PullPolicy policy) : store_(store), policy_(policy) {}
  plan::BaseImage get(const std::string& reference, const oci::Platform& platform) override;

 private:
  store::Store& store_;
  PullPolicy policy_;
};

/// The image a user means: as Store::find_image, and for a name without a registry also the one below
/// localhost/, where other tools put what was built here. [spec/cli.md G6]
std::optional<store::ImageRecord> find_image(store::Store& store, const std::string& text);

/// The configuration of an image in the store.
oci::ImageConfig read_config(store::Store& store, const store::ImageRecord& image);

}  // namespace cli
