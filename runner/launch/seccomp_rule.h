#pragma once

#include <cstdint>

namespace launch {

/// What the default policy says of a system call. kNeeds... : refused unless that capability may be
/// held; the others decide by an argument.
enum class Rule : uint8_t {
  kAllow,
  kRefuse,
  kUnknownToUs,  ///< ENOSYS, so that callers fall back
  kNeedsSysAdmin,
  kNeedsDacReadSearch,
  kNeedsSysModule,
  kNeedsSysBoot,
  kNeedsSysRawio,
  kNeedsSysTime,
  kNeedsSysPtrace,
  kNeedsSysPacct,
  kNeedsSysTtyConfig,
  kNeedsSysNice,
  kNeedsSysChroot,
  kClone,        ///< no new namespaces
  kSocket,       ///< not AF_ALG, not AF_VSOCK
  kSocketCall,   ///< i386: socket() hides its family from us, so only the others
  kPersonality,  ///< the harmless ones
  kIoctl,        ///< nothing typed into a terminal
  kMakeNode,     ///< mknod: only the devices every container has; mode is argument 1
  kMakeNodeAt,   ///< mknodat: argument 2
};

/// One line of the table generated for a processor: system calls from `first` on, up to the next
/// line's, follow `rule`.
struct RuleRange {
  uint32_t first;
  Rule rule;
};

}  // namespace launch
