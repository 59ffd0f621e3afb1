#pragma once

#include <string_view>

namespace oci {

/// The documents the OCI image specification defines.
enum class DocumentType { kManifest, kIndex, kConfig, kLayout, kDescriptor };

/// Checks a document against the specification: required fields, types, patterns. Looser than the
/// parsers of this room where the specification leaves doors open (artifacts of any media type,
/// digest algorithms torte cannot compute). Throws Invalid naming the field and the rule.
void validate_document(DocumentType type, std::string_view json);

}  // namespace oci
