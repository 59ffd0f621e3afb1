#include "store/oci/descriptor.h"

#include <nlohmann/json.hpp>

#include "store/oci/json_fields.h"
#include "store/oci/strict_json.h"

namespace oci {

Descriptor Descriptor::of(std::string_view media_type, base::Bytes content) {
  return Descriptor{std::string(media_type), Digest::sha256_of(content), content.size()};
}

Descriptor Descriptor::parse(std::string_view json) {
  return read_descriptor(parse_strict_json(json, "descriptor"), "descriptor");
}

std::string Descriptor::to_json() const { return dump_json(write_descriptor(*this)); }

std::string Descriptor::annotation(std::string_view key) const {
  auto at = annotations.find(std::string(key));
  return at == annotations.end() ? std::string() : at->second;
}

}  // namespace oci
