// Manifests, indexes, configurations, descriptors: no input may crash, and what is accepted reads
// back the same after being written.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"
#include "store/oci/image_config.h"
#include "store/oci/index.h"
#include "store/oci/manifest.h"
#include "store/oci/validate.h"

namespace {

template <typename Document>
void check(Document (*parse)(std::string_view), std::string_view text) {
  try {
    std::string written = parse(text).to_json();
    if (parse(written).to_json() != written) std::abort();
  } catch (const base::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  check<oci::Manifest>([](std::string_view t) { return oci::Manifest::parse(t); }, text);
  check<oci::Manifest>([](std::string_view t) { return oci::Manifest::parse_artifact(t); }, text);
  check<oci::Index>([](std::string_view t) { return oci::Index::parse(t); }, text);
  check<oci::ImageConfig>(&oci::ImageConfig::parse, text);
  check<oci::Descriptor>(&oci::Descriptor::parse, text);
  for (auto type :
       {oci::DocumentType::kManifest, oci::DocumentType::kIndex, oci::DocumentType::kConfig,
        oci::DocumentType::kLayout, oci::DocumentType::kDescriptor}) {
    try {
      oci::validate_document(type, text);
    } catch (const base::Error&) {
    }
  }
  return 0;
}
