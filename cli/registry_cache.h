#pragma once

#include <string>
#include <vector>

#include "builder/solve/shared_cache.h"
#include "cli/registries.h"
#include "cli/transfer.h"

namespace cli {

/// "type=registry,ref=R[,scope=S][,mode=min|max][,ignore-error=BOOL]" of --cache-to and --cache-from.
struct CacheSpec {
  oci::Reference repository;
  std::string scope;          ///< empty: the default one
  bool all_steps = false;     ///< mode=max
  bool ignore_error = true;

  /// Throws UsageError; Unsupported for the other types.
  static CacheSpec parse(const std::string& text, const char* flag);
};

/// The build cache in a registry: one ordinary image manifest per step under the tag "k1-KEY", or
/// "k1-SCOPE-KEY", that lists all layers of the state after the step. The manifest goes last and is
/// never replaced: who finds one there takes it as it is. [spec/scale-out.md 1]
class RegistryCache : public solve::SharedCache {
 public:
  RegistryCache(store::Store& store, Registries& registries, std::vector<CacheSpec> from,
                std::vector<CacheSpec> to, TransferOptions options)
      : store_(store), registries_(registries), from_(std::move(from)), to_(std::move(to)),
        options_(std::move(options)) {}
  bool fetch(const store::CacheRecord& record) override;
  void offer(const std::vector<solve::SharedStep>& steps) override;

 private:
  bool fetch_from(const CacheSpec& spec, const store::CacheRecord& record);
  void offer_to(const CacheSpec& spec, const solve::SharedStep& step);
  void note(const std::string& text) const;

  store::Store& store_;
  Registries& registries_;
  std::vector<CacheSpec> from_;
  std::vector<CacheSpec> to_;
  TransferOptions options_;
};

}  // namespace cli
