#include "builder/plan/history.h"

#include <span>

#include "base/hash.h"
#include "base/text.h"

namespace plan {

namespace {

// As the reference's language quotes: what a terminal would not show is escaped.
std::string quoted(const std::string& word) {
  static constexpr std::string_view kNamed = "\a\b\t\n\v\f\r";
  std::string text = "\"";
  for (char c : word) {
    const auto byte = static_cast<unsigned char>(c);
    if (size_t at = kNamed.find(c); at != std::string_view::npos)
      text += base::str("\\", std::string_view("abtnvfr").substr(at, 1));
    else if (byte < 0x20 || byte == 0x7f)
      text += base::str("\\x", base::to_hex(std::as_bytes(std::span(&c, 1))));
    else
      text +=
          (c == '"' || c == '\\') ? base::str("\\", std::string_view(&c, 1)) : std::string(1, c);
  }
  return text + '"';
}

// "1h2m3.004s", "500ms", "0s"
std::string duration(std::chrono::nanoseconds time) {
  const int64_t all = time.count();
  if (all == 0) return "0s";
  // The integer part in units of `unit` nanoseconds, and what is left as a fraction without zeros
  // at its end.
  auto number = [](int64_t value, int64_t unit) {
    std::string text = base::str(value / unit);
    if (value % unit == 0) return text;
    std::string fraction = base::str(unit + value % unit).substr(1);
    return text + "." + fraction.substr(0, fraction.find_last_not_of('0') + 1);
  };
  if (all < 1'000) return base::str(all, "ns");
  if (all < 1'000'000) return number(all, 1'000) + "µs";
  if (all < 1'000'000'000) return number(all, 1'000'000) + "ms";
  constexpr int64_t kMinute = 60'000'000'000;
  std::string text;
  if (all >= 60 * kMinute) text = base::str(all / (60 * kMinute), "h");
  if (all >= kMinute) text += base::str(all / kMinute % 60, "m");
  return text + number(all % kMinute, 1'000'000'000) + "s";
}

}  // namespace

std::string run_history(const std::vector<std::pair<std::string, std::string>>& arguments,
                        const std::vector<std::string>& argv) {
  std::string text = "RUN ";
  if (!arguments.empty()) {
    text += base::str("|", arguments.size(), " ");
    for (const auto& [name, value] : arguments) text += name + "=" + value + " ";
  }
  return text + base::join(argv, " ") + " # buildkit";
}

std::string copy_history(bool add, bool parents, const std::string& chown, const std::string& chmod,
                         const std::vector<std::string>& sources, const std::string& destination) {
  std::string text = add ? "ADD" : "COPY";
  if (parents) text += " --parents";
  if (!chown.empty()) text += " --chown=" + chown;
  if (!chmod.empty()) text += " --chmod=" + chmod;
  for (const std::string& source : sources) text += " " + source;
  return text + " " + destination + " # buildkit";
}

std::string quoted_history(const char* keyword, const std::vector<std::string>& words) {
  std::vector<std::string> shown;
  for (const std::string& word : words) shown.push_back(quoted(word));
  return list_history(keyword, shown);
}

std::string list_history(const char* keyword, const std::vector<std::string>& words) {
  return base::str(keyword, " [", base::join(words, " "), "]");
}

std::string healthcheck_history(const oci::Healthcheck& check) {
  return base::str("HEALTHCHECK {Test:[", base::join(check.test, " "), "]",
                   " Interval:", duration(check.interval), " Timeout:", duration(check.timeout),
                   " StartPeriod:", duration(check.start_period),
                   " StartInterval:", duration(check.start_interval), " Retries:", check.retries,
                   "}");
}

}  // namespace plan
