// Digests, references and platforms: whatever is accepted must survive a second reading unchanged.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"
#include "store/oci/digest.h"
#include "store/oci/platform.h"
#include "store/oci/reference.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto digest = oci::Digest::try_parse(text)) require(digest->str() == text);
  if (auto ref = oci::Reference::try_parse(text)) {
    require(oci::Reference::try_parse(ref->str()) == ref);
    require(oci::Reference::try_parse(ref->familiar()) == ref);
    // A tag may hold two dots; a part of a path is never them.
    require(("/" + ref->str() + "/").find("/../") == std::string::npos);
  }
  try {
    oci::Platform platform = oci::Platform::parse(text);
    require(oci::Platform::parse(platform.str()).str() == platform.str());
  } catch (const base::Error&) {
  }
  return 0;
}
