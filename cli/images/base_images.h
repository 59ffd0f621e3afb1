#pragma once

#include <optional>
#include <string>

#include "builder/plan/plan.h"
#include "cli/images/pull.h"
#include "store/store.h"

namespace cli {

struct Context;

/// When a base image may be fetched.
enum class PullPolicy {
  kMissing,  ///< when the store has none of that name
  kNewer,  ///< when the registry has another one by that name; if it cannot be asked, what is there
  kAlways,
  kNever,
};
/// Throws UsageError for another word.
PullPolicy parse_pull_policy(const std::string& text);
/// The image of that name, fetched where the policy says so. Throws NotFound when it is neither in
/// the store nor may be fetched, and what pulling throws.
oci::Digest pull_by_policy(store::Store& store, Registries& registries,
                           const oci::Reference& reference, const oci::Platform& platform,
                           PullPolicy policy, const TransferOptions& options,
                           PullExtent extent = PullExtent::kWhole);

/// The same for a name or id as users give it.
store::ImageRecord get_or_pull(store::Store& store, Registries& registries, const std::string& text,
                               const oci::Platform& platform, PullPolicy policy,
                               const TransferOptions& options,
                               PullExtent extent = PullExtent::kWhole);

/// The image a container is to be made of, for commands with --pull, --platform and registry flags;
/// fetched with progress on standard error. Call it before signals are taken over.
store::ImageRecord get_image_to_run(Context& context, const Arguments& arguments,
                                    store::Store& store, const std::string& text);
/// --pull and --platform, and the registry flags.
std::vector<Flag> with_pull_flags(std::vector<Flag> flags);

/// Base images out of the store, or from where they come: their layers when a step needs them.
/// [spec/cli.md G6, --pull]
class StoreImages : public plan::BaseImages {
 public:
  StoreImages(store::Store& store, Registries& registries, PullPolicy policy,
              TransferOptions options)
      : store_(store), registries_(registries), policy_(policy), options_(std::move(options)) {}
  plan::BaseImage get(const std::string& reference, const oci::Platform& platform) override;

 private:
  store::Store& store_;
  Registries& registries_;
  PullPolicy policy_;
  TransferOptions options_;
};

/// The image a user means: as Store::find_image, and for a name without a registry also the one
/// below localhost/, where other tools put what was built here. [spec/cli.md G6]
std::optional<store::ImageRecord> find_image(store::Store& store, const std::string& text);

/// What an image is called beside this machine's where one name stands for several platforms:
/// "app:1-linux-arm64". The name must have a tag.
oci::Reference name_of_platform(const oci::Reference& name, const oci::Platform& platform);

/// The configuration of an image in the store.
oci::ImageConfig read_config(store::Store& store, const store::ImageRecord& image);

}  // namespace cli
