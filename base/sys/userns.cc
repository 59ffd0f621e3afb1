#include "base/sys/userns.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/nsfs.h>
#include <pwd.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/sys/fd.h"
#include "base/sys/file.h"
#include "base/sys/process.h"
#include "base/text.h"

namespace sys {

namespace {

std::atomic<UsernsMode> current_mode{UsernsMode::kNone};

constexpr uint64_t kMaxIdFile = 1 << 20;

/// One row of a map: `count` ids from `inside` on are those from `outside` on.
struct Range {
  uint64_t inside, outside, count;
};

/// The user's lines of /etc/subuid or /etc/subgid, laid one after the other from id 1.
std::vector<Range> subordinate_ranges(const char* path, const std::string& name, uid_t uid) {
  std::vector<Range> ranges;
  uint64_t next = 1;
  std::string text = find_user_file(path, kMaxIdFile).value_or("");
  for (const std::string& line : base::split(text, '\n')) {
    std::vector<std::string> fields = base::split(line, ':');
    if (fields.size() != 3 || (fields[0] != name && fields[0] != std::to_string(uid))) continue;
    auto first = base::parse_decimal(fields[1]);
    auto count = base::parse_decimal(base::trim(fields[2]));
    if (!first || !count || *count == 0) continue;
    ranges.push_back({next, *first, *count});
    next += *count;
  }
  return ranges;
}

std::vector<std::string> helper_command(const char* program, pid_t pid, uint64_t own,
                                        const std::vector<Range>& ranges) {
  std::vector<std::string> argv = {program, std::to_string(pid), "0", std::to_string(own), "1"};
  for (const Range& range : ranges) {
    argv.push_back(std::to_string(range.inside));
    argv.push_back(std::to_string(range.outside));
    argv.push_back(std::to_string(range.count));
  }
  return argv;
}

void write_proc(const char* path, const std::string& text) {
  UniqueFd file(::open(path, O_WRONLY | O_CLOEXEC));
  if (!file || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    base::throw_errno(std::string("write ") + path);
}

/// The helpers must be started from outside: this child stays there while we move.
pid_t fork_map_helper(Pipe& go, const std::vector<std::string>& uid_command,
                      const std::vector<std::string>& gid_command) {
  pid_t pid = ::fork();
  if (pid < 0) base::throw_errno("fork");
  if (pid > 0) return pid;
  go.write_end.reset();
  char byte;
  if (::read(go.read_end.get(), &byte, 1) != 1) ::_exit(1);
  try {
    std::string ignored;
    if (run_program(uid_command, &ignored).shell_status() != 0) ::_exit(1);
    if (run_program(gid_command, &ignored).shell_status() != 0) ::_exit(1);
  } catch (const base::Error&) {
    ::_exit(1);
  }
  ::_exit(0);
}

void unshare_namespaces() {
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) return;
  int error = errno;
  base::Error failure(base::Code::kDenied, base::str("create user namespace: ", strerror(error)),
                      "userns-denied");
  failure.add_help(
      "ordinary users need user namespaces: see /proc/sys/user/max_user_namespaces, "
      "kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns");
  throw failure;
}

/// True when the helpers wrote both maps.
bool move_with_ranges(uid_t uid, gid_t gid, const std::vector<Range>& uids,
                      const std::vector<Range>& gids) {
  Pipe go = make_pipe();
  pid_t helper = fork_map_helper(go, helper_command("newuidmap", ::getpid(), uid, uids),
                                 helper_command("newgidmap", ::getpid(), gid, gids));
  Process owner(helper, UniqueFd());
  unshare_namespaces();
  write_all(go.write_end.get(), base::as_bytes("x"), "helper");
  return owner.wait().shell_status() == 0;
}

void map_single(uid_t uid, gid_t gid) {
  write_proc("/proc/self/setgroups", "deny");
  write_proc("/proc/self/uid_map", base::str("0 ", uid, " 1\n"));
  write_proc("/proc/self/gid_map", base::str("0 ", gid, " 1\n"));
}

bool is_mapped() {
  return !base::trim(find_user_file("/proc/self/uid_map", kMaxIdFile).value_or("")).empty();
}

}  // namespace

UsernsMode enter_user_namespace() {
  uid_t uid = ::geteuid();
  gid_t gid = ::getegid();
  if (uid == 0) return UsernsMode::kNone;
  const passwd* entry = ::getpwuid(uid);
  std::string name = entry != nullptr ? entry->pw_name : std::to_string(uid);
  std::vector<Range> uids = subordinate_ranges("/etc/subuid", name, uid);
  std::vector<Range> gids = subordinate_ranges("/etc/subgid", name, uid);
  UsernsMode mode = UsernsMode::kSingle;
  bool unshared = false;
  if (!uids.empty() && !gids.empty()) {
    unshared = true;
    if (move_with_ranges(uid, gid, uids, gids)) mode = UsernsMode::kRanges;
  }
  if (mode == UsernsMode::kSingle) {
    if (!unshared) unshare_namespaces();
    // A helper may have written one map and failed at the other; then there is nothing left to try.
    if (is_mapped())
      throw base::Error(base::Code::kDenied, "map user ids: newgidmap failed", "userns-denied");
    map_single(uid, gid);
  }
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) < 0)
    base::throw_errno("make mounts private");
  current_mode.store(mode);
  return mode;
}

