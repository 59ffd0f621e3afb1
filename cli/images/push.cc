#include "cli/images/push.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/text.h"
#include "cli/images/attestation.h"
#include "cli/images/blob_places.h"
#include "cli/images/known_layers.h"
#include "cli/images/reported_source.h"
#include "store/oci/limits.h"

namespace cli {

namespace {

constexpr size_t kLayersAtOnce = 3;
/// Smaller layers are packed first: then their digest is known, and the registry can be asked.
constexpr uint64_t kLeastStreamedBytes = 4 << 20;

/// A blob that grows while others read it.
class GrowingBlob : public PackWatcher {
 public:
  /// `start` is called when there is something to read, `end` when all of it is there.
  GrowingBlob(std::function<void()> start, std::function<void()> end)
      : start_(std::move(start)), end_(std::move(end)) {}

  void began(sys::UniqueFd blob) override {
    fd_ = std::move(blob);
    start_();
  }
  void grew(uint64_t bytes) override {
    std::lock_guard lock(mutex_);
    size_ += bytes;
    changed_.notify_all();
  }
  void ended(const oci::Descriptor& blob) override {
    {
      std::lock_guard lock(mutex_);
      blob_ = blob;
      changed_.notify_all();
    }
    end_();
  }
  bool has_begun() const { return static_cast<bool>(fd_); }
  void fail() {
    std::lock_guard lock(mutex_);
    failed_ = true;
    changed_.notify_all();
  }

  std::pair<oci::Digest, uint64_t> await_end() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return blob_ || failed_; });
    if (failed_) throw base::Error(base::Code::kCancelled, "packing the layer failed", "cancelled");
    return {blob_->digest, blob_->size_bytes};
  }
  /// Waits for bytes after `position`; their number, 0 at the end.
  uint64_t await(uint64_t position) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return size_ > position || blob_ || failed_; });
    if (failed_) throw base::Error(base::Code::kCancelled, "packing the layer failed", "cancelled");
    return size_ - std::min(size_, position);
  }
  int fd() const { return fd_.get(); }

 private:
  std::function<void()> start_;
  std::function<void()> end_;
  sys::UniqueFd fd_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t size_ = 0;
  std::optional<oci::Descriptor> blob_;
  bool failed_ = false;
};

class GrowingSource : public base::Source {
 public:
  GrowingSource(GrowingBlob& blob, uint64_t offset) : blob_(blob), position_(offset) {}
  size_t read(std::span<std::byte> buffer) override {
    uint64_t there = blob_.await(position_);
    buffer = buffer.first(std::min<uint64_t>(buffer.size(), there));
    if (buffer.empty()) return 0;
    ssize_t n;
    do n = ::pread(blob_.fd(), buffer.data(), buffer.size(), static_cast<off_t>(position_));
    while (n < 0 && errno == EINTR);
    if (n <= 0) base::throw_errno("read a layer's blob");
    position_ += static_cast<uint64_t>(n);
    return static_cast<size_t>(n);
  }

 private:
  GrowingBlob& blob_;
  uint64_t position_;
};

class Push {
 public:
  Push(store::Store& store, Registries& registries, registry::Repository repository,
       Packing packing, const TransferOptions& options)
      : store_(store),
        registries_(registries),
        repository_(std::move(repository)),
        packing_(packing),
        options_(options),
        places_(find_blob_places(store, repository_.client().host())) {
    repository_.prepare_to_write();
  }

  /// A blob that lies in the store.
  void send_stored(const oci::Descriptor& blob, const std::string& from) {
    repository_.put_blob(
        blob.digest, blob.size_bytes,
        [&](uint64_t offset) {
          auto reader = std::make_unique<store::BlobReader>(store_.open_blob(blob.digest));
          skip(*reader, offset);
          return watch(std::move(reader), blob.digest.str(), blob.digest.short_hex(),
                       blob.size_bytes, offset);
        },
        from);
  }

  /// A blob that leaves as it came.
  void send_known(const oci::Descriptor& blob) { send_stored(blob, mountable(blob.digest)); }

  /// A blob of an image that leaves as it came, for a layer that may not have come at all.
  void send_as_it_is(const oci::DiffId& id, const oci::Descriptor& blob) {
    auto elsewhere = find_elsewhere(store_, id);
    if (elsewhere && elsewhere->digest == blob.digest) return send_elsewhere(*elsewhere);
    send_known(blob);
  }

