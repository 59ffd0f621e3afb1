#include "builder/solve/step_log.h"

#include <fcntl.h>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"

namespace solve {

StepLog::StepLog(const std::filesystem::path& directory, int step) {
  if (!directory.empty()) path_ = directory / base::str("step-", step, ".log");
}

void StepLog::write(std::string_view bytes) {
  if (path_.empty() || !problem_.empty()) return;
  try {
    append(bytes);
  } catch (const base::SystemError& e) {
    problem_ = e.what();
  }
}

void StepLog::append(std::string_view bytes) {
  if (!fd_) {
    sys::make_directories(path_.parent_path());
    fd_ = sys::UniqueFd(
        ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd_) base::throw_errno("create log " + path_.string());
  }
  sys::write_all(fd_.get(), base::as_bytes(bytes), path_.string());
}

}  // namespace solve
