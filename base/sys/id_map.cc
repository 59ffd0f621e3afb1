#include "base/sys/id_map.h"

#include "base/sys/file.h"
#include "base/text.h"

namespace sys {

std::vector<IdRange> read_id_map(const std::string& path) {
  constexpr uint64_t kMost = 1 << 20;
  std::vector<IdRange> rows;
  for (const std::string& line : base::split(find_user_file(path, kMost).value_or(""), '\n')) {
    std::vector<uint32_t> numbers;
    for (const std::string& word : base::split(line, ' '))
      if (!word.empty())
        numbers.push_back(static_cast<uint32_t>(base::parse_decimal(word).value_or(0)));
    if (numbers.size() == 3) rows.push_back({numbers[0], numbers[1], numbers[2]});
  }
  return rows;
}

}  // namespace sys
