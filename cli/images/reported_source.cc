#include "cli/images/reported_source.h"

#include "base/error.h"

namespace cli {

namespace {

/// A few times a second at the speed of a disk.
constexpr uint64_t kStep = 4 << 20;

}  // namespace

ReportedSource::ReportedSource(std::unique_ptr<base::Source> source, base::event::Transfer state,
                               const TransferOptions& options)
    : source_(std::move(source)),
      state_(std::move(state)),
      stop_(options.stop),
      events_(options.events) {}

ReportedSource::~ReportedSource() {
  state_.finished = true;
  report();
}

size_t ReportedSource::read(std::span<std::byte> buffer) {
  if (stop_.stop_requested()) throw base::Error(base::Code::kCancelled, "interrupted", "cancelled");
  size_t n = source_->read(buffer);
  state_.done_bytes += n;
  if (state_.done_bytes - reported_ >= kStep) report();
  return n;
}

void ReportedSource::report() {
  reported_ = state_.done_bytes;
  if (events_ != nullptr) events_->emit(state_);
}

}  // namespace cli
