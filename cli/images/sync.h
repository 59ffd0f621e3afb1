#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cli/images/copy.h"

namespace cli {

/// Images of one repository by their tags: in a registry ("docker://NAME"), in an OCI layout by the
/// names it gives ("oci:DIR"), or one in each directory ("dir:DIR").
class TaggedImages {
 public:
  /// `place` must have no tag. Throws UsageError for other transports.
  static std::unique_ptr<TaggedImages> open(Registries& registries, const Place& place);
  virtual ~TaggedImages() = default;
  virtual std::vector<std::string> list() = 0;
  /// What a tag leads to.
  virtual std::optional<oci::Digest> find(const std::string& tag) = 0;
  virtual Place place(const std::string& tag) const = 0;
};

struct SyncOptions {
  TransferOptions transfer;
  std::vector<std::string> patterns = {};      ///< tags to copy, with * and ?; empty for all
  std::optional<oci::Platform> platform = {};  ///< only this one of an index, not all of it
  bool dry_run = false;
};

/// How many tags were copied (or would be), were there already, and failed.
struct SyncReport {
  size_t copied = 0;
  size_t kept = 0;
  size_t failed = 0;
};

/// What became of one tag; `digest` is empty where nothing did.
struct SyncedTag {
  std::string tag;
  std::optional<oci::Digest> digest;
  bool kept = false;
  std::optional<base::Error> error = {};
};

/// Copies the tags that the destination lacks or has of something else, and tells `tell` of each.
/// One that fails does not keep the others; Cancelled does. Nothing is removed at the destination.
SyncReport sync_tags(const Context& context, Registries& registries, TaggedImages& from,
                     TaggedImages& to, const SyncOptions& options,
                     const std::function<void(const SyncedTag&)>& tell);

}  // namespace cli