std::vector<IdRange> subordinate_ids(const char* file, const std::string& user, uint32_t first) {
  const passwd* entry = ::getpwnam(user.c_str());
  std::vector<IdRange> ids;
  for (const Range& range :
       subordinate_ranges(file, user, entry != nullptr ? entry->pw_uid : ~uid_t{0}))
    ids.push_back({static_cast<uint32_t>(range.inside - 1 + first),
                   static_cast<uint32_t>(range.outside), static_cast<uint32_t>(range.count)});
  return ids;
}

namespace {

std::string map_text(const std::vector<IdRange>& ranges) {
  std::string text;
  for (const IdRange& range : ranges)
    text += base::str(range.inside, " ", range.outside, " ", range.count, "\n");
  return text;
}

/// A child in namespaces of its own that waits for its end and does nothing else. A thread's copy
/// of our memory is all it has, so it only makes system calls.
class Holder {
 public:
  /// `flags`: CLONE_NEW* of the child. `entered`: a user namespace to make a network namespace in,
  /// or -1.
  Holder(unsigned long flags, int entered) : life_(make_pipe()), ready_(make_pipe()) {
    const auto pid =
        static_cast<pid_t>(::syscall(SYS_clone, flags | SIGCHLD, nullptr, nullptr, nullptr, 0));
    if (pid < 0) base::throw_errno("create user namespace");
    if (pid == 0) live(entered);
    process_ = Process(pid, UniqueFd());
    ready_.write_end.reset();
    char byte;
    if (::read(ready_.read_end.get(), &byte, 1) != 1)
      throw base::Error(base::Code::kUnsupported,
                        "cannot make a network namespace in the user namespace", "userns-denied");
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  // The process is killed with its owner.
  ~Holder() = default;
  pid_t pid() const { return process_.pid(); }

 private:
  [[noreturn]] void live(int entered) {
    ::close(life_.write_end.get());
    ::close(ready_.read_end.get());
    char byte = 'x';
    if (entered >= 0 && (::setns(entered, CLONE_NEWUSER) < 0 || ::unshare(CLONE_NEWNET) < 0))
      ::_exit(1);
    if (::write(ready_.write_end.get(), &byte, 1) != 1) ::_exit(1);
    while (::read(life_.read_end.get(), &byte, 1) < 0 && errno == EINTR) {
    }
    ::_exit(0);
  }

  Pipe life_, ready_;
  Process process_;
};

UniqueFd open_namespace(pid_t pid, const char* name) {
  const std::string path = base::str("/proc/", pid, "/ns/", name);
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) base::throw_errno("open " + path);
  return fd;
}

}  // namespace

UserNamespace make_user_namespace(const IdMaps& maps, bool with_network) {
  // A process must be in it when the maps are written.
  const Holder holder(CLONE_NEWUSER | (with_network ? CLONE_NEWNET : 0), -1);
  const pid_t pid = holder.pid();
  write_proc(base::str("/proc/", pid, "/uid_map").c_str(), map_text(maps.uids));
  write_proc(base::str("/proc/", pid, "/gid_map").c_str(), map_text(maps.gids));
  UserNamespace made;
  made.user = open_namespace(pid, "user");
  if (with_network) made.network = open_namespace(pid, "net");
  return made;
}

UniqueFd make_network_namespace_in(int user_namespace) {
  const Holder holder(0, user_namespace);
  return open_namespace(holder.pid(), "net");
}

UniqueFd parent_user_namespace(int fd) {
  UniqueFd parent(::ioctl(fd, NS_GET_PARENT));
  if (!parent) base::throw_errno("find the parent of a user namespace");
  return parent;
}

namespace {

/// `fd`: a pidfd or a user namespace.
UsernsMode enter_container(int fd) {
  if (::setns(fd, CLONE_NEWUSER) < 0) base::throw_errno("join user namespace of the container");
  if (::unshare(CLONE_NEWNS) < 0) base::throw_errno("create mount namespace");
  // Two lines of map: the caller and ranges; one: the caller alone.
  std::string map = find_user_file("/proc/self/uid_map", kMaxIdFile).value_or("");
  bool ranges = base::split(base::trim(map), '\n').size() > 1;
  current_mode.store(ranges ? UsernsMode::kRanges : UsernsMode::kSingle);
  return current_mode.load();
}

}  // namespace

UsernsMode join_user_namespace(int pidfd) {
  return ::geteuid() == 0 ? UsernsMode::kNone : enter_container(pidfd);
}

UsernsMode join_user_namespace_around(pid_t process) {
  if (::geteuid() == 0) return UsernsMode::kNone;
  return enter_container(parent_user_namespace(open_namespace(process, "user").get()).get());
}

void adopt_user_namespace(UsernsMode mode) { current_mode.store(mode); }

UsernsMode userns_mode() { return current_mode.load(); }

bool in_initial_user_namespace() {
  static const bool initial = [] {
    std::istringstream map(find_user_file("/proc/self/uid_map", kMaxIdFile).value_or(""));
    uint64_t inside = 1, outside = 1, count = 0;
    map >> inside >> outside >> count;
    return inside == 0 && outside == 0 && count == 4294967295u;
  }();
  return initial;
}

}  // namespace sys
