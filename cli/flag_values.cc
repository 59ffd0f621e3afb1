#include "cli/flag_values.h"

#include <vector>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "builder/dockerfile/mount.h"

namespace cli {

std::pair<std::string, std::string> split_pair(const std::string& text, const char* flag) {
  size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos)
    throw UsageError(base::str("--", flag, " needs NAME=VALUE, not ", base::printable(text)));
  return {text.substr(0, equals), text.substr(equals + 1)};
}

std::map<std::string, std::string> split_fields(const std::string& text, const char* flag) {
  std::map<std::string, std::string> fields;
  std::vector<std::string> parts;
  try {
    parts = dockerfile::split_csv(text);
  } catch (const base::Error& e) {
    throw UsageError(base::str("--", flag, " ", base::printable(text), ": ", e.message()));
  }
  for (const std::string& part : parts) {
    size_t equals = part.find('=');
    std::string key = base::to_lower(base::trim(part.substr(0, equals)));
    std::string value = equals == std::string::npos ? "true" : part.substr(equals + 1);
    if (key.empty() || !fields.emplace(key, value).second)
      throw UsageError(base::str("--", flag, " ", base::printable(text), ": the key \"",
                                 base::printable(key), "\" is empty or given twice"));
  }
  return fields;
}

std::string read_file_of(const char* flag, const std::string& file, uint64_t most_bytes) {
  return base::with_context(base::str("--", flag),
                            [&] { return sys::read_user_file(file, most_bytes); });
}

UsageError unknown_word(const std::string& what, const std::string& word,
                        const std::vector<std::string>& known) {
  UsageError error(
      base::str(what, " ", base::printable(word), "; there are ", base::join(known, ", ")));
  if (std::string near = base::nearest(word, known); !near.empty())
    error.add_help("did you mean " + near + "?");
  return error;
}

}  // namespace cli
