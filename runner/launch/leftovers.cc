#include "runner/launch/leftovers.h"

#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <string>

#include "base/error.h"
#include "base/sys/process.h"
#include "base/text.h"

namespace launch {

namespace {

std::optional<ino_t> mount_namespace_of(const std::string& pid) {
  struct stat status;
  if (::stat(("/proc/" + pid + "/ns/mnt").c_str(), &status) < 0) return std::nullopt;
  return status.st_ino;
}

/// One look at all processes; how many were there.
int kill_all(ino_t space) {
  int found = 0;
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", gone)) {
    const std::string name = entry.path().filename();
    const auto pid = base::parse_decimal(name);
    if (!pid || mount_namespace_of(name) != space) continue;
    const auto process = sys::open_process(static_cast<pid_t>(*pid));
    // Asked again: the number may have become another's before it was opened.
    if (!process || mount_namespace_of(name) != space) continue;
    if (sys::signal_process(process->get(), SIGKILL)) ++found;
  }
  return found;
}

}  // namespace

Leftovers::Leftovers(pid_t pid) : mount_namespace_(mount_namespace_of(std::to_string(pid))) {}

void Leftovers::end() {
  if (!mount_namespace_) return;
  try {
    // A process may fork while we look; the dead stay in sight until they are reaped.
    constexpr int kMostLooks = 20;
    for (int look = 0; look < kMostLooks && kill_all(*mount_namespace_) > 0; ++look) {
    }
  } catch (const base::Error&) {
    // A process that is not ours to kill stays.
  }
  mount_namespace_.reset();
}

}  // namespace launch
