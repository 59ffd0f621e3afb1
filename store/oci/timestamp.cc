#include "store/oci/timestamp.h"

#include <algorithm>
#include <cstdio>

#include "base/text.h"

namespace oci {

namespace {

/// Reads exactly `count` digits and what must follow them; fails for good once something is wrong.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}
  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }

  int number(size_t count, int least, int most) {
    auto value = base::parse_decimal(rest_.substr(0, count));
    if (rest_.size() < count || !value || *value < static_cast<uint64_t>(least) ||
        *value > static_cast<uint64_t>(most)) {
      ok_ = false;
      return least;
    }
    rest_.remove_prefix(count);
    return static_cast<int>(*value);
  }
  void expect(std::string_view set) {
    if (!take(set)) ok_ = false;
  }
  /// Takes one character of `set` and returns it, or returns 0.
  char take(std::string_view set) {
    if (rest_.empty() || set.find(rest_[0]) == std::string_view::npos) return 0;
    char c = rest_[0];
    rest_.remove_prefix(1);
    return c;
  }
  std::chrono::nanoseconds fraction() {
    size_t digits = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
    if (digits == 0) ok_ = false;
    std::string nine(rest_.substr(0, std::min<size_t>(digits, 9)));
    nine.resize(9, '0');
    rest_.remove_prefix(digits);
    return std::chrono::nanoseconds(base::parse_decimal(nine).value_or(0));
  }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace

std::optional<Timestamp> parse_timestamp(std::string_view text) {
  Reader in(text);
  std::chrono::year year(in.number(4, 0, 9999));
  in.expect("-");
  std::chrono::month month(static_cast<unsigned>(in.number(2, 1, 12)));
  in.expect("-");
  std::chrono::day day(static_cast<unsigned>(in.number(2, 1, 31)));
  in.expect("Tt");
  std::chrono::hours hours(in.number(2, 0, 23));
  in.expect(":");
  std::chrono::minutes minutes(in.number(2, 0, 59));
  in.expect(":");
  std::chrono::seconds seconds(in.number(2, 0, 60));
  std::chrono::nanoseconds fraction{0};
  if (in.take(".")) fraction = in.fraction();
  std::chrono::minutes offset{0};
  if (!in.take("Zz")) {
    char sign = in.take("+-");
    if (sign == 0) return std::nullopt;
    offset = std::chrono::hours(in.number(2, 0, 23));
    in.expect(":");
    offset += std::chrono::minutes(in.number(2, 0, 59));
    if (sign == '-') offset = -offset;
  }
  std::chrono::year_month_day date(year, month, day);
  if (!in.ok() || !in.at_end() || !date.ok()) return std::nullopt;
  if (year < std::chrono::year(1678) || year > std::chrono::year(2261)) return std::nullopt;
  return Timestamp(std::chrono::sys_days(date)) + hours + minutes + seconds + fraction - offset;
}

std::string format_timestamp(Timestamp time) {
  auto day = std::chrono::floor<std::chrono::days>(time);
  std::chrono::year_month_day date(day);
  std::chrono::hh_mm_ss clock(time - day);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  std::string out = text;
  long nanoseconds = static_cast<long>(clock.subseconds().count());
  if (nanoseconds % 1'000'000 == 0 && nanoseconds != 0)
    std::snprintf(text, sizeof text, ".%03ld", nanoseconds / 1'000'000);
  else if (nanoseconds % 1000 == 0 && nanoseconds != 0)
    std::snprintf(text, sizeof text, ".%06ld", nanoseconds / 1000);
  else
    std::snprintf(text, sizeof text, ".%09ld", nanoseconds);
  if (nanoseconds != 0) out += text;
  return out + "Z";
}

}  // namespace oci
