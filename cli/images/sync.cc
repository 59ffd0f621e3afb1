#include "cli/images/sync.h"

#include <fnmatch.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "cli/options.h"
#include "store/archive/image_layout.h"
#include "store/oci/limits.h"
#include "store/oci/media_types.h"

namespace cli {

namespace {

using Transport = Place::Transport;

class RegistryTags : public TaggedImages {
 public:
  RegistryTags(registry::Repository repository, oci::Reference name)
      : repository_(std::move(repository)), name_(std::move(name)) {}
  std::vector<std::string> list() override { return repository_.list_tags(); }
  std::optional<oci::Digest> find(const std::string& tag) override {
    return repository_.find_digest(tag);
  }
  Place place(const std::string& tag) const override {
    return {Transport::kDocker, {}, name_.with_tag(tag).str()};
  }

 private:
  registry::Repository repository_;
  oci::Reference name_;
};

class LayoutTags : public TaggedImages {
 public:
  explicit LayoutTags(std::string path) : path_(std::move(path)) {}

  std::vector<std::string> list() override {
    std::vector<std::string> tags;
    for (const auto& [tag, digest] : read()) tags.push_back(tag);
    return tags;
  }
  std::optional<oci::Digest> find(const std::string& tag) override {
    // A layout is made by the first image that is copied into it.
    if (!std::filesystem::exists(std::filesystem::path(path_) / "index.json")) return std::nullopt;
    for (auto& [known, digest] : read())
      if (known == tag) return digest;
    return std::nullopt;
  }
  Place place(const std::string& tag) const override {
    return {Transport::kOciDirectory, path_, tag};
  }

 private:
  /// The name as other programs write it: org.opencontainers.image.ref.name.
  std::vector<std::pair<std::string, oci::Digest>> read() const {
    std::vector<std::pair<std::string, oci::Digest>> entries;
    auto layout = archive::ImageLayout::open(path_);
    for (const oci::Descriptor& entry : layout->index().manifests)
      if (std::string name = entry.annotation(oci::annotation::kRefName); oci::is_valid_tag(name))
        entries.emplace_back(std::move(name), entry.digest);
    return entries;
  }
  std::string path_;
};

class DirectoryTags : public TaggedImages {
 public:
  explicit DirectoryTags(std::filesystem::path path) : path_(std::move(path)) {}

  std::vector<std::string> list() override {
    std::vector<std::string> tags;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      std::string name = entry.path().filename().string();
      if (oci::is_valid_tag(name) && std::filesystem::exists(entry.path() / kDirManifest))
        tags.push_back(name);
    }
    std::sort(tags.begin(), tags.end());
    return tags;
  }
  std::optional<oci::Digest> find(const std::string& tag) override {
    auto manifest = sys::find_user_file(path_ / tag / kDirManifest, oci::kMaxManifestBytes);
    return manifest ? std::optional(oci::Digest::sha256_of(*manifest)) : std::nullopt;
  }
  Place place(const std::string& tag) const override {
    return {Transport::kDirectory, path_ / tag, {}};
  }

 private:
  std::filesystem::path path_;
};

bool is_wanted(const std::string& tag, const std::vector<std::string>& patterns) {
  return patterns.empty() ||
         std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
           return ::fnmatch(pattern.c_str(), tag.c_str(), 0) == 0;
         });
}

SyncedTag sync_tag(const Context& context, Registries& registries, TaggedImages& from,
                   TaggedImages& to, const std::string& tag, const SyncOptions& options) {
  Place place = from.place(tag);
  auto wanted = options.platform
                    ? std::optional(open_copy_source(registries, place, nullptr, options.transfer)
                                        ->get_image(options.platform)
                                        .digest)
                    : from.find(tag);
  if (!wanted)
    throw base::Error(base::Code::kNotFound, "tag " + tag + " is no longer there",
                      "registry-not-found");
  if (to.find(tag) == wanted) return {tag, wanted, true};
  if (options.dry_run) return {tag, wanted};
  CopyOptions copying{.transfer = options.transfer, .platform = options.platform};
  copying.extent = options.platform ? Extent::kOne : Extent::kAll;
  return {tag, copy_image(context, registries, place, to.place(tag), copying)};
}

}  // namespace

std::unique_ptr<TaggedImages> TaggedImages::open(Registries& registries, const Place& place) {
  if (place.transport == Transport::kDocker) {
    oci::Reference name = oci::Reference::parse(place.name);
    if (!name.tag().empty() || name.digest())
      throw UsageError("give a repository without a tag, not " + base::printable(place.name) +
                       "; --tags chooses");
    return std::make_unique<RegistryTags>(registries.repository(name), name);
  }
  if (place.transport == Transport::kOciDirectory) {
    if (!place.name.empty()) throw UsageError("give oci:DIR without a name; --tags chooses");
    return std::make_unique<LayoutTags>(place.path);
  }
  if (place.transport == Transport::kDirectory) return std::make_unique<DirectoryTags>(place.path);
  throw UsageError("give docker://REPOSITORY, oci:DIR or dir:DIR");
}

SyncReport sync_tags(const Context& context, Registries& registries, TaggedImages& from,
                     TaggedImages& to, const SyncOptions& options,
                     const std::function<void(const SyncedTag&)>& tell) {
  SyncReport report;
  for (const std::string& tag : from.list()) {
    if (!is_wanted(tag, options.patterns)) continue;
    try {
      SyncedTag done = sync_tag(context, registries, from, to, tag, options);
      ++(done.kept ? report.kept : report.copied);
      tell(done);
    } catch (base::Error& e) {
      if (e.code() == base::Code::kCancelled) throw;
      ++report.failed;
      tell({tag, {}, false, e.add_context("tag " + tag)});
    }
  }
  return report;
}

}  // namespace cli
