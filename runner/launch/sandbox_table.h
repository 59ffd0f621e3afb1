#pragma once

#include <cstdint>

namespace launch {

// What every container has in /dev, what of the kernel it may not see and what it may not change.
// [spec/security.md 5]

/// A device every container has in /dev.
struct DeviceNode {
  const char* name;
  unsigned major, minor;
  uint64_t number() const { return uint64_t{major} << 8 | minor; }
};
inline constexpr DeviceNode kDevices[] = {{"null", 1, 3},   {"zero", 1, 5},    {"full", 1, 7},
                                          {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};

/// A path that shows as an empty file or directory.
struct Hidden {
  const char* path;
  bool is_directory;
};
inline constexpr Hidden kMasked[] = {
    {"/proc/acpi", true},           {"/proc/asound", true},
    {"/proc/kcore", false},         {"/proc/keys", false},
    {"/proc/latency_stats", false}, {"/proc/timer_list", false},
    {"/proc/timer_stats", false},   {"/proc/sched_debug", false},
    {"/proc/scsi", true},           {"/proc/interrupts", false},
    {"/sys/firmware", true},        {"/sys/devices/virtual/powercap", true},
};
/// Paths that can be read and not written.
inline constexpr const char* kReadOnly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                            "/proc/sysrq-trigger"};

}  // namespace launch
