#pragma once

#include <memory>

#include "base/bytes.h"
#include "base/events.h"
#include "cli/images/transfer.h"

namespace cli {

/// Passes bytes on and tells the progress screens how far they are, now and then, and at the end of
/// its life. read() throws Cancelled when the options' token asks.
class ReportedSource : public base::Source {
 public:
  /// `state` says what moves, and how much of it has moved before. The events of `options` are
  /// borrowed.
  ReportedSource(std::unique_ptr<base::Source> source, base::event::Transfer state,
                 const TransferOptions& options);
  ReportedSource(const ReportedSource&) = delete;
  ReportedSource& operator=(const ReportedSource&) = delete;
  ~ReportedSource() override;
  size_t read(std::span<std::byte> buffer) override;

 private:
  void report();

  std::unique_ptr<base::Source> source_;
  base::event::Transfer state_;
  const std::stop_token stop_;
  base::EventSink* const events_;
  uint64_t reported_ = 0;
};

}  // namespace cli