  void send_text(const oci::Descriptor& blob, const std::string& text) {
    repository_.put_blob(blob.digest, blob.size_bytes, [&](uint64_t offset) {
      return std::make_unique<base::MemorySource>(base::as_bytes(text).subspan(offset));
    });
  }

  registry::Repository& repository() { return repository_; }

  /// A layer; returns the blob that stands for it in the registry.
  oci::Descriptor send_layer(const oci::DiffId& id) {
    if (auto elsewhere = find_elsewhere(store_, id)) {
      send_elsewhere(*elsewhere);
      return describe(*elsewhere);
    }
    if (auto blob = find_packed(store_, id, packing_)) {
      send_known(*blob);
      return *blob;
    }
    for (const oci::Descriptor& blob : remembered_packs(store_, id, packing_))
      if (repository_.has_blob(blob.digest, blob.size_bytes)) return blob;
    auto layer = store_.find_layer(id);
    if (layer && layer->tar_size_bytes < kLeastStreamedBytes) {
      oci::Descriptor blob = pack_layer(store_, id, packing_, options_);
      send_stored(blob, {});
      return blob;
    }
    return stream_layer(id);
  }

 private:
  /// From registry to registry, or within one.
  void send_elsewhere(const store::LayerBlob& blob) {
    std::string here = repository_.client().host() + "/";
    std::string from = blob.source.starts_with(here) ? blob.source.substr(here.size()) : "";
    repository_.put_blob(
        blob.digest, blob.size_bytes,
        [&](uint64_t offset) {
          return watch(open_elsewhere(registries_, blob, offset), blob.digest.str(),
                       blob.digest.short_hex(), blob.size_bytes, offset);
        },
        from);
  }

  std::unique_ptr<base::Source> watch(std::unique_ptr<base::Source> source, const std::string& id,
                                      std::string_view shown, uint64_t size_bytes,
                                      uint64_t offset) {
    base::event::Transfer state;
    state.id = "push " + id;
    state.what = base::str("push ", shown);
    state.done_bytes = offset;
    state.total_bytes = size_bytes;
    return std::make_unique<ReportedSource>(std::move(source), std::move(state), options_);
  }

  /// The repository of the same registry that this blob is known to be in, or "".
  std::string mountable(const oci::Digest& digest) const {
    auto place = places_.find(digest.str());
    return place == places_.end() ? "" : place->second;
  }

  // Packs on this thread and sends on another what is there already.
  oci::Descriptor stream_layer(const oci::DiffId& id) {
    std::exception_ptr error;
    std::jthread sender;
    // One at a time: a packer takes all cores there are, and the memory that goes with them. The
    // next one need not wait for the disk.
    std::unique_lock packing_now(packing_now_, std::defer_lock);
    std::optional<GrowingBlob> growing;
    growing.emplace(
        [&] {
          sender = std::jthread([&] {
            try {
              repository_.put_stream(
                  [&](uint64_t offset) {
                    return watch(std::make_unique<GrowingSource>(*growing, offset), id.str(),
                                 id.short_hex(), 0, offset);
                  },
                  [&] { return growing->await_end(); });
            } catch (...) {
              error = std::current_exception();
            }
          });
        },
        [&] { packing_now.unlock(); });
    oci::Descriptor blob = [&] {
      try {
        packing_now.lock();
        return pack_layer(store_, id, packing_, options_, &*growing);
      } catch (...) {
        growing->fail();
        if (sender.joinable()) sender.join();
        throw;
      }
    }();
    if (!growing->has_begun()) {
      packing_now.unlock();
      send_known(blob);
      return blob;
    }
    sender.join();
    if (error) std::rethrow_exception(error);
    return blob;
  }

  store::Store& store_;
  Registries& registries_;
  registry::Repository repository_;
  const Packing packing_;
  const TransferOptions& options_;
  const std::map<std::string, std::string> places_;
  std::mutex packing_now_;
};

