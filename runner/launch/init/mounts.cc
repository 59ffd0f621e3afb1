// Operations on mounts and on what is below the new root. Every path goes through openat2 with
// RESOLVE_IN_ROOT, every mount is attached to a descriptor. [spec/security.md 3 and 5]

#include <linux/fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/stat.h>

#include "runner/launch/init/state.h"
#include "runner/launch/init/syscalls.h"

namespace launch::init {

namespace {

using kernel::call;

constexpr long kPath = 010000000;      // O_PATH
constexpr long kDirectory = 00200000;  // O_DIRECTORY
constexpr long kNoFollow = 00400000;   // O_NOFOLLOW
constexpr long kCloseOnExec = 02000000;
constexpr long kCreateNew = 0100 | 0200;  // O_CREAT | O_EXCL
constexpr long kWriteOnly = 01;

long open_at(int base, const char* path, uint64_t flags, uint64_t resolve) {
  open_how how = {};
  how.flags = flags | kCloseOnExec;
  how.resolve = resolve;
  long fd = -EAGAIN;
  // EAGAIN: something was renamed meanwhile and the kernel could not be sure.
  for (int tries = 0; fd == -EAGAIN && tries < 128; ++tries)
    fd = call(SYS_openat2, base, path, &how, sizeof how);
  return fd;
}

long open_inside(int base, const char* path, uint64_t flags) {
  return open_at(base, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

void close(long fd) {
  if (fd >= 0) call(SYS_close, fd);
}

long keep(State& state, int slot, long fd) {
  if (fd < 0) return fd;
  close(state.slots[slot]);
  state.slots[slot] = static_cast<int>(fd);
  return 0;
}

long new_file_system(State& state, const wire::Operation& op, const char* text) {
  long context = call(SYS_fsopen, text, FSOPEN_CLOEXEC);
  if (context < 0) return context;
  const char* end = text + op.text_size;
  const char* key = text + kernel::length(text) + 1;
  while (key < end) {
    const char* value = key + kernel::length(key) + 1;
    bool is_flag = *value == '\0';
    long error = call(SYS_fsconfig, context, is_flag ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING, key,
                      is_flag ? 0 : value);
    if (error < 0) {
      close(context);
      return error;
    }
    key = value + kernel::length(value) + 1;
  }
  long mount = call(SYS_fsconfig, context, FSCONFIG_CMD_CREATE);
  if (mount >= 0) mount = call(SYS_fsmount, context, FSMOUNT_CLOEXEC, op.x);
  close(context);
  return keep(state, op.a, mount);
}

long clone_tree(State& state, const wire::Operation& op) {
  constexpr long kEmptyPath = 0x1000, kRecursive = 0x8000;
  return keep(
      state, op.a,
      call(SYS_open_tree, state.slots[op.b], "",
           OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | kEmptyPath | (op.x != 0 ? kRecursive : 0)));
}

long set_attributes(State& state, const wire::Operation& op) {
  constexpr long kEmptyPath = 0x1000, kRecursive = 0x8000;
  struct mount_attr attributes = {};
  attributes.attr_set = op.x;
  attributes.attr_clr = op.y;
  return call(SYS_mount_setattr, state.slots[op.a], "", kEmptyPath | (op.c != 0 ? kRecursive : 0),
              &attributes, sizeof attributes);
}

long mount_id(long fd, uint64_t& id) {
  struct statx status = {};
  constexpr long kEmptyPath = 0x1000;
  long error = call(SYS_statx, fd, "", kEmptyPath, STATX_MNT_ID, &status);
  id = status.stx_mnt_id;
  return error;
}

long verify_mount(State& state, const wire::Operation& op, const char* path) {
  long found = open_inside(state.slots[op.b], path, kPath);
  if (found < 0) return found;
  uint64_t is = 0, want = 0;
  long error = mount_id(found, is);
  close(found);
  if (error >= 0) error = mount_id(state.slots[op.a], want);
  if (error < 0) return error;
  return is == want ? 0 : -ESTALE;
}

long check_device(State& state, const wire::Operation& op) {
  struct statx status = {};
  constexpr long kEmptyPath = 0x1000;
  long error = call(SYS_statx, state.slots[op.a], "", kEmptyPath, STATX_BASIC_STATS, &status);
  if (error < 0) return error;
  bool right = (status.stx_mode & S_IFMT) == S_IFCHR && status.stx_rdev_major == (op.x >> 8) &&
               status.stx_rdev_minor == (op.x & 0xff);
  return right ? 0 : -ENODEV;
}

/// A sysctl that belongs to a namespace is another file for each namespace that looks at it.
long expect_other(State& state, const wire::Operation& op, const char* path) {
  struct statx ours = {}, theirs = {};
  constexpr long kEmptyPath = 0x1000;
  long error = call(SYS_statx, AT_FDCWD, path, 0, STATX_INO, &ours);
  if (error >= 0) error = call(SYS_statx, state.slots[op.b], "", kEmptyPath, STATX_INO, &theirs);
  if (error < 0) return error;
  return ours.stx_ino == theirs.stx_ino ? -EXDEV : 0;
}

long private_mounts() {
  constexpr long kRecursive = 1 << 14, kSlave = 1 << 19, kPrivate = 1 << 18;  // MS_*
  long error = call(SYS_mount, 0, "/", 0, kRecursive | kSlave, 0);
  if (error >= 0) error = call(SYS_mount, 0, "/", 0, kRecursive | kPrivate, 0);
  return error;
}

/// The old root is stacked on the new one by pivot_root(".", ".") and detached from there
/// [pivot_root(2)].
long pivot(State& state, const wire::Operation& op) {
  constexpr long kDetach = 2;  // MNT_DETACH
  long error = call(SYS_fchdir, state.slots[op.a]);
  if (error >= 0) error = call(SYS_pivot_root, ".", ".");
  if (error >= 0) error = call(SYS_umount2, ".", kDetach);
  if (error >= 0) error = call(SYS_chdir, "/");
  return error;
}

/// Makes and opens a directory. In a cache mount another container may be making it, too.
long make_directory(int parent, const char* name) {
  long made = call(SYS_mkdirat, parent, name, 0755);
  if (made < 0 && made != -EEXIST) return made;
  long opened = open_at(parent, name, kPath | kDirectory | kNoFollow, 0);
  return opened < 0 && made < 0 ? made : opened;
}

/// Opens the directory `path[0, size)` inside the root, creating what is missing.
long make_directories(int root, char* path) {
  long current = open_inside(root, "/", kPath | kDirectory);
  for (char* end = path; current >= 0 && *end != '\0';) {
    char* name = end + 1;
    end = name;
    while (*end != '\0' && *end != '/') ++end;
    char saved = *end;
    *end = '\0';
    long next = open_inside(root, path, kPath | kDirectory);
    if (next == -ENOENT) next = make_directory(static_cast<int>(current), name);
    *end = saved;
    close(current);
    current = next;
  }
  return current;
}

long make_target(State& state, const wire::Operation& op, const char* text) {
  int root = state.slots[op.b];
  long found = open_inside(root, text, kPath);
  if (found >= 0) {
    close(found);
    return 0;
  }
  if (found != -ENOENT) return found;
  char path[4096];
  if (op.text_size > sizeof path) return -ENAMETOOLONG;
  for (uint32_t i = 0; i < op.text_size; ++i) path[i] = text[i];
  if (op.c != 0) {
    long made = make_directories(root, path);
    close(made);
    return made < 0 ? made : 0;
  }
  char* name = path + kernel::length(path);
  while (*name != '/') --name;
  *name++ = '\0';
  long parent = make_directories(root, path);
  if (parent < 0) return parent;
  long file = call(SYS_openat, parent, name, kWriteOnly | kCreateNew | kCloseOnExec, 0644);
  close(parent);
  if (file == -EEXIST && (found = open_inside(root, text, kPath)) >= 0) file = found;
  close(file);
  return file < 0 ? file : 0;
}

long write_whole(long fd, const char* bytes, uint32_t size) {
  while (size > 0) {
    long n = call(SYS_write, fd, bytes, size);
    if (n < 0) return n;
    bytes += n;
    size -= static_cast<uint32_t>(n);
  }
  return 0;
}

long make_file(State& state, const wire::Operation& op, const char* name) {
  int base = state.slots[op.b];
  const char* bytes = name + kernel::length(name) + 1;
  uint32_t size = op.text_size - static_cast<uint32_t>(bytes - name);
  long fd = call(SYS_openat, base, name, kWriteOnly | kCreateNew | kCloseOnExec, 0600);
  if (fd < 0) return fd;
  long error = write_whole(fd, bytes, size);
  if (error >= 0 && (op.x != 0 || op.y != 0)) error = call(SYS_fchown, fd, op.x, op.y);
  if (error >= 0) error = call(SYS_fchmod, fd, op.c);
  close(fd);
  if (error < 0) return error;
  return keep(state, op.a, call(SYS_openat, base, name, kPath | kNoFollow | kCloseOnExec));
}

long write_file(State& state, const wire::Operation& op, const char* path) {
  const char* bytes = path + kernel::length(path) + 1;
  uint32_t size = op.text_size - static_cast<uint32_t>(bytes - path);
  const uint64_t straight = op.x != 0 ? 0 : RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
  long fd = open_at(state.slots[op.b], path, kWriteOnly, RESOLVE_BENEATH | straight);
  if (fd < 0) return fd;
  long error = write_whole(fd, bytes, size);
  close(fd);
  return error;
}

long allow_existing(long error) { return error == -EEXIST ? 0 : error; }

}  // namespace

long do_mount_operation(State& state, const wire::Operation& op, const char* text) {
  const int* slots = state.slots;
  switch (op.kind) {
    case wire::Kind::kExpectOther:
      return expect_other(state, op, text);
    case wire::Kind::kPrivateMounts:
      return private_mounts();
    case wire::Kind::kNewFileSystem:
      return new_file_system(state, op, text);
    case wire::Kind::kCloneTree:
      return clone_tree(state, op);
    case wire::Kind::kAttach:
      return call(SYS_move_mount, slots[op.a], "", slots[op.b], "",
                  MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
    case wire::Kind::kAttachOutside:
      return call(SYS_move_mount, slots[op.a], "", AT_FDCWD, text, MOVE_MOUNT_F_EMPTY_PATH);
    case wire::Kind::kSetAttributes:
      return set_attributes(state, op);
    case wire::Kind::kVerifyMount:
      return verify_mount(state, op, text);
    case wire::Kind::kEnterDirectory:
      return call(SYS_fchdir, slots[op.a]);
    case wire::Kind::kPivot:
      return pivot(state, op);
    case wire::Kind::kOpen:
      return keep(state, op.a, open_at(op.b < 0 ? AT_FDCWD : slots[op.b], text, op.x, op.y));
    case wire::Kind::kMakeDirectory:
      return allow_existing(call(SYS_mkdirat, slots[op.b], text, op.c));
    case wire::Kind::kMakeNode:
      return call(SYS_mknodat, slots[op.b], text, op.c, op.x);
    case wire::Kind::kCheckDevice:
      return check_device(state, op);
    case wire::Kind::kMakeLink:
      return call(SYS_symlinkat, text, slots[op.b], text + kernel::length(text) + 1);
    case wire::Kind::kMakeTarget:
      return make_target(state, op, text);
    case wire::Kind::kMakeFile:
      return make_file(state, op, text);
    case wire::Kind::kWriteFile:
      return write_file(state, op, text);
    case wire::Kind::kClose:
      close(slots[op.a]);
      state.slots[op.a] = -1;
      return 0;
    default:
      return -ENOSYS;
  }
}

}  // namespace launch::init
