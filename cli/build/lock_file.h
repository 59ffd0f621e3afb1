#pragma once

#include <map>
#include <optional>
#include <string>

#include "builder/plan/plan.h"
#include "store/store.h"

namespace cli {

/// What everything outside was when a recipe was last built (`build --lock FILE`): the identity of
/// every base image, the digest of every URL, the commit of every git reference. JSON, made for
/// keeping in version control: sorted, one entry a line. [spec/dockerfile.md E4]
///
///   {"version": 1, "images": {"docker.io/library/debian:12 linux/amd64": "sha256:..."},
///    "sources": {"https://host/file": "sha256:...", "https://host/p.git#main": "<commit>"}}
class LockFile {
 public:
  /// An absent file is an empty lock, or NotFound when `required`. Throws Invalid.
  static LockFile read(const std::string& path, bool required);
  /// Rewrites the file unless it is so already.
  void write(const std::string& path) const;

  std::map<std::string, std::string> images;   ///< "NAME PLATFORM" → identity
  std::map<std::string, std::string> sources;  ///< address → digest or commit

 private:
  std::string text() const;
};

/// Base images as the lock names them: what it pins is used if the store has it, even when its name
/// has moved on. With `locked`, anything else is an error (ids "not-locked", "lock-drift").
class LockedImages : public plan::BaseImages {
 public:
  LockedImages(store::Store& store, plan::BaseImages& next, const LockFile& lock, bool locked)
      : store_(store), next_(next), lock_(lock), locked_(locked) {}
  plan::BaseImage get(const std::string& reference, const oci::Platform& platform) override;
  /// Identities of everything asked for so far.
  const std::map<std::string, std::string>& resolved() const { return resolved_; }

 private:
  store::Store& store_;
  plan::BaseImages& next_;
  const LockFile& lock_;
  bool locked_;
  std::map<std::string, std::string> resolved_;
};

}  // namespace cli
