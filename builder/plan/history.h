#pragma once

#include <string>
#include <utility>
#include <vector>

#include "store/oci/image_config.h"

namespace plan {

/// Texts of `created_by`, spelled as the reference does, because tools parse them. [spec M2]

/// `RUN |1 a=b /bin/sh -c make # buildkit`; `arguments` are the ARGs in force.
std::string run_history(const std::vector<std::pair<std::string, std::string>>& arguments,
                        const std::vector<std::string>& argv);
/// `COPY --chown=1:1 src /dst # buildkit`; other flags are not shown.
std::string copy_history(bool add, bool parents, const std::string& chown, const std::string& chmod,
                         const std::vector<std::string>& sources, const std::string& destination);
/// `CMD ["sh" "-c"]`
std::string quoted_history(const char* keyword, const std::vector<std::string>& words);
/// `VOLUME [/a /b]`
std::string list_history(const char* keyword, const std::vector<std::string>& words);
/// `HEALTHCHECK {Test:[CMD-SHELL true] Interval:1m30s Timeout:0s StartPeriod:0s StartInterval:0s
/// Retries:3}`
std::string healthcheck_history(const oci::Healthcheck& check);

}  // namespace plan
