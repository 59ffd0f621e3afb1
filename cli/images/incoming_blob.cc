#include "cli/images/incoming_blob.h"

#include "base/error.h"
#include "base/text.h"

namespace cli {

namespace {

/// One source after another.
class ChainedSource : public base::Source {
 public:
  ChainedSource(std::unique_ptr<base::Source> first, std::unique_ptr<base::Source> second)
      : first_(std::move(first)), second_(std::move(second)) {}
  size_t read(std::span<std::byte> buffer) override {
    if (first_) {
      if (size_t n = first_->read(buffer); n > 0) return n;
      first_.reset();
    }
    return second_->read(buffer);
  }

 private:
  std::unique_ptr<base::Source> first_;
  std::unique_ptr<base::Source> second_;
};

std::unique_ptr<store::BlobWriter> open_writer(store::Store& store, const IncomingImage& image,
                                               const oci::Descriptor& blob,
                                               const TransferOptions& options) {
  store::Expected expected{blob.digest, blob.size_bytes};
  return image.fetched ? store.resume_blob(expected, options.stop) : store.write_blob(expected);
}

}  // namespace

base::event::Transfer transfer_of(const oci::Descriptor& blob) {
  base::event::Transfer state;
  state.id = blob.digest.str();
  state.what = base::str("layer ", blob.digest.short_hex());
  state.total_bytes = blob.size_bytes;
  return state;
}

void require_diff_id(const oci::DiffId& expected, const oci::Digest& found) {
  if (found == expected.digest()) return;
  throw base::Error(base::Code::kCorrupt,
                    base::str("its content is ", found.str(), ", the configuration's diff id is ",
                              expected.str()),
                    "diff-id-mismatch");
}

IncomingBlob::IncomingBlob(store::Store& store, const IncomingImage& image,
                           const oci::Descriptor& blob, const TransferOptions& options)
    : blob_(blob),
      writer_(open_writer(store, image, blob, options)),
      resumed_(writer_->resumed_bytes() > 0),
      reported_(open(store, image), transfer_of(blob), options),
      stored_(reported_, *writer_) {}

std::unique_ptr<base::Source> IncomingBlob::open(store::Store& store, const IncomingImage& image) {
  // A process that was killed in its last moment leaves blobs that nothing names yet; and of a
  // layer that was left packed there is no more than its blob.
  if (image.fetched)
    if (auto here = store.find_blob(blob_.digest))
      return std::make_unique<store::BlobReader>(std::move(*here));
  auto rest = image.open(blob_, writer_->resumed_bytes());
  if (!resumed_) return rest;
  return std::make_unique<ChainedSource>(writer_->resumed(), std::move(rest));
}

store::StagedBlob IncomingBlob::finish() {
  base::CountingSink rest;
  base::copy(stored_, rest);
  return writer_->finish({blob_.digest, blob_.size_bytes});
}

void UnpackedTotal::add(uint64_t bytes) {
  if (bytes_ += bytes; bytes_ > limit_)
    throw base::Error(
        base::Code::kInvalid,
        base::str("the layers of the image unpack to more than the limit of ", limit_, " bytes"),
        "layer-too-large");
}

void take_blob(store::Store& store, const IncomingImage& image, const oci::Descriptor& blob,
               const TransferOptions& options, const std::function<void(IncomingBlob&)>& use) {
  {
    IncomingBlob incoming(store, image, blob, options);
    try {
      return use(incoming);
    } catch (const base::Error& e) {
      if (!incoming.resumed() ||
          (e.code() != base::Code::kCorrupt && e.code() != base::Code::kInvalid))
        throw;
    }
  }
  // What an earlier process left may have been damaged when the machine went down.
  IncomingBlob again(store, image, blob, options);
  use(again);
}

std::vector<store::Claim> claim_blobs(store::Store& store, const std::set<oci::Digest>& blobs,
                                      const TransferOptions& options) {
  std::vector<store::Claim> claims;
  for (const oci::Digest& blob : blobs)
    claims.push_back(store.claim_fetch(blob, [&] {
      if (options.events != nullptr)
        options.events->emit(base::event::Note{
            base::str("waiting for another torte that fetches layer ", blob.short_hex())});
    }));
  return claims;
}

}  // namespace cli
