#pragma once

#include <atomic>
#include <chrono>
#include <exception>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "builder/solve/shared_cache.h"
#include "cli/images/cache_place.h"
#include "cli/images/registries.h"
#include "cli/images/transfer.h"

namespace cli {

/// One --cache-to or --cache-from: type=registry,ref=R; type=local,dest=DIR or src=DIR;
/// type=inline; with scope=S, mode=min|max, ignore-error=BOOL.
struct CacheSpec {
  enum class Type { kRegistry, kLocal, kInline };
  Type type = Type::kRegistry;
  std::optional<oci::Reference> repository = {};
  std::filesystem::path directory = {};  ///< absolute
  std::string scope = {};                ///< empty: the default one
  bool all_steps = false;                ///< mode=max
  bool ignore_error = false;

  /// Throws UsageError; Unsupported for other types.
  static CacheSpec parse(const std::string& text, const char* flag);
};

/// What import_all() found.
struct ImportedSteps {
  size_t added = 0;
  size_t known = 0;   ///< the store had them
  size_t untold = 0;  ///< their entries do not tell what the key was made of
};

/// The build cache beside the store: one ordinary image manifest per step under the tag "k1-KEY",
/// or "k1-SCOPE-KEY", that lists all layers of the state after the step, in a registry or in an OCI
/// layout. The manifest goes last and is never replaced: who finds one there takes it as it is. An
/// image that was built with type=inline tells the keys of its own steps in an annotation.
/// [spec/scale-out.md 1]
class RegistryCache : public solve::SharedCache {
 public:
  RegistryCache(store::Store& store, Registries& registries, const std::vector<CacheSpec>& from,
                const std::vector<CacheSpec>& to, TransferOptions options);
  /// Asks registries for all keys, several at a time. What they say is good for what follows; that
  /// they have nothing only for a while, because others are filling them.
  void expect(const std::function<std::vector<std::string>()>& list) override;
  /// Asks all sources at once; the first of those that know counts. One that cannot be asked is not
  /// asked again.
  bool fetch(const store::CacheRecord& record) override;
  std::vector<std::string> sources() const override;
  /// Throws Cancelled. What else goes wrong is kept: a build that failed by itself says why it did.
  void offer(const std::vector<solve::SharedStep>& steps) override;
  /// Remembers every step of the sources, and brings their layers now, or (`fetch_layers` false)
  /// when they are needed. Throws what goes wrong; what came before that stays.
  ImportedSteps import_all(bool fetch_layers);
  /// Throws what went wrong with the first target whose errors count.
  void require_offered() const;

  /// What an image of these layers is to be annotated with: key and value, where type=inline was
  /// asked for.
  std::optional<std::pair<std::string, std::string>> inline_annotation(
      const std::vector<oci::DiffId>& layers);

 private:
  struct Source {
    CacheSpec spec;
    std::unique_ptr<CachePlace> place;
    std::once_flag looked;
    std::map<std::string, size_t> inline_steps =
        {};  ///< of an image that tells them itself: key → layer
    std::optional<oci::Manifest> image = {};
    std::optional<oci::ImageConfig> config = {};
    std::atomic<bool> gone = false;
    /// By key, of expect(): read by many threads, written by none while they run.
    std::map<std::string, std::optional<registry::Document>> expected = {};
    std::chrono::steady_clock::time_point expected_at = {};
    std::exception_ptr expected_error = {};
  };
  static std::optional<registry::Document> find_entry(Source& source, const std::string& key);
  void ask_for(Source& source, const std::vector<std::string>& keys) const;
  std::unique_ptr<CachePlace> open(const CacheSpec& spec);
  bool take_entry(Source& source, const registry::Document& document,
                  const store::CacheRecord& record);
  bool import_entry(Source& source, const std::string& tag, const std::string& key,
                    bool fetch_layer);
  bool take_inline(Source& source, const store::CacheRecord& record);
  void read_inline(Source& source);
  void offer_to(CachePlace& place, const CacheSpec& spec, const solve::SharedStep& step);
  void note(const std::string& text) const;

  store::Store& store_;
  Registries& registries_;
  std::vector<std::unique_ptr<Source>> from_;
  std::vector<std::unique_ptr<Source>> to_;
  bool inline_ = false;
  std::map<std::string, oci::DiffId> inline_steps_;  ///< by key
  std::exception_ptr failure_;
  TransferOptions options_;
};

}  // namespace cli
