#pragma once

#include <iosfwd>

namespace cli {

/// `torte debug ref` and `torte debug validate`: one JSON question a line on `in`, one JSON answer
/// a line on `out`, in order: {"ok": true, ...} or {"ok": false, "error": "..."}. The formats are
/// those of the conformance cases. Returns the exit status.
int debug_ref(std::istream& in, std::ostream& out);
int debug_validate(std::istream& in, std::ostream& out);

}  // namespace cli
