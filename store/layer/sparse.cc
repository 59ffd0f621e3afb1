#include "store/layer/sparse.h"

#include <string>

#include "base/text.h"

namespace layer {

namespace {

std::string_view record(const PaxRecords& records, std::string_view key) {
  auto found = records.find(key);
  return found == records.end() ? std::string_view() : std::string_view(found->second);
}

}  // namespace

SparseForm sparse_form(const PaxRecords& records) {
  std::string_view major = record(records, "GNU.sparse.major");
  std::string_view minor = record(records, "GNU.sparse.minor");
  if (major == "0" && (minor == "0" || minor == "1")) return SparseForm::kMapInRecords;
  if (major == "1" && minor == "0") return SparseForm::kMapInData;
  if (!major.empty() || !minor.empty()) return SparseForm::kNone;
  // The first forms had no version.
  return record(records, "GNU.sparse.map").empty() ? SparseForm::kNone : SparseForm::kMapInRecords;
}

std::optional<std::vector<SparseRegion>> parse_sparse_records(const PaxRecords& records,
                                                              uint64_t limit) {
  std::optional<int64_t> count = parse_signed(record(records, "GNU.sparse.numblocks"));
  if (!count || *count < 0 || static_cast<uint64_t>(*count) > limit) return std::nullopt;
  std::string_view map = record(records, "GNU.sparse.map");
  std::vector<std::string> numbers;
  if (!map.empty()) numbers = base::split(map, ',');
  if (numbers.size() != static_cast<size_t>(*count) * 2) return std::nullopt;
  std::vector<SparseRegion> regions;
  for (size_t i = 0; i < numbers.size(); i += 2) {
    std::optional<int64_t> offset = parse_signed(numbers[i]);
    std::optional<int64_t> length = parse_signed(numbers[i + 1]);
    if (!offset || !length) return std::nullopt;
    regions.push_back({*offset, *length});
  }
  return regions;
}

std::optional<std::vector<SparseRegion>> parse_sparse_data(
    const std::function<std::string_view()>& read_block, uint64_t limit) {
  std::string_view block;
  auto next_number = [&]() -> std::optional<int64_t> {
    std::string digits;
    for (;;) {
      if (block.empty()) block = read_block();
      if (block.empty() || digits.size() > 32) return std::nullopt;
      char c = block[0];
      block.remove_prefix(1);
      if (c == '\n') return parse_signed(digits);
      digits += c;
    }
  };
  std::optional<int64_t> count = next_number();
  if (!count || *count < 0 || static_cast<uint64_t>(*count) > limit) return std::nullopt;
  std::vector<SparseRegion> regions;
  for (int64_t i = 0; i < *count; ++i) {
    std::optional<int64_t> offset = next_number();
    std::optional<int64_t> length = offset ? next_number() : std::nullopt;
    if (!length) return std::nullopt;
    regions.push_back({*offset, *length});
  }
  return regions;
}

bool valid_sparse_map(const std::vector<SparseRegion>& map, int64_t size) {
  if (size < 0) return false;
  int64_t end = 0;
  for (const SparseRegion& region : map) {
    if (region.offset < end || region.length < 0 || region.offset > INT64_MAX - region.length)
      return false;
    end = region.offset + region.length;
    if (end > size) return false;
  }
  return true;
}

}  // namespace layer
