#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "cli/images/reported_source.h"
#include "cli/images/transfer.h"

namespace cli {

/// One layer's blob on its way into the store: its bytes are kept as they are read, and checked at
/// the end. What an earlier process left of a blob that is fetched comes first.
class IncomingBlob {
 public:
  IncomingBlob(store::Store& store, const IncomingImage& image, const oci::Descriptor& blob,
               const TransferOptions& options);

  base::Source& bytes() { return stored_; }
  /// Whether some of them are an earlier process's, which may have been damaged since.
  bool resumed() const { return resumed_; }
  /// Reads what is left. Throws Corrupt when it is not the blob.
  store::StagedBlob finish();

 private:
  std::unique_ptr<base::Source> open(store::Store& store, const IncomingImage& image);

  oci::Descriptor blob_;
  std::unique_ptr<store::BlobWriter> writer_;
  bool resumed_;
  ReportedSource reported_;
  base::TeeSource stored_;
};

/// What the layers of one image have unpacked to, all together. write() throws Invalid (id
/// "layer-too-large") above the limit, so that many small layers are no way around it.
/// [spec/security.md 4]
class UnpackedTotal : public base::Sink {
 public:
  explicit UnpackedTotal(uint64_t limit) : limit_(limit) {}
  void write(base::Bytes bytes) override { add(bytes.size()); }
  /// Of what was counted elsewhere. Any thread.
  void add(uint64_t bytes);

 private:
  const uint64_t limit_;
  std::atomic<uint64_t> bytes_ = 0;
};

/// Calls `use` with the blob; once more when an earlier process's part of it turns out to be
/// damaged.
void take_blob(store::Store& store, const IncomingImage& image, const oci::Descriptor& blob,
               const TransferOptions& options, const std::function<void(IncomingBlob&)>& use);

/// The right to fetch these blobs, taken in one order by everybody, so that two images with layers
/// in common never wait for each other.
std::vector<store::Claim> claim_blobs(store::Store& store, const std::set<oci::Digest>& blobs,
                                      const TransferOptions& options);

/// What progress screens call the transfer of a layer.
base::event::Transfer transfer_of(const oci::Descriptor& blob);

/// Throws Corrupt unless a layer's content is what the configuration says.
void require_diff_id(const oci::DiffId& expected, const oci::Digest& found);

}  // namespace cli
