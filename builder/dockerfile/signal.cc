#include "builder/dockerfile/signal.h"

#include <array>
#include <optional>
#include <string>

#include "base/text.h"

namespace dockerfile {

bool is_signal(std::string_view text) {
  static constexpr std::array<std::string_view, 37> kNames = {
      "ABRT", "ALRM",   "BUS",   "CHLD", "CLD",  "CONT",  "FPE",  "HUP",    "ILL",  "INT",
      "IO",   "IOT",    "KILL",  "PIPE", "POLL", "PROF",  "PWR",  "QUIT",   "SEGV", "STKFLT",
      "STOP", "SYS",    "TERM",  "TRAP", "TSTP", "TTIN",  "TTOU", "UNUSED", "URG",  "USR1",
      "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX"};
  if (std::optional<uint64_t> number = base::parse_decimal(text))
    return *number > 0 && *number < 0x7fffffff;
  std::string name = base::to_upper(text);
  if (name.substr(0, 3) == "SIG") name.erase(0, 3);
  for (std::string_view known : kNames)
    if (name == known) return true;
  // Linux has 31 real-time signals from RTMIN (34) to RTMAX (64).
  std::string_view offset = name;
  if (offset.substr(0, 6) != "RTMIN+" && offset.substr(0, 6) != "RTMAX-") return false;
  std::optional<uint64_t> distance = base::parse_decimal(offset.substr(6));
  return distance && *distance <= 30;
}

}  // namespace dockerfile
