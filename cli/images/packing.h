#pragma once

#include <optional>
#include <string>

#include "cli/options.h"

namespace cli {

/// How layers leave. kAsIs keeps an image's manifest and blobs where they are known, so that its
/// digest does not change; what was never packed becomes gzip.
struct Packing {
  enum How { kAsIs, kGzip, kZstd, kNone };

  // Implicit: without a level, the word says it all.
  Packing(How kind = kAsIs) : how(kind) {}  // NOLINT
  bool operator==(How other) const { return how == other; }

  How how;
  /// Unset: whatever packing of that kind there is will do, and a new one is made with torte's own
  /// settings. Set: made with this level, and no other.
  std::optional<int> level = {};

  /// What a blob of gzip or zstd made by torte is remembered as: "gzip-isal-3", "gzip-zlib-9",
  /// "zstd-3".
  std::string settings() const;
};

/// Whether this torte makes blobs of these settings(): an earlier one may have made other bytes.
bool makes_packing(const std::string& settings);

/// "gzip", "zstd", "none" or "uncompressed"; "" is kAsIs. Throws UsageError.
Packing::How parse_packing(const std::string& text);
/// A number; whether it is one of the kind's is for with_level() to say. Throws UsageError.
int parse_packing_level(const std::string& text);
/// A level alone means gzip. Throws UsageError where the kind has no such level.
Packing with_level(Packing packing);

/// --compression-level, for the command table.
Flag compression_level_flag();
/// --compression and --compression-level together.
Packing packing_of(const Arguments& arguments);

}  // namespace cli
