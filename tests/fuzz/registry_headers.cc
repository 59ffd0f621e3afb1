// Header fields, addresses and token answers as registries send them.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "store/registry/auth.h"
#include "store/registry/header_fields.h"
#include "store/registry/url.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const registry::Challenge& challenge : registry::parse_challenges(text))
    challenge.get("realm");
  registry::parse_next_link(text);
  if (auto range = registry::parse_content_range(text)) CHECK(range->first <= range->last);
  registry::parse_upload_range(text);
  registry::parse_retry_after(text, 1000000000);
  registry::parse_token_answer(text);
  const registry::Url base = registry::Url::parse("https://registry.example/v2/a/blobs/uploads/");
  if (auto url = base.resolve(text)) {
    // What resolves is an address by itself, and means the same then.
    auto again = registry::Url::try_parse(url->str());
    CHECK(again && *again == *url);
  }
  return 0;
}
