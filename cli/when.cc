#include "cli/when.h"

#include "base/text.h"
#include "cli/options.h"
#include "runner/container/state.h"
#include "store/oci/timestamp.h"

namespace cli {

container::Time parse_when(const std::string& flag, const std::string& text) {
  if (const auto time = oci::parse_timestamp(text)) return *time;
  if (const auto duration = parse_duration(text)) {
    constexpr int64_t kSurelyADate = 100000000;
    if (const auto number = base::parse_decimal(text); number && *number >= kSurelyADate)
      return container::Time(std::chrono::seconds(*number));
    return container::now() - *duration;
  }
  throw UsageError(
      "--" + flag + " " + base::printable(text) +
      ": expected a time (2006-01-02T15:04:05Z), seconds since 1970 or a duration (10m)");
}

}  // namespace cli