/// Does `work(0)` to `work(count - 1)` on several threads, lower ones first; after an error no new
/// ones, and `abort` is called. Throws the first error.
void do_several(size_t count, const std::function<void(size_t)>& work,
                const std::function<void()>& abort) {
  std::atomic<size_t> next = 0;
  std::mutex mutex;
  std::exception_ptr error;
  auto run = [&] {
    for (size_t i = next++; i < count; i = next++) {
      try {
        work(i);
      } catch (...) {
        std::lock_guard lock(mutex);
        if (!error) error = std::current_exception();
        next = count;
        abort();
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    for (size_t i = 1; i < std::min(count, kLayersAtOnce); ++i) threads.emplace_back(run);
    run();
  }
  if (error) std::rethrow_exception(error);
}

/// "" where the digest alone is the name.
std::string tag_of(const oci::Reference& destination) {
  return destination.digest() ? std::string() : destination.tag();
}

/// A registry that has the manifest has the blobs: all it may need is the tag. nullopt where it has
/// not, or finds that some are missing after all.
std::optional<oci::Digest> tag_what_is_there(registry::Repository repository,
                                             const oci::Manifest& manifest,
                                             const oci::Reference& destination) {
  repository.prepare_to_write();
  std::string text = manifest.bytes();
  std::string tag = tag_of(destination);
  oci::Digest digest = oci::Digest::sha256_of(text);
  if (!tag.empty() && repository.has_manifest(digest, tag)) return digest;
  if (!repository.has_manifest(digest)) return std::nullopt;
  try {
    return repository.put_document(text, manifest.media_type, tag);
  } catch (const base::Error& e) {
    if (e.code() != base::Code::kInvalid && e.code() != base::Code::kNotFound) throw;
    return std::nullopt;
  }
}

}  // namespace

oci::Digest push_image(store::Store& store, Registries& registries, const store::ImageRecord& image,
                       const oci::Reference& destination, Packing packing,
                       const TransferOptions& options) {
  return base::with_context("push " + destination.familiar(), [&] {
    store::Lease lease = store.lease();
    store.find_image_by_id(image.id);  // kept by the lease
    std::string config_text = store.read_blob(image.id, oci::kMaxConfigBytes);
    oci::ImageConfig config = oci::ImageConfig::parse(config_text);
    if (packing != Packing::kAsIs) store.provide_layers(image.layers);
    std::optional<oci::Manifest> known = find_manifest(store, image, true);
    auto originals = find_originals(image, config, known);
    bool as_it_is = packing == Packing::kAsIs && known;
    auto attested = [&](const oci::Manifest& sent) {
      registry::Repository repository = registries.repository(destination);
      repository.prepare_to_write();
      push_attestations(store, repository, image, sent.describe());
    };
    oci::Manifest manifest = as_it_is ? *known : begin_manifest(config);
    if (as_it_is)
      if (auto digest =
              tag_what_is_there(registries.repository(destination), manifest, destination)) {
        attested(manifest);
        return *digest;
      }
    if (!as_it_is)
      for (size_t i = 0; i < config.diff_ids.size(); ++i)
        manifest.layers.push_back(manifest.config);
    Push push(store, registries, registries.repository(destination), packing, options);
    do_several(
        manifest.layers.size() + 1,
        [&](size_t i) {
          if (i == manifest.layers.size()) return push.send_text(manifest.config, config_text);
          const oci::DiffId& id = config.diff_ids.at(i);
          base::with_context("layer " + id.str(), [&] {
            auto original = originals.find(id);
            if (original != originals.end()) {
              push.send_stored(original->second, {});
              manifest.layers[i] = original->second;
            } else if (as_it_is) {
              push.send_as_it_is(id, manifest.layers[i]);
            } else {
              manifest.layers[i] = push.send_layer(id);
            }
          });
        },
        [&] { registries.abort(); });
    if (!as_it_is && packing == Packing::kAsIs) remember_manifest(store, image, manifest);
    oci::Digest digest =
        push.repository().put_document(manifest.bytes(), manifest.media_type, tag_of(destination));
    attested(manifest);
    std::vector<oci::Digest> blobs;
    for (const oci::Descriptor& layer : manifest.layers) blobs.push_back(layer.digest);
    remember_blob_places(store, push.repository().client().host(), push.repository().path(), blobs);
    return digest;
  });
}

oci::Descriptor push_layer(store::Store& store, Registries& registries,
                           const registry::Repository& repository, const oci::DiffId& id,
                           Packing packing, const TransferOptions& options) {
  return base::with_context("layer " + id.str(), [&] {
    return Push(store, registries, repository, packing, options).send_layer(id);
  });
}

}  // namespace cli
