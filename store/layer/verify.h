#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/sys/root.h"
#include "store/layer/limits.h"

namespace layer {

struct VerifyOptions {
  Limits limits;
  size_t max_differences = 100;  ///< stop looking after that many
  bool single_id = false;  ///< as in ExtractOptions: links and fifos have no owner of their own
  std::stop_token stop;
};

/// One place where a tree is not what its tar says.
struct Difference {
  std::string path;  ///< absolute, bytes
  std::string what;  ///< "content", "mode 0644, not 0600", "missing", "not in the archive"
};

/// Compares a tree in overlay's form with the layer tar it was unpacked from, reading both whole:
/// kinds, content, modes, owners, times in seconds, link targets, user attributes and capabilities,
/// whiteouts. Directories that the tar only implies are not compared. Empty: equal. For `fsck
/// --deep`. A tree that followed links of lower layers (ExtractResult::depends_on_lower) may differ
/// without being wrong. Throws as TarReader does.
std::vector<Difference> verify(const sys::Root& tree, base::Source& tar,
                               const VerifyOptions& options = {});

}  // namespace layer
