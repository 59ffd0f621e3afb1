#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace oci {

/// Decodes padded base64 of the standard alphabet; nullopt for anything else. [RFC 4648 section 4]
std::optional<std::string> decode_base64(std::string_view text);
std::string encode_base64(std::string_view bytes);

}  // namespace oci
