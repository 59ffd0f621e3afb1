#include "store/layer/pax.h"

#include <charconv>

#include "base/text.h"

namespace layer {

namespace {

constexpr std::string_view kSparseOffset = "GNU.sparse.offset";
constexpr std::string_view kSparseBytes = "GNU.sparse.numbytes";

bool valid(std::string_view key, std::string_view value) {
  if (key.empty()) return false;
  bool name = key == "path" || key == "linkpath" || key == "uname" || key == "gname";
  return (name ? value : key).find('\0') == std::string_view::npos;
}

struct Record {
  std::string_view key;
  std::string_view value;
};

// Takes one record off the front of `data`.
std::optional<Record> take_record(std::string_view& data) {
  size_t blank = data.find(' ');
  if (blank == std::string_view::npos) return std::nullopt;
  std::optional<int64_t> length = parse_signed(data.substr(0, blank));
  if (!length || *length < 5 || static_cast<uint64_t>(*length) > data.size()) return std::nullopt;
  size_t end = static_cast<size_t>(*length);
  if (end <= blank + 1 || data[end - 1] != '\n') return std::nullopt;
  std::string_view text = data.substr(blank + 1, end - blank - 2);
  size_t equals = text.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  data.remove_prefix(end);
  return Record{text.substr(0, equals), text.substr(equals + 1)};
}

}  // namespace

std::optional<PaxRecords> parse_pax(std::string_view data) {
  PaxRecords records;
  std::string sparse_map;
  bool want_bytes = false;
  while (!data.empty()) {
    std::optional<Record> record = take_record(data);
    if (!record || !valid(record->key, record->value)) return std::nullopt;
    if (record->key == kSparseOffset || record->key == kSparseBytes) {
      if ((record->key == kSparseBytes) != want_bytes) return std::nullopt;
      if (record->value.find(',') != std::string_view::npos) return std::nullopt;
      want_bytes = !want_bytes;
      if (!sparse_map.empty()) sparse_map += ',';
      sparse_map += record->value;
    } else {
      records.insert_or_assign(std::string(record->key), std::string(record->value));
    }
  }
  if (!sparse_map.empty()) records["GNU.sparse.map"] = std::move(sparse_map);
  return records;
}

std::optional<int64_t> parse_signed(std::string_view text) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return std::nullopt;
  }
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<TarTime> parse_pax_time(std::string_view text) {
  size_t dot = text.find('.');
  std::string_view whole = text.substr(0, dot);
  std::optional<int64_t> seconds = parse_signed(whole);
  if (!seconds) return std::nullopt;
  TarTime time{*seconds, 0};
  if (dot == std::string_view::npos) return time;
  uint32_t scale = 100'000'000;
  for (char c : text.substr(dot + 1)) {
    if (c < '0' || c > '9') return std::nullopt;
    time.nsec += static_cast<uint32_t>(c - '0') * scale;
    scale /= 10;
  }
  if (whole.starts_with('-') && time.nsec > 0 && time.sec > INT64_MIN) {
    time.sec -= 1;
    time.nsec = 1'000'000'000 - time.nsec;
  }
  return time;
}

void append_pax(std::string& out, std::string_view key, std::string_view value) {
  size_t fixed = key.size() + value.size() + 3;  // blank, equals sign, newline
  size_t length = fixed + std::to_string(fixed).size();
  // The digits of the length count too, and may just grow by one.
  if (std::to_string(length).size() > std::to_string(fixed).size())
    length = fixed + std::to_string(length).size();
  base::append(out, length);
  out += ' ';
  out += key;
  out += '=';
  out += value;
  out += '\n';
}

}  // namespace layer
