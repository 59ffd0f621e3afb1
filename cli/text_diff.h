#pragma once

#include <string>
#include <string_view>

namespace cli {

/// The lines that differ between two texts, in the unified form that patch(1) reads, with three
/// lines around each; "" where nothing differs. The names are what stands behind --- and +++. Texts
/// that have next to nothing in common are shown as replaced, rather than compared for minutes.
std::string unified_diff(std::string_view before, std::string_view after,
                         std::string_view before_name, std::string_view after_name);

/// Whether people would want to read it: no NUL byte.
bool is_text(std::string_view bytes);

}  // namespace cli
