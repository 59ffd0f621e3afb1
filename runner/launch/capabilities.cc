#include "runner/launch/capabilities.h"

#include <linux/capability.h>
#include <sys/prctl.h>

#include <iterator>
#include <string>

#include "base/text.h"

namespace launch {

namespace {

// In the order of their numbers.
constexpr const char* kNames[] = {"CHOWN",
                                  "DAC_OVERRIDE",
                                  "DAC_READ_SEARCH",
                                  "FOWNER",
                                  "FSETID",
                                  "KILL",
                                  "SETGID",
                                  "SETUID",
                                  "SETPCAP",
                                  "LINUX_IMMUTABLE",
                                  "NET_BIND_SERVICE",
                                  "NET_BROADCAST",
                                  "NET_ADMIN",
                                  "NET_RAW",
                                  "IPC_LOCK",
                                  "IPC_OWNER",
                                  "SYS_MODULE",
                                  "SYS_RAWIO",
                                  "SYS_CHROOT",
                                  "SYS_PTRACE",
                                  "SYS_PACCT",
                                  "SYS_ADMIN",
                                  "SYS_BOOT",
                                  "SYS_NICE",
                                  "SYS_RESOURCE",
                                  "SYS_TIME",
                                  "SYS_TTY_CONFIG",
                                  "MKNOD",
                                  "LEASE",
                                  "AUDIT_WRITE",
                                  "AUDIT_CONTROL",
                                  "SETFCAP",
                                  "MAC_OVERRIDE",
                                  "MAC_ADMIN",
                                  "SYSLOG",
                                  "WAKE_ALARM",
                                  "BLOCK_SUSPEND",
                                  "AUDIT_READ",
                                  "PERFMON",
                                  "BPF",
                                  "CHECKPOINT_RESTORE"};
static_assert(std::size(kNames) == CAP_CHECKPOINT_RESTORE + 1);

constexpr Capabilities bit(int capability) { return Capabilities{1} << capability; }

}  // namespace

Capabilities default_capabilities() {
  return bit(CAP_CHOWN) | bit(CAP_DAC_OVERRIDE) | bit(CAP_FSETID) | bit(CAP_FOWNER) |
         bit(CAP_SETGID) | bit(CAP_SETUID) | bit(CAP_SETFCAP) | bit(CAP_SETPCAP) |
         bit(CAP_NET_BIND_SERVICE) | bit(CAP_SYS_CHROOT) | bit(CAP_KILL) | bit(CAP_MKNOD) |
         bit(CAP_NET_RAW) | bit(CAP_AUDIT_WRITE);
}

Capabilities all_capabilities() {
  Capabilities all = 0;
  for (int capability = 0; capability < 64; ++capability) {
    int set = ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
    if (set < 0) break;
    if (set > 0) all |= bit(capability);
  }
  return all;
}

std::optional<Capabilities> find_capabilities(std::string_view name) {
  std::string upper = base::to_upper(name);
  if (upper == "ALL") return all_capabilities();
  if (upper.starts_with("CAP_")) upper.erase(0, 4);
  for (size_t i = 0; i < std::size(kNames); ++i)
    if (upper == kNames[i]) return bit(static_cast<int>(i));
  return std::nullopt;
}

std::vector<std::string> capability_names(Capabilities set) {
  std::vector<std::string> names;
  for (size_t i = 0; i < std::size(kNames); ++i)
    if ((set >> i & 1) != 0) names.push_back(std::string("CAP_") + kNames[i]);
  return names;
}

}  // namespace launch
