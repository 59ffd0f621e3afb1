#include "builder/plan/history.h"

#include "base/text.h"

namespace plan {

std::string run_history(const std::vector<std::pair<std::string, std::string>>& arguments,
                        const std::vector<std::string>& argv) {
  std::string text = "RUN ";
  if (!arguments.empty()) {
    text += base::str("|", arguments.size(), " ");
    for (const auto& [name, value] : arguments) text += name + "=" + value + " ";
  }
  return text + base::join(argv, " ") + " # buildkit";
}

std::string copy_history(bool add, const std::string& chown, const std::string& chmod, bool link,
                         const std::vector<std::string>& sources, const std::string& destination) {
  std::string text = add ? "ADD" : "COPY";
  if (!chown.empty()) text += " --chown=" + chown;
  if (!chmod.empty()) text += " --chmod=" + chmod;
  if (link) text += " --link";
  for (const std::string& source : sources) text += " " + source;
  return text + " " + destination + " # buildkit";
}

std::string list_history(const char* keyword, const std::vector<std::string>& words) {
  std::string text = base::str(keyword, " [");
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += " ";
    text += '"';
    for (char c : words[i]) {
      if (c == '"' || c == '\\') text += '\\';
      if (c == '\n') {
        text += "\\n";
        continue;
      }
      text += c;
    }
    text += '"';
  }
  return text + "]";
}

}  // namespace plan
