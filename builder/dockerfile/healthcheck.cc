#include <charconv>
#include <cmath>

#include "base/text.h"
#include "builder/dockerfile/interpret.h"

namespace dockerfile {

namespace {

using std::chrono::nanoseconds;

void read_duration(Findings& findings, const Flags& flags, std::string_view name,
                   nanoseconds& out) {
  std::optional<std::string> text = flags.text(name);
  if (!text || text->empty()) return;
  std::optional<nanoseconds> value = parse_duration(*text);
  if (!value) {
    return findings.error_at(
        flags.where(name), "invalid-duration",
        base::str("--", name, ": \"", base::printable(*text, 60), "\" is no duration"),
        {"for example 1m30s or 500ms"});
  }
  if (*value != nanoseconds(0) && *value < std::chrono::milliseconds(1)) {
    return findings.error_at(flags.where(name), "invalid-duration",
                             base::str("--", name, " must be 0 or at least 1ms"));
  }
  out = *value;
}

void read_retries(Findings& findings, const Flags& flags, Healthcheck& out) {
  std::optional<std::string> text = flags.text("retries");
  if (!text || text->empty()) return;
  std::optional<uint64_t> value = base::parse_decimal(*text);
  if (!value || *value > 0x7fffffff) {
    return findings.error_at(
        flags.where("retries"), "invalid-flag-value",
        base::str("--retries takes a number, not \"", base::printable(*text, 60), "\""));
  }
  out.retries = static_cast<int>(*value);
}

double unit_size(std::string_view unit) {
  if (unit == "ns") return 1;
  if (unit == "us" || unit == "\xc2\xb5s" || unit == "\xce\xbcs") return 1e3;
  if (unit == "ms") return 1e6;
  if (unit == "s") return 1e9;
  if (unit == "m") return 60e9;
  if (unit == "h") return 3600e9;
  return 0;
}

}  // namespace

std::optional<nanoseconds> parse_duration(std::string_view text) {
  bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  if (text == "0") return nanoseconds(0);
  if (text.empty()) return std::nullopt;
  double total = 0;
  while (!text.empty()) {
    size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
    double number = 0;
    auto [stop, error] =
        std::from_chars(text.data(), text.data() + digits, number, std::chars_format::fixed);
    if (error != std::errc() || stop != text.data() + digits) return std::nullopt;
    text.remove_prefix(digits);
    size_t letters = std::min(text.find_first_of("0123456789."), text.size());
    double unit = unit_size(text.substr(0, letters));
    if (unit == 0) return std::nullopt;
    total += number * unit;
    text.remove_prefix(letters);
  }
  if (!(total < 9.2e18)) return std::nullopt;
  return nanoseconds(std::llround(negative ? -total : total));
}

Healthcheck interpret_healthcheck(Findings& findings) {
  const Instruction& in = findings.instruction();
  Healthcheck out;
  std::string type = in.args.empty() ? "" : base::to_upper(in.args[0]);
  out.none = type == "NONE";
  if (out.none) {
    Flags none(std::vector<FlagSpec>{}, findings);
    if (in.args.size() > 1) {
      findings.error_at(in.arg_range(1), "healthcheck-none",
                        "HEALTHCHECK NONE takes nothing after it");
    }
    return out;
  }
  Flags flags({{"interval", FlagSpec::kText},
               {"timeout", FlagSpec::kText},
               {"start-period", FlagSpec::kText},
               {"start-interval", FlagSpec::kText},
               {"retries", FlagSpec::kText}},
              findings);
  read_duration(findings, flags, "interval", out.interval);
  read_duration(findings, flags, "timeout", out.timeout);
  read_duration(findings, flags, "start-period", out.start_period);
  read_duration(findings, flags, "start-interval", out.start_interval);
  read_retries(findings, flags, out);
  if (type.empty()) {
    findings.error("missing-argument", "HEALTHCHECK needs CMD and a command, or NONE");
  } else if (type != "CMD") {
    findings.error_at(
        in.arg_range(0), "healthcheck-type",
        base::str("HEALTHCHECK takes CMD or NONE, not \"", base::printable(in.args[0], 60), "\""),
        {"write HEALTHCHECK CMD and the command"});
  } else if (in.args.size() < 2) {
    findings.error_at(in.arg_range(0), "missing-argument", "HEALTHCHECK CMD needs a command");
  }
  if (!in.args.empty()) out.command = {in.json, {in.args.begin() + 1, in.args.end()}};
  return out;
}

}  // namespace dockerfile
