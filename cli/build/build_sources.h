#pragma once

#include <map>
#include <string>

#include "builder/plan/plan.h"
#include "builder/solve/solver.h"
#include "cli/remote/fetcher.h"
#include "store/store.h"

namespace cli {

/// Base images out of OCI layouts, named "oci-layout://DIRECTORY[:TAG|@DIGEST]"; all other names
/// are asked of `next`. Images come into the store without a name.
class LayoutImages : public plan::BaseImages {
 public:
  LayoutImages(store::Store& store, plan::BaseImages& next) : store_(store), next_(next) {}
  plan::BaseImage get(const std::string& reference, const oci::Platform& platform) override;

 private:
  store::Store& store_;
  plan::BaseImages& next_;
};

/// Fetches what the plan takes from elsewhere, and names the directories of its contexts, which the
/// policy is asked about. Errors carry the place in the recipe that asked.
std::map<std::string, solve::LocalTree> provide_trees(const plan::Plan& plan, Fetcher& fetcher,
                                                      const SourcePolicy& policy);

}  // namespace cli
