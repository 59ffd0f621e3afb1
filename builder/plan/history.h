#pragma once

#include <string>
#include <utility>
#include <vector>

namespace plan {

/// Texts of `created_by`, spelled as the reference does, because tools parse them. [spec M2]

/// `RUN |1 a=b /bin/sh -c make # buildkit`; `arguments` are the ARGs in force.
std::string run_history(const std::vector<std::pair<std::string, std::string>>& arguments,
                        const std::vector<std::string>& argv);
/// `COPY --chown=1:1 src /dst # buildkit`
std::string copy_history(bool add, const std::string& chown, const std::string& chmod, bool link,
                         const std::vector<std::string>& sources, const std::string& destination);
/// `CMD ["sh" "-c"]` with JSON quoting and commas.
std::string list_history(const char* keyword, const std::vector<std::string>& words);

}  // namespace plan
