#pragma once

#include <functional>
#include <memory>

#include "cli/images/copy_source.h"

namespace cli {

struct Context;

/// Where images are copied to. Whatever a document names is put before it, the top one last, and
/// then finish(). What was not finished is no image, but blobs of it may stay. One thread.
class CopyTarget {
 public:
  explicit CopyTarget(const TransferOptions& options) : options_(options) {}
  virtual ~CopyTarget() = default;
  /// Told what the top will be before anything is put. Throws Unsupported for what it cannot hold.
  virtual void expect(const registry::Document&) {}
  /// A manifest, with the blobs it names. `is_top`: the name leads to it.
  virtual void put_manifest(CopySource& source, const registry::Document& document,
                            bool is_top) = 0;
  virtual void put_index(const registry::Document& document, bool is_top) = 0;
  /// A document that names another one as its subject, with the blobs it names.
  void put_referrer(CopySource& source, const registry::Document& document);
  /// The digest of what the name leads to now.
  virtual oci::Digest finish() = 0;

 protected:
  /// Beside having put it: makes it known as a referrer, where documents do not say so themselves.
  virtual void list_referrer(const registry::Document&) {}
  /// A blob, verified when its end is read, and shown while it moves.
  std::unique_ptr<base::Source> read(CopySource& source, const oci::Descriptor& blob,
                                     uint64_t offset = 0) const;
  const TransferOptions& options() const { return options_; }

 private:
  const TransferOptions& options_;
};

struct TargetOptions {
  const TransferOptions& transfer;  ///< borrowed
  /// Refuse whatever gives a manifest another digest than it had.
  bool preserve_digests = false;
};

/// `store` is the opened store where `place` is in it. Throws Invalid, what opening throws.
std::unique_ptr<CopyTarget> open_copy_target(const Context& context, Registries& registries,
                                             const Place& place, store::Store* store,
                                             const TargetOptions& options);
/// A repository; the top goes under the tag, or "" for its digest alone.
std::unique_ptr<CopyTarget> copy_target_of(const registry::Repository& repository,
                                           const std::string& tag, const TargetOptions& options);

/// How images come into the store.
struct StoreTargetOptions {
  bool packed = false;               ///< as import_packed()
  std::function<void()> abort = {};  ///< as IncomingImage::abort
};
/// The store. Of an index this machine's image gets `name`, and keeps the index; the others the
/// name with their platform behind the tag.
std::unique_ptr<CopyTarget> copy_target_of(store::Store& store, const oci::Reference& name,
                                           const TransferOptions& transfer,
                                           StoreTargetOptions options = {});

}  // namespace cli
