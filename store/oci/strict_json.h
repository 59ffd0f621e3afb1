#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "store/oci/limits.h"

namespace oci {

/// Parses exactly one JSON document: UTF-8 valid, no duplicate key in any object, at most
/// kMaxJsonDepth levels, nothing after it, no byte order mark. `what` opens the messages
/// ("manifest", "index.json"). Throws Invalid. Two parsers never read our documents differently,
/// which is what duplicate keys and their like are for. [spec/security.md section 4]
nlohmann::json parse_strict_json(std::string_view text, std::string_view what);

}  // namespace oci
