// Seccomp profiles as users write them: compiled, or refused with one message.
#include <linux/filter.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "runner/launch/seccomp_profile.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const std::string program =
        launch::compile_seccomp_profile(text, launch::default_capabilities());
    CHECK(!program.empty() && program.size() % sizeof(sock_filter) == 0);
  } catch (const base::Error&) {
  }
  return 0;
}
