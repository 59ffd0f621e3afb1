#include "cli/age.h"

#include "base/text.h"

namespace cli {

std::string format_age(std::chrono::system_clock::time_point then,
                       std::chrono::system_clock::time_point now) {
  if (then == std::chrono::system_clock::time_point{}) return "";
  if (then > now) return "in the future";
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - then).count();
  struct Unit {
    int64_t seconds;
    const char* name;
  };
  constexpr Unit kUnits[] = {{365 * 86400, "year"}, {30 * 86400, "month"}, {7 * 86400, "week"},
                             {86400, "day"},        {3600, "hour"},        {60, "minute"},
                             {1, "second"}};
  for (const Unit& unit : kUnits) {
    int64_t count = seconds / unit.seconds;
    if (count > 0) return base::str(count, " ", unit.name, count == 1 ? " ago" : "s ago");
  }
  return "just now";
}

}  // namespace cli
