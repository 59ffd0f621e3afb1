#pragma once

#include <functional>
#include <string>
#include <vector>

#include "store/store.h"

namespace solve {

/// A step whose result other machines may want.
struct SharedStep {
  store::CacheRecord record;        ///< key, definition, created, duration
  std::string instruction;          ///< "RUN make -j8"
  std::vector<oci::DiffId> layers;  ///< the state after the step, bottom first
  size_t delta = 0;                 ///< index of the layer the step made
  bool in_result = false;           ///< the image that was built has that layer
};

/// Results shared with other machines. cli fills it in, so that the builder knows no registry.
/// Called by several threads at once. [spec/scale-out.md 1]
class SharedCache {
 public:
  virtual ~SharedCache() = default;
  /// Called before the first step: `list` tells the keys that will be asked for, as far as they can
  /// be known before anything runs, so that what is far away is asked for all of them at once.
  /// Listing costs a look at the context. Not while other threads call.
  virtual void expect(const std::function<std::vector<std::string>()>& list) = 0;
  /// Brings the result of `record.key` into the store, layer and record; false when nobody has it.
  /// A cache that fails is a miss, not an error. Throws Cancelled.
  virtual bool fetch(const store::CacheRecord& record) = 0;
  /// Where fetch() looks, as shown to people; empty: nowhere, the cache is only filled.
  virtual std::vector<std::string> sources() const = 0;
  /// Called once, after the build, successful or not, with the steps that were finished.
  virtual void offer(const std::vector<SharedStep>& steps) = 0;
};

}  // namespace solve
