#pragma once

#include <stdint.h>

/// The language between torte and its launcher: a plan is a header and a row of operations, each
/// followed by its text. Both sides are built together, so there is no version to agree on. This
/// header is all that they share and it includes nothing of the C library.
///
///   PlanHeader | Operation text... | Operation text... | ...     (texts padded to 8 bytes)
///
/// Operations name descriptors by slot; slots below PlanHeader::slot_count start with the
/// descriptors that were inherited, the others are filled by operations.
namespace launch::wire {

inline constexpr uint32_t kMagic = 0x3174726c;
inline constexpr int kMaxSlots = 256;

enum class Kind : uint32_t {
  kResetSignals,    // default handlers, nothing blocked
  kWaitForParent,   // reads one byte from the status socket
  kExpectOther,     // b: slot, text: path before the pivot; fails with EXDEV when both are one file
  kUnshare,         // x: CLONE_NEW*
  kSetNamespace,    // a: slot, x: CLONE_NEW*
  kSplitOff,        // go on as a child of torte, in the pid namespace joined before
  kHideFromOthers,  // not dumpable: nobody in the namespaces we join may trace us
  kHostname,        // text
  kDomainname,      // text
  kLoopbackUp,
  kPrivateMounts,   // nothing propagates in or out any more
  kNewFileSystem,   // a: slot out, x: MOUNT_ATTR_*, text: type\0 then key\0value\0 (empty value: a
                    // flag)
  kCloneTree,       // a: slot out, b: slot, x: 1 = with the mounts below
  kAttach,          // a: mount slot, b: target slot
  kAttachOutside,   // a: mount slot, text: path in the old root
  kSetAttributes,   // a: mount slot, x: set, y: clear, c: 1 = recursive
  kVerifyMount,     // a: mount slot, b: base slot, text: path. What is at path is that mount
  kEnterDirectory,  // a: slot
  kPivot,           // a: root slot; the old root is detached, slot stays valid
  kOpen,  // a: slot out, b: base slot or -1 for the working directory, x: open flags, y: RESOLVE_*,
          // text: path
  kMakeDirectory,  // b: base slot, c: mode, text: name; existing is fine
  kMakeNode,       // b: base slot, c: mode, x: device number, text: name
  kCheckDevice,    // a: slot, x: device number: a character device, this one
  kMakeLink,       // b: base slot, text: content\0name
  kMakeTarget,     // b: root slot, c: 1 = directory, text: absolute path
  kMakeFile,       // a: slot out, b: base slot, c: mode, x: uid, y: gid, text: name\0bytes
  kWriteFile,  // b: base slot or -1, text: path\0bytes; the file exists. x: 1 = by links and mounts
  kClose,      // a: slot
  kSessionKeyring,
  kLimit,  // c: RLIMIT_*, x: soft, y: hard; d: 1 = as far as we may
  kNewSession,
  kTerminal,  // a: slot out, b: slot of devpts, c: rows, d: columns, x: owner; session leader
              // of a new terminal on 0, 1, 2; its other side goes to the status socket
  kChangeDirectory,  // a: slot; must be below the root
  kUmask,            // c
  kBoundingSet,      // x: capabilities to keep
  kGroups,           // text: gid_t array
  kIdentity,         // c: uid, d: gid, x: capabilities
  kNoNewPrivileges,
  kSeccomp,  // text: struct sock_filter array
  kDieWithParent,
  kAwaitStart,  // says that everything is ready and reads one byte from the status socket
  kPassOn,      // text: slots as int32_t array; their descriptors become 3 and up
  kExecute,  // c: argument count, d: environment count, x: 1 = stay as init, y: so many descriptors
             // from 3 on are passed on, text: strings
};

/// What an error of the operation means.
enum class OnError : uint16_t {
  kFail,
  kSkipIfAbsent,  // ENOENT, ENOTDIR: go on after the next `skip` operations
  kSkip,          // any error: the same
};

struct Operation {
  Kind kind;
  uint32_t text_size;
  OnError on_error;
  uint16_t skip;
  int32_t a, b, c, d;
  uint64_t x, y;
};

struct PlanHeader {
  uint32_t magic;
  uint32_t operation_count;
  uint32_t slot_count;
  uint32_t size;  // of the whole plan in bytes
  int32_t slots[kMaxSlots];
};

/// What the launcher writes to the status socket before the program runs. The end of the stream
/// means that it runs.
struct Status {
  enum Type : uint32_t { kFailed, kTerminal, kSplitOff, kReady };
  uint32_t type;
  uint32_t operation;  // kFailed: index in the plan; kSplitOff: number of the new process
  int32_t error;       // kFailed: errno
};

inline constexpr uint32_t padded(uint32_t size) { return (size + 7u) & ~7u; }

}  // namespace launch::wire
