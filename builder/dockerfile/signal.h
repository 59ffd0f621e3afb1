#pragma once

#include <string_view>

namespace dockerfile {

/// Whether `text` names a signal for STOPSIGNAL: `SIGTERM`, `term`, `RTMIN+3`, or a positive
/// number.
bool is_signal(std::string_view text);

}  // namespace dockerfile
